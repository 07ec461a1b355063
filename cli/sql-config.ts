import type { Config } from "dataform-check/config";
import { runSettings } from "../contracts/run.ts";
import { routines } from "../jobs/clv/routines.ts";
import { sqlParameters } from "../jobs/sql-runner/parameters.ts";

/** What dataform-check needs to know about sql/. */
export const sqlConfig: Config = {
  parameters: sqlParameters({ ...runSettings.parse({}), run_date: "2024-01-01", model_id: "" }),
  routines,
  partitions: { "warehouse.raw.orders": "ordered_at" },
  complete: true,
  duckdb: true,
};
