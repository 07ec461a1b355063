import type { Period } from "./comparison-charts.ts";
import { type Html, html } from "./html.ts";
import { oneDecimal, percent, points, threeDecimals, whole } from "./numbers.ts";
import type { Results } from "./results.ts";
import { table } from "./tables.ts";
import { figuresOf } from "./terminal.ts";

type Figures = Record<string, Record<string, number>>;

/** The back-test if there is one, otherwise the hold-out; null when there is nothing to compare predictions with. */
export function comparedPeriod({ metrics, calendar }: Results): Period | null {
  const has = (evaluation: string) => metrics.some((row) => row.evaluation === evaluation);
  if (has("backtest")) return { evaluation: "backtest", during: "after the run date", start: "the run date" };
  if (!has("holdout")) return null;
  const during = `in the last ${calendar.holdout_weeks} weeks`;
  return { evaluation: "holdout", during, start: "the hold-out" };
}

/** How far the expected number of purchases was off in all, for people. */
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
    words: `purchases expected in the ${NAMES[evaluation]}: ${whole(expected)} expected ${during}, ${whole(actual)} happened`,
  };
}

const NAMES = { backtest: "back-test", holdout: "hold-out" };

export function introduction({ calendar }: Results, { evaluation }: Period): string {
  return evaluation === "backtest"
    ? "The order log goes on after the run date, so the predictions can be compared with what customers then did (a back-test). The model did not see those orders."
    : `The log has no whole week after the run date, so there is no back-test. Instead a model was fitted without the last ${calendar.holdout_weeks} weeks (the hold-out) and compared with what customers did in them.`;
}

const METHODS = {
  model: "Model",
  champion: "Champion before this run",
  rfm: "RFM score",
  past_spend: "Past spend",
  past_rate: "Past rate goes on",
  oracle: "Perfect hindsight",
};

/** The model against the baselines, in words and as a table; null when the run has no such evaluation. */
export function evaluationTable(
  results: Results,
  evaluation: Period["evaluation"],
  title: string,
): Html | null {
  const figures = figuresOf(results, evaluation);
  if (Object.keys(figures).length === 0) return null;
  const { model: champion } = evaluation === "holdout" ? figuresOf(results, "champion") : {};
  const all: Figures = champion ? { ...figures, champion } : figures;
  return html`<h3>${title}</h3>
    <ul class="verdicts">${verdicts(figures).map((verdict) => html`<li>${verdict}</li>`)}</ul>
    ${table(
      title,
      [
        "Method",
        "Revenue share of its best tenth",
        "Model’s lead, % points",
        "Rank correlation",
        "Absolute error",
        "Root mean square error",
        "Purchases in all",
      ],
      Object.entries(METHODS).flatMap(([predictor, name]) => {
        const row = all[predictor];
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
    )}`;
}

/** Explains the columns. */
export const COLUMNS =
  "Revenue share of its best tenth: how much of the period's revenue came from the tenth of customers that the method puts first; below it the 95 % interval. Rank correlation: how well the order of all customers agrees with what they spent (1 is perfect). Errors: by how many purchases the prediction for a customer is off, on average and with large errors weighing more.";

function withInterval(
  row: Record<string, number>,
  metric: string,
  format: (value: number | undefined) => string,
): Html {
  const [low, high] = [row[`${metric}_low`], row[`${metric}_high`]];
  const interval =
    low === undefined || high === undefined ? null : html`<small>${format(low)} to ${format(high)}</small>`;
  return html`${format(row[metric])}${interval}`;
}

/** What the figures allow to say of the model against each baseline: no lead where the interval holds zero. */
function verdicts(figures: Figures): string[] {
  const { model, past_rate: pastRate } = figures;
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
      ? `Best tenth of customers: the difference between model and ${name} is too small to tell (${points(lead)} percentage points of the revenue, ${interval}).`
      : `Best tenth of customers: the model’s choice brought ${oneDecimal(Math.abs(100 * lead))} percentage points ${lead > 0 ? "more" : "less"} of the revenue than that of ${name} (${interval}).`;
  });
  const rankings = baselines.map(({ name, row }) =>
    model?.spearman !== undefined && row.spearman !== undefined && row.spearman > model.spearman
      ? `The whole list: ${name} ordered it better than the model did (rank correlation ${threeDecimals(row.spearman)} against ${threeDecimals(model.spearman)}).`
      : null,
  );
  const [own, other] = [model?.count_mae, pastRate?.count_mae];
  const counts =
    own !== undefined && other
      ? `Number of purchases: the model’s error per customer is ${percent(Math.abs(1 - own / other))} ${own <= other ? "smaller" : "larger"} than if everyone went on at their past rate.`
      : null;
  return [...leads, ...rankings, counts].filter((verdict) => verdict !== null);
}
