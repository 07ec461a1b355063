import type { Deployment } from "../contracts/deployment.ts";
import { timePartitioning } from "../contracts/warehouse.ts";
import { planTables } from "./warehouse.ts";

/** The tables of a deployment, with their columns and the column that they are partitioned by. */
export function deployedTables({ settings }: Deployment) {
  const [marketing, marts] = settings.tables.mart.split(".") as [string, string, string];
  return planTables().map(({ dataset, name, columns, partitionBy }) => ({
    ...(dataset === "marketing"
      ? { project: marketing, dataset: marts }
      : { project: settings.project, dataset }),
    name,
    columns,
    partitionColumn: partitionBy === undefined ? undefined : timePartitioning(partitionBy).field,
  }));
}
