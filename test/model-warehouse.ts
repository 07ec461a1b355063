/** A DuckDB warehouse with the tables that the model's jobs read and write. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "dataform-check/dataform";
import { DuckDbWarehouse } from "../adapters/duckdb.ts";
import type { Row } from "../contracts/warehouse.ts";
import { sqlDir } from "../lib/project.ts";

/** The tables that the jobs write. */
const written = compile(sqlDir).actions.filter(({ target }) =>
  ["models", "model_metrics", "predictions"].includes(target.name),
);

/** The tables that the jobs read; the SQL project fills them. */
const INPUTS = {
  run_calendar: "run_date DATE, holdout_weeks BIGINT, first_order_on DATE, calibration_end DATE",
  customer_history: "run_date DATE, sample VARCHAR",
  model_statistics: "run_date DATE, sample VARCHAR, x BIGINT, t_x DOUBLE, t DOUBLE, customers BIGINT",
  value_statistics: "run_date DATE, sample VARCHAR, x BIGINT, mean_value DOUBLE, customers BIGINT",
  holdout:
    "run_date DATE, customer_id VARCHAR, x BIGINT, t_x DOUBLE, t DOUBLE, value_count BIGINT, mean_value DOUBLE, rfm_score DOUBLE, past_spend DOUBLE, actual_purchases BIGINT, actual_value DOUBLE",
  backtest:
    "run_date DATE, customer_id VARCHAR, weeks BIGINT, x BIGINT, t DOUBLE, rfm_score DOUBLE, past_spend DOUBLE, predicted_purchases DOUBLE, predicted_value DOUBLE, actual_purchases BIGINT, actual_value DOUBLE",
} as const;

export interface ModelWarehouse {
  readonly warehouse: DuckDbWarehouse;
  /** Replaces the rows of a table on a run date. */
  fill(
    table: keyof typeof INPUTS | "models" | "predictions",
    runDate: string,
    rows: readonly Row[],
  ): Promise<unknown>;
  rows(table: string): Promise<Row[]>;
  close(): Promise<void>;
}

export async function openModelWarehouse(): Promise<ModelWarehouse> {
  const folder = mkdtempSync(join(tmpdir(), "model-"));
  const warehouse = await DuckDbWarehouse.open(join(folder, "warehouse.duckdb"));
  const target = (name: string) => ({ project: warehouse.project, dataset: "rfm", name });
  await warehouse.withConnection(async (connection) => {
    for (const [table, columns] of Object.entries(INPUTS))
      await connection.run(`CREATE TABLE rfm.${table} (${columns})`);
  });
  for (const model of written)
    await warehouse.materialize({ ...model, target: target(model.target.name) }, {});
  return {
    warehouse,
    fill: (table, run_date, rows) =>
      warehouse.replaceRows(
        target(table),
        { run_date },
        rows.map((row) => ({ run_date, ...row })),
      ),
    rows: (table) => warehouse.query(`SELECT * FROM rfm.${table} ORDER BY 1, 2, 3`),
    async close() {
      await warehouse.close();
      rmSync(folder, { recursive: true });
    },
  };
}
