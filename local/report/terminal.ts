import Table from "cli-table3";
import type { StepReport } from "../../contracts/step.ts";
import type { Results } from "./results.ts";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const percent = (share: number | null): string => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);
const fixed = (value: number | null | undefined, digits: number): string =>
  value === null || value === undefined ? "–" : value.toFixed(digits);
const amount = (value: number | null): string => (value === null ? "–" : whole.format(value));
export const elapsed = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;
export const rowsOf = ({ rows }: StepReport): number =>
  Object.values(rows).reduce((sum, count) => sum + count, 0);
export const count = (value: number): string => whole.format(value);

/** The results of a run as tables for the terminal: steps, segments, model, hold-out and back-test, top customers. */
export function renderTables(results: Results, steps: readonly StepReport[]): string {
  const { scoring } = results;
  const { orders, rejected_orders } = results.calendar;
  const reasons = results.rejected.map((row) => `${row.rejection_reason} ${count(row.orders)}`).join(", ");
  return [
    ...(rejected_orders === 0
      ? []
      : [
          `Set aside: ${count(rejected_orders)} of ${count(orders + rejected_orders)} orders (${reasons}); see rfm.rejected_orders.`,
        ]),
    table(
      "Steps",
      ["step", "time", "rows", ""],
      steps.map((step) => [
        step.step,
        duration(step),
        count(rowsOf(step)),
        step.warnings.length > 0 ? "warnings" : "",
      ]),
    ),
    table(
      "Segments",
      ["segment", "customers", "of all", "revenue", "of all", "P(active)", "expected value"],
      results.segments.map((row) => [
        row.segment,
        count(row.customers),
        percent(row.customer_share),
        amount(row.monetary_value),
        percent(row.revenue_share),
        fixed(row.mean_p_active, 2),
        amount(row.expected_value),
      ]),
    ),
    ...(scoring === null
      ? []
      : [
          "P(active) is 1 for customers with one purchase: BG/NBD lets them stop only after a repeat purchase.",
        ]),
    scoring === null
      ? "No model scored: the run gives RFM only."
      : table(
          `Model ${scoring.model_id}, fitted on ${count(scoring.customers)} customers before ${scoring.run_date}`,
          ["parameter", "estimate", "standard error"],
          ["r", "alpha", "a", "b", "p", "q", "gamma"].map((name) => [
            name,
            fixed(scoring[name] as number, 4),
            fixed(scoring[`${name}_se`] as number | null, 4),
          ]),
        ),
    ...judgement(
      results,
      "holdout",
      `Hold-out: the last ${results.calendar.holdout_weeks} weeks before the run date`,
    ),
    ...judgement(results, "backtest", "Back-test: what happened after the run date"),
    table(
      `Top customers by expected value over ${results.calendar.horizon_weeks} weeks`,
      ["customer", "segment", "purchases", "spent", "P(active)", "expects", "value"],
      results.topCustomers.map((row) => [
        row.customer_id,
        row.segment,
        count(row.frequency),
        amount(row.monetary_value),
        fixed(row.p_active, 2),
        fixed(row.expected_purchases, 1),
        amount(row.expected_value),
      ]),
    ),
  ].join("\n\n");
}

/** The figures of one evaluation, by predictor. */
export function figuresOf(results: Results, evaluation: string): Record<string, Record<string, number>> {
  const figures: Record<string, Record<string, number>> = {};
  for (const row of results.metrics) {
    if (row.evaluation !== evaluation || row.bucket !== null) continue;
    figures[row.predictor] = { ...figures[row.predictor], [row.metric]: row.value };
  }
  return figures;
}

const NAMES: Record<string, string> = {
  model: "model",
  rfm: "RFM score",
  past_spend: "past spend",
  past_rate: "past rate",
  oracle: "hindsight",
};

function judgement(results: Results, evaluation: string, title: string): string[] {
  const figures = figuresOf(results, evaluation);
  if (Object.keys(figures).length === 0) return [];
  const share = (of: Record<string, number>): string => {
    const [low, high] = [of.top_decile_revenue_share_low, of.top_decile_revenue_share_high];
    const interval =
      low === undefined || high === undefined ? "" : ` (${fixed(low, 3)} to ${fixed(high, 3)})`;
    return `${fixed(of.top_decile_revenue_share, 3)}${interval}`;
  };
  return [
    table(
      title,
      ["", "revenue of top decile (95 %)", "Spearman", "count MAE", "count RMSE", "purchases"],
      Object.entries(figures).map(([predictor, of]) => [
        NAMES[predictor] ?? predictor,
        share(of),
        fixed(of.spearman, 3),
        fixed(of.count_mae, 3),
        fixed(of.count_rmse, 3),
        of.total_purchases === undefined ? "–" : count(of.total_purchases),
      ]),
    ),
  ];
}

function duration({ started_at, finished_at }: StepReport): string {
  return finished_at === null ? "–" : elapsed(Date.parse(finished_at) - Date.parse(started_at));
}

function table(title: string, head: string[], rows: string[][]): string {
  const text = new Table({
    head,
    colAligns: head.map((_, index) => (index === 0 ? "left" : "right")),
    style: { head: [], border: [], compact: true },
  });
  text.push(...rows);
  return `${title}\n${text.toString()}`;
}
