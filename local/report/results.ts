import { z } from "zod";
import type { Warehouse } from "../../contracts/warehouse.ts";

const model = z.looseObject({
  model_id: z.string(),
  /** bgnbd, or the candidate that made it; null before version 0.2. */
  family: z.string().nullish(),
  run_date: z.string(),
  sample: z.string(),
  customers: z.number(),
  /** Null for a model that was fitted before the tables had the column. */
  all_customers: z.number().nullable(),
  converged: z.boolean(),
  is_champion: z.boolean(),
  reason: z.string(),
});
const results = z.object({
  calendar: z.object({
    run_date: z.string(),
    first_order_on: z.string(),
    last_order_on: z.string(),
    orders: z.number(),
    rejected_orders: z.number(),
    holdout_weeks: z.number(),
    calibration_end: z.string(),
    horizon_weeks: z.number(),
  }),
  /** `amount` is the sum of the amounts, in the shop's currency; null when no order has one. */
  rejected: z.array(
    z.object({ rejection_reason: z.string(), orders: z.number(), amount: z.number().nullable() }),
  ),
  segments: z.array(
    z.object({
      segment: z.string(),
      position: z.number(),
      advice: z.string(),
      customers: z.number(),
      customer_share: z.number(),
      monetary_value: z.number(),
      revenue_share: z.number().nullable(),
      mean_p_active: z.number().nullable(),
      expected_value: z.number().nullable(),
    }),
  ),
  /** Models that were fitted on this run date, by sample. */
  fitted: z.array(model),
  /** The model that scored; null when the run gave RFM only. */
  scoring: model.nullable(),
  metrics: z.array(
    z.object({
      model_id: z.string(),
      evaluation: z.enum(["holdout", "candidate", "champion", "backtest"]),
      predictor: z.string(),
      metric: z.string(),
      bucket: z.number().nullable(),
      value: z.number(),
    }),
  ),
  top_customers: z.array(
    z.object({
      customer_id: z.string(),
      segment: z.string(),
      recency_days: z.number(),
      frequency: z.number(),
      monetary_value: z.number(),
      p_active: z.number().nullable(),
      expected_purchases: z.number().nullable(),
      expected_value: z.number().nullable(),
      /** Ends of the 80 % intervals; null if the model gives none. */
      purchases_low: z.number().nullable(),
      purchases_high: z.number().nullable(),
      value_low: z.number().nullable(),
      value_high: z.number().nullable(),
    }),
  ),
  /** Customers and revenue by pair of recency and frequency scores. */
  cells: z.array(
    z.object({
      r_score: z.number(),
      f_score: z.number(),
      segment: z.string(),
      customers: z.number(),
      monetary_value: z.number(),
    }),
  ),
  /** Features and scores against those of the run that fitted the model. `psi` is null where `reason` is not. */
  drift: z.array(
    z.object({
      column_name: z.string(),
      training_run_date: z.string().nullable(),
      training_mean: z.number().nullable(),
      mean: z.number().nullable(),
      psi: z.number().nullable(),
      chance_psi: z.number().nullable(),
      reason: z.string().nullable(),
    }),
  ),
  /** Rows of each table on the run date. */
  tables: z.record(z.string(), z.number()),
});

export type Model = z.output<typeof model>;
/** The results of a run date. Terminal, JSON and report show the same object. */
export type Results = z.output<typeof results>;

const TABLES = [
  "rfm.customer_history",
  "rfm.customer_features",
  "rfm.model_statistics",
  "rfm.value_statistics",
  "rfm.holdout",
  "rfm.models",
  "rfm.model_metrics",
  "rfm.customer_scores",
  "rfm.distributions",
  "rfm.drift",
  "rfm.backtest",
  "rfm.rejected_orders",
  "mlops_mkt.rfm",
  "mlops_mkt.rfm_segments",
];

/** Reads the results of a run date (YYYY-MM-DD) from the tables, and validates them. */
export async function readResults(warehouse: Warehouse, runDate: string): Promise<Results> {
  const rows = (sql: string) => warehouse.query(sql, { run_date: { type: "DATE", value: runDate } });
  const onRunDate = "WHERE run_date = @run_date";
  const sizes = TABLES.map((name) => `SELECT '${name}' AS name, COUNT(*) AS size FROM ${name} ${onRunDate}`);
  const [calendar] = await rows(`SELECT * FROM rfm.run_calendar ${onRunDate}`);
  const [scoring = null] = await rows(
    `SELECT * FROM rfm.models WHERE sample = 'production' AND model_id IN (SELECT MAX(model_id) FROM mlops_mkt.rfm ${onRunDate}) ORDER BY run_date DESC LIMIT 1`,
  );
  return results.parse({
    calendar,
    scoring,
    rejected: await rows(
      `SELECT rejection_reason, COUNT(*) AS orders, ROUND(SUM(IF(amount BETWEEN -1e12 AND 1e12, amount, NULL)) * 100) / 100 AS amount FROM rfm.rejected_orders ${onRunDate} GROUP BY rejection_reason ORDER BY orders DESC, rejection_reason`,
    ),
    segments: await rows(`SELECT * FROM mlops_mkt.rfm_segments ${onRunDate} ORDER BY position`),
    fitted: await rows(`SELECT * FROM rfm.models ${onRunDate} ORDER BY sample`),
    metrics: await rows(`SELECT * FROM rfm.model_metrics ${onRunDate}`),
    top_customers: await rows(
      `SELECT * FROM mlops_mkt.rfm ${onRunDate} ORDER BY expected_value DESC, monetary_value DESC, customer_id LIMIT 10`,
    ),
    cells: await rows(
      `SELECT r_score, f_score, segment, COUNT(*) AS customers, SUM(monetary_value) AS monetary_value FROM mlops_mkt.rfm ${onRunDate} GROUP BY r_score, f_score, segment ORDER BY r_score, f_score`,
    ),
    drift: await rows(`SELECT * FROM rfm.drift ${onRunDate} ORDER BY psi DESC, column_name`),
    tables: Object.fromEntries((await rows(sizes.join(" UNION ALL "))).map(({ name, size }) => [name, size])),
  });
}

/**
 * Figures of one evaluation: predictor to metric to value. Curves (metrics with buckets) are not in it. The evaluation
 * "candidate" has several models.
 */
export function figuresOf(
  { metrics }: Results,
  evaluation: string,
  modelId?: string,
): Record<string, Record<string, number>> {
  const figures: Record<string, Record<string, number>> = {};
  for (const row of metrics) {
    if (row.evaluation !== evaluation || row.bucket !== null) continue;
    if (modelId !== undefined && row.model_id !== modelId) continue;
    figures[row.predictor] = { ...figures[row.predictor], [row.metric]: row.value };
  }
  return figures;
}

/** The figures of each new model that was not chosen, on the hold-out, by its id. */
export function notChosen(results: Results): Record<string, ReturnType<typeof figuresOf>> {
  const ids = new Set(
    results.metrics.filter((row) => row.evaluation === "candidate").map((row) => row.model_id),
  );
  return Object.fromEntries(Array.from(ids, (id) => [id, figuresOf(results, "candidate", id)]));
}
