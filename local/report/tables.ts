import {
  fourSignificant,
  oneDecimal,
  percent,
  points,
  sum,
  threeDecimals,
  twoDecimals,
  whole,
} from "./numbers.ts";
import { figuresOf, type Model, notChosen, type Results } from "./results.ts";

/** A table of results, which the terminal and the report show in their own ways. */
export interface ResultTable {
  readonly title: string;
  /** The first column and those named in `words` hold text, the others numbers. */
  readonly columns: readonly string[];
  readonly words?: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}
/** `note` explains the value, for example by its 95 % interval; the report draws `share` (0 to 1) as a bar. */
export type Cell = string | { readonly text: string; readonly note?: string; readonly share?: number };

const shareOf = (share: number | null): Cell => ({ text: percent(share), share: share ?? 0 });

export function segmentTable({ segments, scoring }: Results): ResultTable {
  return {
    title: "Segments",
    columns: [
      "Segment",
      "Customers",
      "of all",
      "Revenue",
      "of all",
      ...(scoring ? ["P(active)", "Expected value", "per customer"] : []),
    ],
    rows: segments.map((row) => [
      { text: row.segment, note: row.advice },
      whole(row.customers),
      shareOf(row.customer_share),
      whole(row.monetary_value),
      shareOf(row.revenue_share),
      ...(scoring
        ? [
            twoDecimals(row.mean_p_active),
            whole(row.expected_value),
            twoDecimals(row.expected_value === null ? null : row.expected_value / row.customers),
          ]
        : []),
    ]),
  };
}

export function topCustomerTable({ top_customers, scoring, calendar }: Results): ResultTable {
  const by = scoring ? `expected value over the next ${calendar.horizon_weeks} weeks` : "revenue";
  return {
    title: `Top customers by ${by}`,
    columns: [
      "Customer",
      "Segment",
      "Days since purchase",
      "Purchases",
      "Revenue",
      ...(scoring ? ["P(active)", "Expected purchases (80 %)", "Expected value (80 %)"] : []),
    ],
    words: ["Segment"],
    rows: top_customers.map((row) => [
      row.customer_id,
      row.segment,
      whole(row.recency_days),
      whole(row.frequency),
      whole(row.monetary_value),
      ...(scoring
        ? [
            twoDecimals(row.p_active),
            withEnds(oneDecimal(row.expected_purchases), row.purchases_low, row.purchases_high),
            withEnds(whole(row.expected_value), row.value_low, row.value_high),
          ]
        : []),
    ]),
  };
}

/** A figure with the ends of its interval, if it has one. */
const withEnds = (text: string, low: number | null, high: number | null): Cell =>
  low === null || high === null ? text : { text, note: `${whole(low)} to ${whole(high)}` };

const PARAMETERS = {
  r: "Purchases: shape of their rate among customers",
  alpha: "Purchases: scale of their rate, weeks",
  a: "Purchases: first shape of the drop-out probability",
  b: "Purchases: second shape of the drop-out probability",
  s: "Purchases: shape of the drop-out rate among customers",
  beta: "Purchases: scale of the drop-out rate, weeks",
  p: "Gamma-Gamma: shape of the value of a purchase",
  q: "Gamma-Gamma: shape of its rate among customers",
  gamma: "Gamma-Gamma: scale of its rate among customers",
};
const OF_FAMILIES = ["a", "b", "s", "beta"];
export const parameterOf = (model: Model, name: string): number | null =>
  typeof model[name] === "number" ? model[name] : null;

/** The name of a built-in family. Versions before 0.2 had one. */
export const familyName = ({ family }: Model): string =>
  family === "paretonbd" ? "Pareto/NBD" : family === "mbgnbd" ? "MBG/NBD" : "BG/NBD";

export function modelTitle({ model_id, customers, all_customers, run_date }: Model): string {
  const of = all_customers === null || all_customers === customers ? "" : ` of ${whole(all_customers)}`;
  return `Model ${model_id}, fitted on ${whole(customers)}${of} customers before ${run_date}`;
}

/** The parameters of the built-in model; null for a candidate's. */
export function parameterTable(model: Model): ResultTable | null {
  if (parameterOf(model, "r") === null) return null;
  return {
    title: modelTitle(model),
    columns: ["Parameter", "Estimate", "Standard error"],
    rows: Object.entries(PARAMETERS).flatMap(([name, note]) => {
      const value = parameterOf(model, name);
      // Each family has its own.
      if (value === null && OF_FAMILIES.includes(name)) return [];
      return [
        [{ text: name, note }, fourSignificant(value), fourSignificant(parameterOf(model, `${name}_se`))],
      ];
    }),
  };
}

