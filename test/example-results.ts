import { evaluate, type Metric, OUTCOMES } from "../jobs/clv/metrics.ts";
import { seededRandom } from "../jobs/clv/random.ts";
import type { ReportContext } from "../local/report/report.ts";
import type { Model, Results } from "../local/report/results.ts";
import { columnsOf } from "./columns.ts";

/** Results of a run with 1,000 customers. `changes` replace their parts. */
export function exampleResults(changes: Partial<Results> = {}): Results {
  const metrics = (["holdout", "backtest"] as const).flatMap((evaluation, seed) =>
    evaluate(columnsOf(OUTCOMES, outcomes(seed)), 0.7, [columnsOf(["purchases", "value"], outcomes(seed))], {
      replicates: 40,
    })[0]!.map((row) => ({ model_id: MODEL.model_id, evaluation, ...row })),
  );
  const intervals = {
    purchases_interval_coverage: 0.9131,
    purchases_interval_coverage_expected: 0.9256,
    value_interval_coverage: 0.8642,
    value_interval_coverage_expected: 0.8875,
  };
  for (const [metric, value] of Object.entries(intervals))
    metrics.push({
      ...{ model_id: MODEL.model_id, evaluation: "holdout", predictor: "model", bucket: null },
      metric: metric as Metric,
      value,
    });
  return {
    calendar: {
      run_date: "2024-06-01",
      first_order_on: "2023-01-02",
      last_order_on: "2024-05-31",
      orders: 4321,
      rejected_orders: 15,
      holdout_weeks: 13,
      calibration_end: "2024-03-02",
      horizon_weeks: 26,
    },
    rejected: [
      { rejection_reason: "negative amount", orders: 12, amount: -345.6 },
      { rejection_reason: "no date", orders: 3, amount: 20 },
    ],
    segments: SEGMENTS.map(([segment, customers, value, expected], i) => ({
      segment,
      position: i + 1,
      advice: `What to do about ${segment}`,
      customers,
      customer_share: customers / 1000,
      monetary_value: value,
      revenue_share: value / 100_000,
      mean_p_active: customers === 0 ? null : 0.5,
      expected_value: customers === 0 ? null : expected,
    })),
    fitted: [{ ...MODEL, sample: "calibration" }, MODEL],
    scoring: MODEL,
    metrics,
    top_customers: Array.from({ length: 10 }, (_, i) => ({
      customer_id: `C-${i}`,
      segment: "Champions",
      recency_days: i,
      frequency: 40 - i,
      monetary_value: 4000 - i,
      p_active: 0.99,
      expected_purchases: 20 - i,
      expected_value: 2000 - i,
      ...{ purchases_low: 4, purchases_high: 30, value_low: 400, value_high: 3100 + i },
    })),
    cells: [
      { r_score: 5, f_score: 5, segment: "Champions", customers: 150, monetary_value: 60_000 },
      { r_score: 4, f_score: 3, segment: "Potential loyalists", customers: 250, monetary_value: 20_000 },
      { r_score: 2, f_score: 5, segment: "Cannot lose them", customers: 100, monetary_value: 5000 },
      { r_score: 2, f_score: 1, segment: "Hibernating", customers: 500, monetary_value: 15_000 },
    ],
    drift: [],
    tables: { "mlops_mkt.rfm": 1000 },
    ...changes,
  };
}

/** Results of a run without a model. */
export function rfmOnlyResults(): Results {
  const full = exampleResults();
  return {
    ...full,
    fitted: [],
    scoring: null,
    metrics: [],
    segments: full.segments.map((row) => ({ ...row, mean_p_active: null, expected_value: null })),
    top_customers: full.top_customers.map((row) => ({
      ...row,
      p_active: null,
      expected_purchases: null,
      expected_value: null,
      ...{ purchases_low: null, purchases_high: null, value_low: null, value_high: null },
    })),
  };
}

/** Results of a run without orders after the run date. */
export function withoutBacktest(): Results {
  const full = exampleResults();
  return { ...full, metrics: full.metrics.filter(({ evaluation }) => evaluation === "holdout") };
}

export const MARKUP = `"><img src=x onerror=alert(1)></script><script>alert(2)</script><!--`;

/** Results in which every text from data is markup. */
export function resultsOfMarkup(): Results {
  const full = exampleResults();
  return {
    ...full,
    rejected: full.rejected.map((row) => ({ ...row, rejection_reason: MARKUP })),
    segments: full.segments.map((row) => ({ ...row, segment: `${MARKUP}${row.position}`, advice: MARKUP })),
    fitted: full.fitted.map((row) => ({ ...row, reason: MARKUP })),
    scoring: { ...MODEL, model_id: MARKUP },
    top_customers: full.top_customers.map((row) => ({ ...row, customer_id: MARKUP, segment: MARKUP })),
    cells: full.cells.map((row) => ({ ...row, segment: `${MARKUP}1` })),
  };
}

export const exampleContext: ReportContext = {
  runId: "run-20240601-1",
  status: "succeeded",
  warnings: ["15 orders were set aside."],
  ordersFile: "orders.csv.gz",
  generatedAt: "2024-06-01T04:05:06.789Z",
};

const SEGMENTS = [
  ["Champions", 150, 60_000, 40_000],
  ["Potential loyalists", 250, 20_000, 9000],
  ["New customers", 0, 0, 0],
  ["Cannot lose them", 100, 5000, 800],
  ["Hibernating", 500, 15_000, 200],
] as const;

const MODEL: Model = {
  model_id: "bgnbd-gg-0123456789ab",
  run_date: "2024-06-01",
  sample: "production",
  customers: 1000,
  all_customers: 1000,
  converged: true,
  is_champion: true,
  reason: "The first model that converged becomes champion.",
  ...{ r: 0.243, alpha: 4.414, a: 0.793, b: 2.426, bg_nbd_log_likelihood: -9582.43 },
  ...{ r_se: 0.0126, alpha_se: 0.378, a_se: 0.186, b_se: 0.705 },
  ...{ p: 6.25, q: 3.744, gamma: 15.44, gamma_gamma_log_likelihood: -4055.9 },
  ...{ p_se: 1.19, q_se: 0.29, gamma_se: 4.21 },
};

/** 1,000 customers. Those who bought more before tend to buy more. */
function outcomes(seed: number) {
  const random = seededRandom(seed + 1);
  return Array.from({ length: 1000 }, () => {
    const x = Math.floor(-2 * Math.log(1 - random()));
    const actualPurchases = Math.floor(random() * (x + 1));
    return {
      purchases: 0.1 + 0.4 * x,
      value: (0.1 + 0.4 * x) * (20 + 30 * random()),
      rfm_score: 3 + Math.min(12, x + Math.floor(3 * random())),
      past_spend: (x + 1) * (10 + 50 * random()),
      x,
      t: 1,
      actual_purchases: actualPurchases,
      actual_value: actualPurchases * (10 + 50 * random()),
    };
  });
}
