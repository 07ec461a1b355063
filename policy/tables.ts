import { policy } from "./rule.ts";
import { at } from "./value.ts";

const partitionings = ["timePartitioning", "rangePartitioning"];
const bounds = [
  "requirePartitionFilter",
  "timePartitioning.requirePartitionFilter",
  "timePartitioning.expirationMs",
  "expirationTime",
];

/** A partitioned table grows with every run: either a query names its partitions, or old ones go away. */
export function boundedScans() {
  return policy({
    name: "bounded-scans",
    description: "Partitioned tables require a partition filter or expire.",
    remedy: "Set requirePartitionFilter: true, or the expiry of a table that is read whole.",
    types: ["gcp:bigquery/table:Table"],
    *violations({ properties }) {
      const partitioning = partitionings.find((path) => at(properties, path));
      if (partitioning !== undefined && !bounds.some((path) => at(properties, path)))
        yield `${partitioning} without any of ${bounds.join(", ")}`;
    },
  });
}
