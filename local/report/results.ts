import { z } from "zod";
import type { Row, Warehouse } from "../../contracts/warehouse.ts";
import type { MetricRow } from "../../jobs/clv/metrics.ts";

const calendar = z.object({
  run_date: z.string(),
  first_order_on: z.string(),
  last_order_on: z.string(),
  orders: z.number(),
  rejected_orders: z.number(),
  holdout_weeks: z.number(),
  calibration_end: z.string(),
  horizon_weeks: z.number(),
});
const segment = z.object({
  segment: z.string(),
  position: z.number(),
  advice: z.string(),
  customers: z.number(),
  customer_share: z.number(),
  monetary_value: z.number(),
  revenue_share: z.number().nullable(),
  mean_p_active: z.number().nullable(),
  expected_value: z.number().nullable(),
});
const rejected = z.object({ rejection_reason: z.string(), orders: z.number() });
const model = z.looseObject({
  model_id: z.string(),
  run_date: z.string(),
  sample: z.string(),
  customers: z.number(),
  converged: z.boolean(),
  is_champion: z.boolean(),
  reason: z.string(),
});
const customer = z.object({
  customer_id: z.string(),
  segment: z.string(),
  recency_days: z.number(),
  frequency: z.number(),
  monetary_value: z.number(),
  p_active: z.number().nullable(),
  expected_purchases: z.number().nullable(),
  expected_value: z.number().nullable(),
});
const cell = z.object({
  r_score: z.number(),
  f_score: z.number(),
  segment: z.string(),
  customers: z.number(),
  monetary_value: z.number(),
});
const metric = z.object({
  evaluation: z.enum(["holdout", "champion", "backtest"]),
  predictor: z.string(),
  metric: z.string(),
  bucket: z.number().nullable(),
  value: z.number(),
}) as unknown as z.ZodType<MetricRow & { evaluation: "holdout" | "champion" | "backtest" }>;
const bin = z.object({ bin: z.number(), customers: z.number() });

export type Model = z.output<typeof model>;

/** What the tables say of a run date: what is shown to a person. */
export interface Results {
  readonly calendar: z.output<typeof calendar>;
  readonly rejected: readonly z.output<typeof rejected>[];
  readonly segments: readonly z.output<typeof segment>[];
  /** The model that was fitted on this run date, by sample. */
  readonly fitted: readonly Model[];
  /** The model that scored; null when the run gave RFM only. */
  readonly scoring: Model | null;
  readonly metrics: readonly z.output<typeof metric>[];
  readonly topCustomers: readonly z.output<typeof customer>[];
  /** Customers and value by pair of recency and frequency scores. */
  readonly cells: readonly z.output<typeof cell>[];
  /** Customers by P(active), in bins of 0.05 (bin: its lower end). */
  readonly activeBins: readonly z.output<typeof bin>[];
  /** Customers by expected value; bin: power of two that it is at least, -1 for less than 1. */
  readonly valueBins: readonly z.output<typeof bin>[];
  /** Rows of each table on the run date. */
  readonly tables: Readonly<Record<string, number>>;
}

const TABLES = [
  "rfm.customer_history",
  "rfm.customer_features",
  "rfm.model_statistics",
  "rfm.value_statistics",
  "rfm.holdout",
  "rfm.models",
  "rfm.model_metrics",
  "rfm.customer_scores",
  "rfm.backtest",
  "rfm.rejected_orders",
  "mlops_mkt.rfm",
  "mlops_mkt.rfm_segments",
];

/** Reads the results of a run date from the tables, each row validated. */
export async function readResults(warehouse: Warehouse, runDate: string): Promise<Results> {
  const parameters = { run_date: { type: "DATE", value: runDate } } as const;
  const rows = async <S extends z.ZodType>(schema: S, sql: string): Promise<z.output<S>[]> =>
    z.array(schema).parse(await warehouse.query(sql, parameters)) as z.output<S>[];
  const onRunDate = "WHERE run_date = @run_date";

  const counts = await warehouse.query(
    TABLES.map((table) => `SELECT '${table}' AS name, COUNT(*) AS row_count FROM ${table} ${onRunDate}`).join(
      " UNION ALL ",
    ),
    parameters,
  );
  const [calendarOfRun] = await rows(calendar, `SELECT * FROM rfm.run_calendar ${onRunDate}`);
  const [scoring] = await rows(
    model,
    `SELECT * FROM rfm.models WHERE sample = 'production' AND model_id IN (SELECT MAX(model_id) FROM mlops_mkt.rfm ${onRunDate}) ORDER BY run_date DESC LIMIT 1`,
  );
  return {
    calendar: calendarOfRun!,
    rejected: await rows(
      rejected,
      `SELECT rejection_reason, COUNT(*) AS orders FROM rfm.rejected_orders ${onRunDate} GROUP BY rejection_reason ORDER BY orders DESC, rejection_reason`,
    ),
    segments: await rows(segment, `SELECT * FROM mlops_mkt.rfm_segments ${onRunDate} ORDER BY position`),
    fitted: await rows(model, `SELECT * FROM rfm.models ${onRunDate} ORDER BY sample`),
    scoring: scoring ?? null,
    metrics: await rows(
      metric,
      `SELECT evaluation, predictor, metric, bucket, value FROM rfm.model_metrics ${onRunDate}`,
    ),
    topCustomers: await rows(
      customer,
      `SELECT * FROM mlops_mkt.rfm ${onRunDate} ORDER BY expected_value DESC, monetary_value DESC, customer_id LIMIT 10`,
    ),
    cells: await rows(
      cell,
      `SELECT r_score, f_score, segment, COUNT(*) AS customers, SUM(monetary_value) AS monetary_value FROM mlops_mkt.rfm ${onRunDate} GROUP BY r_score, f_score, segment ORDER BY r_score, f_score`,
    ),
    activeBins: await rows(
      bin,
      `SELECT LEAST(FLOOR(p_active * 20), 19) / 20 AS bin, COUNT(*) AS customers FROM mlops_mkt.rfm ${onRunDate} AND p_active IS NOT NULL GROUP BY bin ORDER BY bin`,
    ),
    valueBins: await rows(
      bin,
      `SELECT IF(expected_value < 1, -1, FLOOR(LOG(GREATEST(expected_value, 1), 2))) AS bin, COUNT(*) AS customers FROM mlops_mkt.rfm ${onRunDate} AND expected_value IS NOT NULL GROUP BY bin ORDER BY bin`,
    ),
    tables: Object.fromEntries(counts.map((row: Row) => [String(row.name), Number(row.row_count)])),
  };
}
