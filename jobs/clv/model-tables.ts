import { z } from "zod";
import type { Row, Target, Warehouse } from "../../contracts/warehouse.ts";
import type { MetricRow } from "./metrics.ts";

/** Tables of the model, in the dataset that the SQL project keeps them in. */
const DATASET = "rfm";

export const calendarRow = z.object({ calibration_end: z.string(), holdout_weeks: z.number() });
export const statisticsRow = z
  .object({ sample: z.string(), x: z.number(), t_x: z.number(), t: z.number(), customers: z.number() })
  .transform(({ sample, x, t_x, t, customers }) => ({ sample, x, tX: t_x, T: t, customers }));
export const valueRow = z
  .object({ sample: z.string(), x: z.number(), mean_value: z.number(), customers: z.number() })
  .transform(({ sample, x, mean_value, customers }) => ({ sample, x, meanValue: mean_value, customers }));
export const holdoutRow = z.object({
  x: z.number(),
  t_x: z.number(),
  t: z.number(),
  value_count: z.number(),
  mean_value: z.number().nullable(),
  rfm_score: z.number(),
  past_spend: z.number(),
  actual_purchases: z.number(),
  actual_value: z.number(),
});
export const backtestRow = z.object({
  weeks: z.number(),
  x: z.number(),
  t: z.number(),
  rfm_score: z.number(),
  past_spend: z.number(),
  predicted_purchases: z.number(),
  predicted_value: z.number(),
  actual_purchases: z.number(),
  actual_value: z.number(),
});
export const modelRow = z.object({
  model_id: z.string(),
  run_date: z.string(),
  r: z.number(),
  alpha: z.number(),
  a: z.number(),
  b: z.number(),
  p: z.number(),
  q: z.number(),
  gamma: z.number(),
});
export type ModelParameters = z.output<typeof modelRow>;

/** The rows of a table of the model on the run date, validated. */
export async function rowsOf<S extends z.ZodType>(
  warehouse: Warehouse,
  table: string,
  row: S,
  runDate: string,
): Promise<z.output<S>[]> {
  const columns = Object.keys(
    (row instanceof z.ZodPipe ? (row.in as z.ZodObject) : (row as unknown as z.ZodObject)).shape,
  );
  const sql = `SELECT ${columns.join(", ")} FROM ${DATASET}.${table} WHERE run_date = @run_date`;
  const rows: z.output<S>[] = [];
  // One by one: there may be as many as customers.
  for await (const given of warehouse.stream(sql, { run_date: { type: "DATE", value: runDate } }))
    rows.push(row.parse(given));
  return rows;
}

/** The calibration fit of the champion of the runs before this date, if there is one. */
export const championBefore = (warehouse: Warehouse, runDate: string): Promise<ModelParameters | undefined> =>
  lastChampion(warehouse, runDate, "<");

/** The same with the runs of this date. */
export const championUntil = (warehouse: Warehouse, runDate: string): Promise<ModelParameters | undefined> =>
  lastChampion(warehouse, runDate, "<=");

async function lastChampion(
  warehouse: Warehouse,
  runDate: string,
  when: "<" | "<=",
): Promise<ModelParameters | undefined> {
  const rows = await warehouse.query(
    `SELECT * FROM ${DATASET}.models WHERE run_date ${when} @run_date AND is_champion ORDER BY run_date DESC, sample LIMIT 1`,
    { run_date: { type: "DATE", value: runDate } },
  );
  return rows[0] === undefined ? undefined : modelRow.parse(rows[0]);
}

export async function replaceModels(
  warehouse: Warehouse,
  runDate: string,
  rows: readonly Row[],
): Promise<number> {
  return (await warehouse.replaceRows(target(warehouse, "models"), { run_date: runDate }, rows)).rows;
}

export async function replaceMetrics(
  warehouse: Warehouse,
  runDate: string,
  evaluation: "holdout" | "champion" | "backtest",
  modelId: string,
  metrics: readonly MetricRow[],
): Promise<number> {
  const rows = metrics.map((row) => ({ run_date: runDate, model_id: modelId, evaluation, ...row }));
  return (
    await warehouse.replaceRows(target(warehouse, "model_metrics"), { run_date: runDate, evaluation }, rows)
  ).rows;
}

const target = (warehouse: Warehouse, name: string): Target => ({
  project: warehouse.project,
  dataset: DATASET,
  name,
});
