import { seededChoice } from "./random.ts";
import { type Ranking, rank, rankCorrelation, ranked, sumsOfTop } from "./ranking.ts";

/** What each customer did until a day (x, t in weeks: as in the model), and after it: columns of rfm.holdout and rfm.backtest. */
export const OUTCOMES = ["x", "t", "rfm_score", "past_spend", "actual_purchases", "actual_value"] as const;
export type Outcomes = Readonly<Record<(typeof OUTCOMES)[number], Float64Array>>;

/** What a model expects of the same customers, in the same order. */
export interface Predictions {
  /** All NaN when the model does not predict them. */
  readonly purchases: Float64Array;
  /** Spending. */
  readonly value: Float64Array;
}

/** `oracle` is what happened, or the ranking by it; `past_rate` expects that all purchases go on at their rate. */
export type Predictor = "model" | "rfm" | "past_spend" | "past_rate" | "oracle";

export const METRICS = [
  /** Share of the hold-out's revenue from the tenth of customers ranked highest; _low to _high: its 95 % interval. */
  "top_decile_revenue_share",
  "top_decile_revenue_share_low",
  "top_decile_revenue_share_high",
  /** The model's share minus this predictor's, and its 95 % interval. */
  "top_decile_revenue_share_difference",
  "top_decile_revenue_share_difference_low",
  "top_decile_revenue_share_difference_high",
  /** Rank correlation of the predictor with the hold-out's revenue. */
  "spearman",
  /** Mean absolute and root mean squared error of the number of purchases. */
  "count_mae",
  "count_rmse",
  /** Mean absolute error of the value of purchases. */
  "value_mae",
  "total_purchases",
  "total_revenue",
  /** Mean purchases of each tenth of the customers by the model's count: bucket 1 the lowest, 10 the highest. */
  "purchases_by_decile",
  /** Share of the hold-out's revenue from the highest `bucket` percent of customers. */
  "cumulative_revenue_gain",
  /** Share of customers within the 80 % interval of their purchases, and of their value, and the share that the model expects. */
  "purchases_interval_coverage",
  "purchases_interval_coverage_expected",
  "value_interval_coverage",
  "value_interval_coverage_expected",
] as const;
export type Metric = (typeof METRICS)[number];

export type MetricRow = { predictor: Predictor; metric: Metric; bucket: number | null; value: number };

const row = (
  predictor: Predictor,
  metric: Metric,
  value: number,
  bucket: number | null = null,
): MetricRow => ({ predictor, metric, bucket, value });

const TOP = 0.1;
const DECILES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/**
 * Compares what each model predicts with what happened: the rows of each. All models have the same replicates of the
 * bootstrap, which are the same for the same `seed` and order of the customers. A figure that is undefined (a share of no
 * revenue) has no row. O(customers) for each of the `replicates`.
 * @throws RangeError when a customer's figure is not finite.
 */
export function evaluate(
  customers: Outcomes,
  weeks: number | Float64Array,
  models: readonly Predictions[],
  { replicates = 200, seed = 1 }: { replicates?: number; seed?: number } = {},
): MetricRow[][] {
  for (const name of OUTCOMES) checkNumbers(name, customers[name]);
  const { x, t, actual_purchases, actual_value } = customers;
  const weeksOf = (i: number): number => (typeof weeks === "number" ? weeks : weeks[i]!);
  const atPastRate = x.map((repeats, i) => (t[i]! > 0 ? (repeats / t[i]!) * weeksOf(i) : 0));
  const revenueBy = (scores: Float64Array): Ranked => {
    const ranking = rank(scores);
    return { ranking, revenues: ranked(ranking, actual_value) };
  };
  const [rfm, pastSpend, oracle] = [customers.rfm_score, customers.past_spend, actual_value].map(revenueBy);
  const rankings = models.map(({ purchases, value }) => {
    if (!purchases.every(Number.isNaN)) checkNumbers("expected purchases", purchases);
    checkNumbers("expected value", value);
    return revenueBy(value);
  });
  const [rfmShare, spendShare, ...shares] = topDecileShares(
    [rfm!, pastSpend!, ...rankings],
    actual_value,
    replicates,
    seed,
  );
  const byRanking = (predictor: Predictor, revenue: Ranked, share: Share): MetricRow[] => [
    ...shareRows(predictor, "top_decile_revenue_share", share),
    row(predictor, "spearman", rankCorrelation(revenue.ranking, oracle!.ranking)),
    ...gains(predictor, revenue),
  ];
  const [best] = sumsOfTop(oracle!.ranking, oracle!.revenues, [TOP]);
  // The rows that all models share.
  const baselines = [
    ...byRanking("rfm", rfm!, rfmShare!),
    ...byRanking("past_spend", pastSpend!, spendShare!),
    row("oracle", "top_decile_revenue_share", best! / sum(actual_value)),
    ...gains("oracle", oracle!),
    ...countErrors("past_rate", atPastRate, actual_purchases),
    row("past_rate", "total_purchases", sum(atPastRate)),
    row("oracle", "total_purchases", sum(actual_purchases)),
    row("oracle", "total_revenue", sum(actual_value)),
  ];
  return models.map(({ purchases, value }, i) =>
    [
      ...baselines,
      ...byRanking("model", rankings[i]!, shares[i]!),
      ...differences("rfm", shares[i]!, rfmShare!),
      ...differences("past_spend", shares[i]!, spendShare!),
      ...countErrors("model", purchases, actual_purchases),
      row("model", "value_mae", mean(value.map((expected, i) => Math.abs(expected - actual_value[i]!)))),
      row("model", "total_purchases", sum(purchases)),
      row("model", "total_revenue", sum(value)),
      ...(purchases.every(Number.isNaN) ? [] : byDecile(purchases, actual_purchases)),
    ].filter(({ value }) => Number.isFinite(value)),
  );
}

