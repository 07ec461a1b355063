import { z } from "zod";
import type { Parameters, Row, Warehouse } from "../../contracts/warehouse.ts";
import { modelOfFamily, type Sample, type SampleStatistics } from "./fit-model.ts";
import type { GammaGammaParameters } from "./gamma-gamma.ts";
import { type MetricRow, OUTCOMES } from "./metrics.ts";
import type { PurchaseModel } from "./purchase-model.ts";

/** A fitted model. */
export interface Model {
  readonly purchases: PurchaseModel;
  /** Null: the expected value of a purchase is the mean of the customer's own purchases. */
  readonly gammaGamma: GammaGammaParameters | null;
}

/** Dataset of the model's tables in the SQL project. */
const DATASET = "rfm";

export const PREDICTED = [...OUTCOMES, "expected_purchases", "expected_value", "low", "high"] as const;
export const HOLDOUT = [...OUTCOMES, "t_x", "value_count", "mean_value"] as const;
const BACKTEST = [...OUTCOMES, "weeks", "predicted_purchases", "predicted_value"] as const;

type Columns<Names extends readonly string[]> = Readonly<Record<Names[number], Float64Array>>;
/** In the order of the customer ids. `mean_value` is NaN for a customer without a repeat purchase of positive value. */
export type Holdout = Columns<typeof HOLDOUT>;

const day = z.string().nullable().default(null);
const calendar = z.object({
  holdout_weeks: z.number().default(0),
  first_order_on: day,
  calibration_end: day,
});

/** The weeks of the hold-out, 0 when the history is too short; its first day and that of the history, YYYY-MM-DD. */
export async function readCalendar(warehouse: Warehouse, runDate: string) {
  const [row = {}] = await warehouse.query(
    `SELECT ${Object.keys(calendar.shape).join(", ")} FROM ${DATASET}.run_calendar WHERE run_date = @run_date`,
    on(runDate),
  );
  return calendar.parse(row);
}

/** What the models of a sample are fitted on, in one order, so that rounding does not depend on that of the table. */
export async function readStatistics(
  warehouse: Warehouse,
  runDate: string,
  sample: Sample,
): Promise<SampleStatistics> {
  const read = <Name extends string>(table: string, names: readonly Name[]) =>
    readColumns(warehouse, table, names, runDate, names.join(", "), { sample });
  const { t_x, t, ...purchases } = await read("model_statistics", ["x", "t_x", "t", "customers"]);
  const { mean_value, ...values } = await read("value_statistics", ["x", "mean_value", "customers"]);
  return { purchases: { ...purchases, tX: t_x, T: t }, values: { ...values, meanValue: mean_value } };
}

/** Customers in the history of each sample, also those that models are not fitted on. */
export async function readCustomerCounts(warehouse: Warehouse, runDate: string) {
  const [row] = await warehouse.query(
    `SELECT COUNTIF(sample = 'production') AS production, COUNTIF(sample = 'calibration') AS calibration FROM ${DATASET}.customer_history WHERE run_date = @run_date`,
    on(runDate),
  );
  return z.object({ production: z.number(), calibration: z.number() }).parse(row);
}

export const readHoldout = (warehouse: Warehouse, runDate: string): Promise<Holdout> =>
  readColumns(warehouse, "holdout", HOLDOUT, runDate, "customer_id", { nullable: "mean_value" });

export const readBacktest = (warehouse: Warehouse, runDate: string) =>
  readColumns(warehouse, "backtest", BACKTEST, runDate, "customer_id");

