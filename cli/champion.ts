import type { DuckDbWarehouse } from "../adapters/duckdb.ts";
import { QueryError } from "../contracts/warehouse.ts";
import { readChampion } from "../jobs/clv/model-tables.ts";

/** The id of the model that scores a run of this date without a new fit; empty when there is none. */
export async function lastChampion(warehouse: DuckDbWarehouse, run_date: string): Promise<string> {
  try {
    return (await readChampion(warehouse, run_date, "until"))?.model_id ?? "";
  } catch (error) {
    if (error instanceof QueryError) return ""; // No run has created the table yet.
    throw error;
  }
}
