import { z } from "zod";
import type { Parameters, Row, Warehouse } from "../../contracts/warehouse.ts";
import type { BgNbdParameters } from "./bg-nbd.ts";
import type { GammaGammaParameters } from "./gamma-gamma.ts";
import type { MetricRow } from "./metrics.ts";

/** The family of the built-in model; the others are candidates. */
export const BUILT_IN = "bgnbd";

/** A fitted model. */
export interface Model {
  readonly bgNbd: BgNbdParameters;
  /** Null: the expected value of a purchase is the mean of the customer's own purchases. */
  readonly gammaGamma: GammaGammaParameters | null;
}

/** Dataset of the model's tables in the SQL project. */
const DATASET = "rfm";

// The columns that are read of each table.
const number = z.number();
const CALENDAR = { holdout_weeks: number };
const STATISTICS = { sample: z.string(), x: number, t_x: number, t: number, customers: number };
const VALUES = { sample: z.string(), x: number, mean_value: number, customers: number };
const OUTCOME = {
  ...{ x: number, t: number, rfm_score: number, past_spend: number },
  ...{ actual_purchases: number, actual_value: number },
};
const HOLDOUT = { ...OUTCOME, t_x: number, value_count: number, mean_value: number.nullable() };
const BACKTEST = { ...OUTCOME, weeks: number, predicted_purchases: number, predicted_value: number };

type RowOf<Columns extends z.ZodRawShape> = z.output<z.ZodObject<Columns>>;
/** What a customer did until a day (x, t in weeks: as in the model), and after it. */
export type Outcome = RowOf<typeof OUTCOME>;
export type HoldoutCustomer = RowOf<typeof HOLDOUT>;

/** Weeks at the end of the history that the model is evaluated on; 0 when the history is too short. */
export async function readHoldoutWeeks(warehouse: Warehouse, runDate: string): Promise<number> {
  const [calendar] = await readRows(warehouse, "run_calendar", CALENDAR, runDate);
  return calendar?.holdout_weeks ?? 0;
}

export async function readPurchaseStatistics(warehouse: Warehouse, runDate: string) {
  const rows = await readRows(warehouse, "model_statistics", STATISTICS, runDate);
  return rows.map(({ t_x, t, ...row }) => ({ ...row, tX: t_x, T: t }));
}

export async function readValueStatistics(warehouse: Warehouse, runDate: string) {
  const rows = await readRows(warehouse, "value_statistics", VALUES, runDate);
  return rows.map(({ mean_value, ...row }) => ({ ...row, meanValue: mean_value }));
}

export const readHoldout = (warehouse: Warehouse, runDate: string) =>
  readRows(warehouse, "holdout", HOLDOUT, runDate);

export const readBacktest = (warehouse: Warehouse, runDate: string) =>
  readRows(warehouse, "backtest", BACKTEST, runDate);

/** These columns of a table on the run date, validated. */
async function readRows<Columns extends z.ZodRawShape>(
  warehouse: Warehouse,
  table: string,
  columns: Columns,
  runDate: string,
): Promise<RowOf<Columns>[]> {
  const row = z.object(columns);
  const sql = `SELECT ${Object.keys(columns).join(", ")} FROM ${DATASET}.${table} WHERE run_date = @run_date`;
  const rows: RowOf<Columns>[] = [];
  // Row by row: there can be as many as customers.
  for await (const given of warehouse.stream(sql, on(runDate))) rows.push(row.parse(given));
  return rows;
}

export interface Champion {
  readonly model_id: string;
  readonly run_date: string;
  readonly family: string;
  /** Null: a candidate made it, and predicts with it. */
  readonly model: Model | null;
}

const optional = number.nullable();
const championRow = z.object({
  ...{ model_id: z.string(), run_date: z.string(), family: z.string().nullable() },
  ...{ r: optional, alpha: optional, a: optional, b: optional },
  ...{ p: optional, q: optional, gamma: optional },
});

/**
 * The last champion of the runs before this date, or until and including it. Its parameters are those of its calibration
 * sample, if it was fitted on one.
 */