function checkNumbers(name: string, column: Float64Array): void {
  const wrong = column.find((value) => !Number.isFinite(value));
  if (wrong !== undefined) throw new RangeError(`${name} must be a finite number; a customer has ${wrong}.`);
}

/** A ranking of the customers, and their revenues in its order. */
type Ranked = { ranking: Ranking; revenues: Float64Array };
/** A share of all customers, and of those of each replicate of the bootstrap. */
type Share = { observed: number; drawn: Float64Array };

/** The share of each ranking's top decile. A customer counts Poisson(1) times in each replicate (Poisson bootstrap). */
function topDecileShares(
  rankings: readonly Ranked[],
  actualRevenue: Float64Array,
  replicates: number,
  seed: number,
): Share[] {
  const draw = seededChoice(POISSON, seed);
  const weights = new Uint8Array(actualRevenue.length);
  const sharesNow = (): number[] => {
    const { totalWeight, revenue } = weighted(actualRevenue, weights);
    return rankings.map(
      ({ ranking, revenues }) => sumsOfTop(ranking, revenues, [TOP], weights, totalWeight)[0]! / revenue,
    );
  };
  const drawn = Array.from({ length: replicates }, () => {
    draw(weights);
    return sharesNow();
  });
  weights.fill(1);
  return sharesNow().map((observed, i) => ({
    observed,
    drawn: Float64Array.from(drawn, (shares) => shares[i]!),
  }));
}

/** A figure, and its 95 % interval by the bootstrap. */
function shareRows(
  predictor: Predictor,
  metric: "top_decile_revenue_share" | "top_decile_revenue_share_difference",
  { observed, drawn }: Share,
): MetricRow[] {
  const sorted = drawn.toSorted();
  return [
    row(predictor, metric, observed),
    row(predictor, `${metric}_low`, quantile(sorted, 0.025)),
    row(predictor, `${metric}_high`, quantile(sorted, 0.975)),
  ];
}

/** By how much the model's share is higher than the predictor's. */
function differences(predictor: Predictor, model: Share, other: Share): MetricRow[] {
  return shareRows(predictor, "top_decile_revenue_share_difference", {
    observed: model.observed - other.observed,
    drawn: model.drawn.map((share, i) => share - other.drawn[i]!),
  });
}

function weighted(revenues: Float64Array, weights: Uint8Array): { totalWeight: number; revenue: number } {
  let [totalWeight, revenue] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    totalWeight += weights[i]!;
    revenue += weights[i]! * revenues[i]!;
  }
  return { totalWeight, revenue };
}

function countErrors(predictor: Predictor, predicted: Float64Array, actual: Float64Array): MetricRow[] {
  const errors = predicted.map((count, i) => count - actual[i]!);
  return [
    row(predictor, "count_mae", mean(errors.map(Math.abs))),
    row(predictor, "count_rmse", Math.sqrt(mean(errors.map((error) => error * error)))),
  ];
}

function byDecile(predictedPurchases: Float64Array, actualPurchases: Float64Array): MetricRow[] {
  const ranking = rank(predictedPurchases);
  const size = predictedPurchases.length / 10;
  const rowsOf = (predictor: Predictor, purchases: Float64Array): MetricRow[] => {
    const sums = sumsOfTop(
      ranking,
      ranked(ranking, purchases),
      DECILES.map((decile) => decile / 10),
    );
    return DECILES.map((decile, i) =>
      row(predictor, "purchases_by_decile", (sums[i]! - (sums[i - 1] ?? 0)) / size, 11 - decile),
    );
  };
  return [...rowsOf("model", predictedPurchases), ...rowsOf("oracle", actualPurchases)];
}

function gains(predictor: Predictor, { ranking, revenues }: Ranked): MetricRow[] {
  const percents = Array.from({ length: 21 }, (_, i) => i * 5);
  const sums = sumsOfTop(
    ranking,
    revenues,
    percents.map((percent) => percent / 100),
  );
  const all = sum(revenues);
  return percents.map((percent, i) => row(predictor, "cumulative_revenue_gain", sums[i]! / all, percent));
}

/** Poisson(1) counts at 65,536 evenly spaced quantiles: looking a count up is faster than a search. */
const POISSON: Uint8Array = (() => {
  const counts = new Uint8Array(65536);
  let probability = Math.exp(-1);
  let below = probability;
  for (let i = 0, count = 0; i < counts.length; i++) {
    while ((i + 0.5) / counts.length > below) {
      probability /= ++count;
      below += probability;
    }
    counts[i] = count;
  }
  return counts;
})();

/** The quantile of sorted numbers, interpolated between its two neighbors. */
function quantile(sorted: Float64Array, probability: number): number {
  const position = probability * (sorted.length - 1);
  const below = sorted[Math.floor(position)]!;
  return below + (position % 1) * (sorted[Math.ceil(position)]! - below);
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
const mean = (values: Float64Array): number => sum(values) / values.length;
