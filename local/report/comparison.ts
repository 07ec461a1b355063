import type { Period } from "./comparison-charts.ts";
import { oneDecimal, percent, points, threeDecimals, whole } from "./numbers.ts";
import { figuresOf, type Results } from "./results.ts";

/** The back-test if there is one, otherwise the hold-out; null when the run has neither. */
export function comparedPeriod({ metrics, calendar }: Results): Period | null {
  const has = (evaluation: string) => metrics.some((row) => row.evaluation === evaluation);
  if (has("backtest")) return { evaluation: "backtest", during: "after the run date" };
  if (!has("holdout")) return null;
  const during = `in the last ${calendar.holdout_weeks} weeks`;
  return { evaluation: "holdout", during };
}

/** Error of the total number of expected purchases, in words; null when it is not known. */
export function totalError(
  results: Results,
  { evaluation, during }: Period,
): { size: string; words: string } | null {
  const { model, oracle } = figuresOf(results, evaluation);
  const [expected, actual] = [model?.total_purchases, oracle?.total_purchases];
  if (expected === undefined || !actual) return null;
  const error = expected / actual - 1;
  return {
    size: `${whole(Math.abs(100 * error))} % too ${error < 0 ? "few" : "many"}`,
    words: `purchases expected in the ${evaluation === "backtest" ? "back-test" : "hold-out"}: ${whole(expected)} expected ${during}, ${whole(actual)} made`,
  };
}

export function introduction({ calendar }: Results, { evaluation }: Period): string {
  return evaluation === "backtest"
    ? "The order log continues after the run date. So the predictions can be compared with what customers did then (a back-test). The model did not see those orders."
    : `The log has no whole week after the run date, so there is no back-test. Instead, a model was fitted without the last ${calendar.holdout_weeks} weeks (the hold-out) and compared with what customers did in them.`;
}

/** Explains the columns of the evaluation tables. */
export const COLUMNS =
  "Revenue of best tenth: the share of the period's revenue that came from the tenth of customers that the method puts first, with its 95 % interval. Model’s lead: how many percentage points more the model's tenth brought. Rank correlation: how well the order of all customers agrees with what they spent (1 is perfect). MAE and RMSE: the mean absolute and the root mean square error of the purchases expected of a customer.";

/**
 * What the figures say about the model against each baseline. The model leads only when the 95 % interval of the
 * difference does not include zero.
 */
export function verdicts(results: Results, evaluation: Period["evaluation"]): string[] {
  const { model, past_rate: pastRate, ...figures } = figuresOf(results, evaluation);
  const baselines = [
    { name: "the RFM score", row: figures.rfm ?? {} },
    { name: "past spend", row: figures.past_spend ?? {} },
  ];
  const leads = baselines.map(({ name, row }) => {
    const metric = "top_decile_revenue_share_difference";
    const [lead, low, high] = [row[metric], row[`${metric}_low`], row[`${metric}_high`]];
    if (lead === undefined || low === undefined || high === undefined) return null;
    const interval = `95 % interval ${points(low)} to ${points(high)}`;
    return low <= 0 && high >= 0
      ? `Best tenth of customers: the difference between the model and ${name} is too small to be certain (${points(lead)} percentage points of the revenue, ${interval}).`
      : `Best tenth of customers: the model’s choice brought ${oneDecimal(Math.abs(100 * lead))} percentage points ${lead > 0 ? "more" : "less"} of the revenue than the choice of ${name} (${interval}).`;
  });
  const rankings = baselines.map(({ name, row }) =>
    model?.spearman !== undefined && row.spearman !== undefined && row.spearman > model.spearman
      ? `The whole list: ${name} ordered it better than the model did (rank correlation ${threeDecimals(row.spearman)} against ${threeDecimals(model.spearman)}).`
      : null,
  );
  const [own, other] = [model?.count_mae, pastRate?.count_mae];
  const counts =
    own !== undefined && other
      ? `Number of purchases: the model’s mean error for a customer is ${percent(Math.abs(1 - own / other))} ${own <= other ? "smaller" : "larger"} than if all customers continued at their past rate.`
      : null;
  return [...leads, ...rankings, counts, intervalVerdict(model ?? {})].filter((verdict) => verdict !== null);
}

/** How many customers were within their 80 % intervals; null when the model gives none, or in the back-test. */
export function intervalVerdict(model: Readonly<Record<string, number>>): string | null {
  const shares = (["purchases", "value"] as const).flatMap((kind) => {
    const held = model[`${kind}_interval_coverage`];
    const expected = model[`${kind}_interval_coverage_expected`];
    return held === undefined
      ? []
      : `${percent(held)} of customers for ${kind} (the model expects ${percent(expected)})`;
  });
  return shares.length === 0 ? null : `The 80\u00a0% intervals held ${shares.join(", and ")}.`;
}