export async function readChampion(
  warehouse: Warehouse,
  runDate: string,
  when: "before" | "until",
): Promise<Champion | undefined> {
  const [row] = await warehouse.query(
    `SELECT * FROM ${DATASET}.models WHERE run_date ${when === "before" ? "<" : "<="} @run_date AND is_champion ORDER BY run_date DESC, sample LIMIT 1`,
    on(runDate),
  );
  if (row === undefined) return undefined;
  const { model_id, run_date, family, r, alpha, a, b, p, q, gamma } = championRow.parse(row);
  const isBuiltIn = r !== null && alpha !== null && a !== null && b !== null;
  const gammaGamma = p === null || q === null || gamma === null ? null : { p, q, gamma };
  const model = isBuiltIn ? { bgNbd: { r, alpha, a, b }, gammaGamma } : null;
  // Versions before 0.2 had no families.
  return { model_id, run_date, family: family ?? BUILT_IN, model };
}

/** What a model of a candidate predicts for the hold-out, and what then happened. */
export interface PredictedHoldout {
  readonly model_id: string;
  readonly family: string;
  readonly customers: readonly (Outcome & { expected_purchases: number | null; expected_value: number })[];
}

/** The hold-out with the predictions of each model of these candidates. */
export async function readPredictedHoldouts(
  warehouse: Warehouse,
  runDate: string,
  candidates: readonly string[],
): Promise<PredictedHoldout[]> {
  if (candidates.length === 0) return [];
  const models = await warehouse.query(
    `SELECT DISTINCT family, model_id FROM ${DATASET}.predictions WHERE run_date = @run_date AND sample = 'calibration' ORDER BY family, model_id`,
    on(runDate),
  );
  const row = z.object({ ...OUTCOME, expected_purchases: optional, expected_value: number });
  const columns = Object.keys(OUTCOME).map((column) => `h.${column}`);
  const sql = `SELECT ${columns.join(", ")}, p.expected_purchases, p.expected_value FROM ${DATASET}.holdout AS h INNER JOIN ${DATASET}.predictions AS p ON p.customer_id = h.customer_id WHERE h.run_date = @run_date AND p.run_date = @run_date AND p.sample = 'calibration' AND p.model_id = @model_id`;
  const read = async ({ family, model_id }: Row): Promise<PredictedHoldout> => {
    const rows = await warehouse.query(sql, {
      ...on(runDate),
      model_id: { type: "STRING", value: String(model_id) },
    });
    return {
      model_id: String(model_id),
      family: String(family),
      customers: rows.map((each) => row.parse(each)),
    };
  };
  const ours = models.filter(({ family }) => candidates.includes(String(family)));
  return await Promise.all(ours.map(read));
}

/** Replaces the models of the run date; returns how many rows were written. */
export const replaceModels = (warehouse: Warehouse, runDate: string, rows: readonly Row[]): Promise<number> =>
  replaceRows(warehouse, "models", { run_date: runDate }, rows);

/** Replaces the metrics of one evaluation on the run date; returns how many rows were written. */
export const replaceMetrics = (
  warehouse: Warehouse,
  runDate: string,
  evaluation: "holdout" | "candidate" | "champion" | "backtest",
  models: readonly { readonly model_id: string; readonly metrics: readonly MetricRow[] }[],
): Promise<number> =>
  replaceRows(
    warehouse,
    "model_metrics",
    { run_date: runDate, evaluation },
    models.flatMap(({ model_id, metrics }) =>
      metrics.map((row) => ({ run_date: runDate, model_id, evaluation, ...row })),
    ),
  );

async function replaceRows(
  warehouse: Warehouse,
  name: string,
  key: Readonly<Record<string, string>>,
  rows: readonly Row[],
): Promise<number> {
  const target = { project: warehouse.project, dataset: DATASET, name };
  return (await warehouse.replaceRows(target, key, rows)).rows;
}

const on = (runDate: string): Parameters => ({ run_date: { type: "DATE", value: runDate } });