/** These columns of a table on the run date, one number for each row. Only `nullable` can be null. */
async function readColumns<Name extends string>(
  warehouse: Warehouse,
  table: string,
  names: readonly Name[],
  runDate: string,
  orderBy: string,
  { sample, nullable }: { sample?: Sample; nullable?: Name } = {},
): Promise<Record<Name, Float64Array>> {
  const condition = sample === undefined ? "" : " AND sample = @sample";
  const columns = await warehouse.columns(
    `SELECT ${names.join(", ")} FROM ${DATASET}.${table} WHERE run_date = @run_date${condition} ORDER BY ${orderBy}`,
    names,
    { ...on(runDate), ...(sample && { sample: { type: "STRING", value: sample } }) },
  );
  for (const name of names)
    if (name !== nullable && columns[name].some(Number.isNaN))
      throw new TypeError(`${DATASET}.${table} has a row of ${runDate} without ${name}.`);
  return columns;
}

export interface Champion {
  readonly model_id: string;
  readonly run_date: string;
  readonly family: string;
  /** Null: a candidate made it, and predicts with it. */
  readonly model: Model | null;
}

const optional = z.number().nullable();
const championRow = z.object({
  ...{ model_id: z.string(), run_date: z.string(), family: z.string().nullable() },
  ...{ r: optional, alpha: optional, a: optional, b: optional, s: optional, beta: optional },
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
  const { model_id, run_date, family, r, alpha, a, b, s, beta, p, q, gamma } = championRow.parse(row);
  // Versions before 0.2 had no families.
  const known = family ?? "bgnbd";
  const gammaGamma = p === null || q === null || gamma === null ? null : { p, q, gamma };
  const purchases = (): PurchaseModel | null => {
    if (r === null || alpha === null) return null;
    if (s !== null && beta !== null) return { r, alpha, s, beta };
    return a === null || b === null ? null : modelOfFamily(known, { r, alpha, a, b });
  };
  const built = purchases();
  const model = built === null ? null : { purchases: built, gammaGamma };
  return { model_id, run_date, family: known, model };
}

/** What a model of a candidate predicts for the hold-out, and what then happened. */
export interface PredictedHoldout {
  readonly model_id: string;
  readonly family: string;
  /** Expected purchases and the ends of the interval of value are NaN where the candidate does not give them. */
  readonly customers: Columns<typeof PREDICTED>;
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
  const sql = `SELECT ${PREDICTED.join(", ")} FROM ${DATASET}.holdout AS h INNER JOIN ${DATASET}.predictions AS p ON p.customer_id = h.customer_id WHERE h.run_date = @run_date AND p.run_date = @run_date AND p.sample = 'calibration' AND p.model_id = @model_id ORDER BY h.customer_id`;
  const ours = z.array(z.object({ family: z.string(), model_id: z.string() })).parse(models);
  const read = async ({ family, model_id }: (typeof ours)[number]): Promise<PredictedHoldout> => {
    const parameters: Parameters = { ...on(runDate), model_id: { type: "STRING", value: model_id } };
    return { family, model_id, customers: await warehouse.columns(sql, PREDICTED, parameters) };
  };
  return await Promise.all(ours.filter(({ family }) => candidates.includes(family)).map(read));
}

/** Replaces the models of the run date; returns how many rows were written. */
export const replaceModels = (warehouse: Warehouse, runDate: string, rows: readonly Row[]): Promise<number> =>
  replaceRows(warehouse, "models", { run_date: runDate }, rows);

type Evaluation = "holdout" | "candidate" | "champion" | "backtest";
type Evaluated = { readonly model_id: string; readonly metrics: readonly MetricRow[] };

/** Replaces the metrics of these evaluations on the run date; returns how many rows were written. */
export async function replaceMetrics(
  warehouse: Warehouse,
  run_date: string,
  evaluations: Readonly<Partial<Record<Evaluation, readonly Evaluated[]>>>,
): Promise<number> {
  let written = 0;
  for (const [evaluation, models] of Object.entries(evaluations)) {
    const rows = models.flatMap(({ model_id, metrics }) =>
      metrics.map((row) => ({ run_date, model_id, evaluation, ...row })),
    );
    written += await replaceRows(warehouse, "model_metrics", { run_date, evaluation }, rows);
  }
  return written;
}

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