const hasConverged = ({ fitted }: Results, id: string): boolean =>
  fitted.every(({ model_id, sample, converged }) => model_id !== id || sample !== "production" || converged);

/** The model and the baselines in the back-test or in the hold-out; null when the run has no such evaluation. */
export function evaluationTable(results: Results, evaluation: "holdout" | "backtest"): ResultTable | null {
  const figures = figuresOf(results, evaluation);
  if (Object.keys(figures).length === 0) return null;
  const isHoldout = evaluation === "holdout";
  const others = isHoldout ? Object.entries(notChosen(results)) : [];
  const methods = {
    Model: figures.model,
    "Champion before this run": isHoldout ? figuresOf(results, "champion").model : undefined,
    ...Object.fromEntries(
      others.map(([id, figures]) => [
        `${hasConverged(results, id) ? "Not chosen" : "Did not converge"}: ${id}`,
        figures.model,
      ]),
    ),
    "RFM score": figures.rfm,
    "Past spend": figures.past_spend,
    "Past rate continues": figures.past_rate,
    "Perfect hindsight": figures.oracle,
  };
  const { holdout_weeks } = results.calendar;
  return {
    title: isHoldout
      ? `Hold-out: the last ${holdout_weeks} weeks before the run date`
      : "Back-test: after the run date",
    columns: [
      "Method",
      "Revenue of best tenth",
      "Model’s lead",
      "Rank correlation",
      "MAE",
      "RMSE",
      "Purchases",
    ],
    rows: Object.entries(methods).flatMap(([name, row]) => {
      if (row === undefined) return [];
      return [
        [
          name,
          withInterval(row, "top_decile_revenue_share", percent),
          withInterval(row, "top_decile_revenue_share_difference", points),
          threeDecimals(row.spearman),
          threeDecimals(row.count_mae),
          threeDecimals(row.count_rmse),
          whole(row.total_purchases),
        ],
      ];
    }),
  };
}

function withInterval(
  row: Readonly<Record<string, number>>,
  metric: string,
  format: (value: number | undefined) => string,
): Cell {
  const [low, high] = [row[`${metric}_low`], row[`${metric}_high`]];
  const text = format(row[metric]);
  return low === undefined || high === undefined ? text : { text, note: `${format(low)} to ${format(high)}` };
}

/** Orders that the run did not use, with their money; null when it used all. */
export function rejectedTable({ rejected, calendar }: Results): ResultTable | null {
  if (rejected.length === 0) return null;
  const isSubtracted = ({ rejection_reason }: { rejection_reason: string }): boolean =>
    rejection_reason === "refund" || rejection_reason === "refunded";
  const count = (rows: typeof rejected): number => sum(rows.map(({ orders }) => orders));
  const setAside = count(rejected.filter((row) => !isSubtracted(row)));
  const subtracted = count(rejected.filter(isSubtracted));
  const refunds = subtracted > 0 ? `, and ${whole(subtracted)} refunds and refunded orders` : "";
  return {
    title: `Set aside: ${whole(setAside)} of ${whole(calendar.orders + setAside)} orders${refunds} (rfm.rejected_orders)`,
    columns: ["Reason", "Orders", "Sum of amounts"],
    rows: rejected.map((row) => [row.rejection_reason, whole(row.orders), twoDecimals(row.amount)]),
  };
}

const COLUMNS_OF_DRIFT: Readonly<Record<string, string>> = {
  recency_days: "Days since purchase",
  frequency: "Purchases",
  monetary_value: "Revenue",
  age_weeks: "Weeks since first purchase",
  p_active: "P(active)",
  expected_purchases: "Expected purchases",
  expected_value: "Expected value",
};

/** How far customers are from those of the run that fitted the model; null when this run fitted it or none scored. */
export function driftTable({ drift, calendar }: Results): ResultTable | null {
  const training = drift.find((row) => row.training_run_date !== null)?.training_run_date;
  if (training === undefined || training === calendar.run_date) return null;
  return {
    title: `Drift: customers now, and in the run of ${training}, which fitted the model`,
    columns: ["Column", "Mean then", "Mean now", "PSI", "PSI by chance"],
    rows: drift.map((row) => [
      {
        text: COLUMNS_OF_DRIFT[row.column_name] ?? row.column_name,
        ...(row.reason !== null && { note: row.reason }),
      },
      twoDecimals(row.training_mean),
      twoDecimals(row.mean),
      threeDecimals(row.psi),
      threeDecimals(row.chance_psi),
    ]),
  };
}
