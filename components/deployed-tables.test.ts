import assert from "node:assert/strict";
import type { Deployment } from "../contracts/deployment.ts";
import { deployedTables } from "./deployed-tables.ts";
import { planTables } from "./warehouse.ts";

describe("deployedTables", () => {
  const settings = {
    project: "shop",
    tables: { mart: "shop-marketing.marts.rfm" },
  } as Deployment["settings"];
  const tables = deployedTables({ settings } as Deployment);

  it("are all tables, where the deployment has them, with their columns", () => {
    assert.deepEqual(
      tables.map(({ project, dataset, name, columns }) => ({
        path: [project, dataset, name].join("."),
        columns,
      })),
      planTables().map(({ dataset, name, columns }) => ({
        path: dataset === "marketing" ? `shop-marketing.marts.${name}` : `shop.${dataset}.${name}`,
        columns,
      })),
    );
  });

  it("have the column that they are partitioned by", () => {
    const partition = (table: string) => tables.find(({ name }) => name === table)?.partitionColumn;
    assert.deepEqual(["models", "purchases", "segments"].map(partition), [
      "run_date",
      "purchased_on",
      undefined,
    ]);
  });
});
