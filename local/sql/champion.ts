import type { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { Problem } from "../../contracts/problem.ts";

/** Id of the model that a run of this date scores with when none is fitted; empty when there is none. */
export async function lastChampion(warehouse: DuckDbWarehouse, run_date: string): Promise<string> {
  try {
    const rows = await warehouse.query(
      "SELECT model_id FROM rfm.models WHERE is_champion AND run_date <= @run_date ORDER BY run_date DESC LIMIT 1",
      { run_date: { type: "DATE", value: run_date } },
    );
    return String(rows[0]?.model_id ?? "");
  } catch (error) {
    if (error instanceof Problem) throw error;
    return ""; // No run has made the table yet.
  }
}
