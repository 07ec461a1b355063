import { seededChoice } from "./random.ts";
import { type Ranking, rank, rankCorrelation, ranked, sumOfTop } from "./ranking.ts";
import { inOrder } from "./sort.ts";

/** What was predicted for the customers in the hold-out, and what they did in it. The customers are sorted in this order. */
export const FIELDS = [
  /** The purchases that the model expects; all NaN when it does not predict them. */
  "predictedPurchases",
  /** The spending that the model expects: expected purchases times the expected value of one. */
  "predictedValue",
  "rfmScore",
  /** Spending before the hold-out. */
  "pastSpend",
  /** Purchases at the past rate: x / T times the length of the hold-out. */
  "pastRatePurchases",
  "actualPurchases",
  "actualRevenue",
  /** Repeat purchases before the hold-out. */
  "x",
] as const;
/** A number of each customer. */
export type Outcomes = Readonly<Record<(typeof FIELDS)[number], Float64Array>>;

/** `oracle` is what happened, or the ranking by it. */
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
  /** Mean purchases, and number, of the customers with `bucket` repeat purchases before; bucket 7 is 7 or more. */
  "purchases_by_frequency",
  "customers_by_frequency",
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
const HIGHEST_FREQUENCY = 7;

/**
 * Compares the predictions with what happened. The result does not depend on the order of the customers, and is the same
 * for the same `seed` of the bootstrap. A figure that is undefined (a share of no revenue) has no row.
 * O(n) for each of the `replicates` of the bootstrap.
 * @throws RangeError when a customer's figure is not finite.
 */
export function evaluate(
  customers: Outcomes,
  { replicates = 200, seed = 1 }: { replicates?: number; seed?: number } = {},
): MetricRow[] {
  const hasCounts = !customers.predictedPurchases.every(Number.isNaN);
  const columns = inOneOrder(customers, hasCounts);
  const rankings = {
    model: rank(columns.predictedValue),
    rfm: rank(columns.rfmScore),
    past_spend: rank(columns.pastSpend),
    oracle: rank(columns.actualRevenue),
  };
  return [
    ...topDecileShares(columns, rankings, replicates, seed),
    ...correlations(rankings),
    ...countErrors(columns),
    ...valueErrors(columns),
    ...totals(columns),
    ...(hasCounts ? byDecile(columns) : []),
    ...gains(columns, rankings),
    ...byFrequency(columns),
  ].filter(({ value }) => Number.isFinite(value));
}

/** The customers in one order, so that rounding and the bootstrap do not depend on the order of the rows. */
function inOneOrder(customers: Outcomes, hasCounts: boolean): Outcomes {
  const fields = hasCounts ? FIELDS : FIELDS.filter((field) => field !== "predictedPurchases");
  for (const field of fields) {
    const wrong = customers[field].find((value) => !Number.isFinite(value));
    if (wrong !== undefined)
      throw new RangeError(`${field} must be a finite number; a customer has ${wrong}.`);
  }
  const sorted = inOrder(Object.fromEntries(fields.map((field) => [field, customers[field]])));
  return { ...customers, ...sorted };
}

type Rankings = { model: Ranking; rfm: Ranking; past_spend: Ranking; oracle: Ranking };
const RANKED = ["model", "rfm", "past_spend"] as const;
const BASELINES = ["rfm", "past_spend"] as const;

/** Shares of the top decile. Intervals by the Poisson bootstrap: a customer counts Poisson(1) times in each replicate. */
function topDecileShares(
  { actualRevenue }: Outcomes,
  rankings: Rankings,
  replicates: number,
  seed: number,
): MetricRow[] {
  const revenues = {
    model: ranked(rankings.model, actualRevenue),
    rfm: ranked(rankings.rfm, actualRevenue),
    past_spend: ranked(rankings.past_spend, actualRevenue),
  };
  const shares = (weights: Uint8Array) => {
    const { totalWeight, revenue } = weighted(actualRevenue, weights);
    const share = (name: keyof typeof revenues) =>
      sumOfTop(rankings[name], revenues[name], TOP, weights, totalWeight) / revenue;
    return { model: share("model"), rfm: share("rfm"), past_spend: share("past_spend") };
  };

  const draw = seededChoice(POISSON, seed);
  const weights = new Uint8Array(actualRevenue.length);
  const replicas = Array.from({ length: replicates }, () => {
    draw(weights);
    return shares(weights);
  });
  const observed = shares(weights.fill(1));
  type Shares = typeof observed;
  const withInterval = (
    predictor: Predictor,
    metric: "top_decile_revenue_share" | "top_decile_revenue_share_difference",
    figure: (shares: Shares) => number,
  ): MetricRow[] => {
    const drawn = Float64Array.from(replicas, figure).sort();
    return [
      row(predictor, metric, figure(observed)),
      row(predictor, `${metric}_low`, quantile(drawn, 0.025)),
      row(predictor, `${metric}_high`, quantile(drawn, 0.975)),
    ];
  };
  const oracle = sumOfTop(rankings.oracle, ranked(rankings.oracle, actualRevenue), TOP) / sum(actualRevenue);
  return [
    ...RANKED.flatMap((name) => withInterval(name, "top_decile_revenue_share", (drawn) => drawn[name])),
    row("oracle", "top_decile_revenue_share", oracle),
    ...BASELINES.flatMap((name) =>
      withInterval(name, "top_decile_revenue_share_difference", (drawn) => drawn.model - drawn[name]),
    ),
  ];
}

function weighted(revenues: Float64Array, weights: Uint8Array): { totalWeight: number; revenue: number } {
  let [totalWeight, revenue] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    totalWeight += weights[i]!;
    revenue += weights[i]! * revenues[i]!;
  }
  return { totalWeight, revenue };
}

function correlations(rankings: Rankings): MetricRow[] {
  return RANKED.map((name) => row(name, "spearman", rankCorrelation(rankings[name], rankings.oracle)));
}

function countErrors({ predictedPurchases, pastRatePurchases, actualPurchases }: Outcomes): MetricRow[] {
  const errorsOf = (predictor: Predictor, predicted: Float64Array) => {
    const errors = predicted.map((count, i) => count - actualPurchases[i]!);
    return [
      row(predictor, "count_mae", mean(errors.map(Math.abs))),
      row(predictor, "count_rmse", Math.sqrt(mean(errors.map((error) => error * error)))),
    ];
  };
  return [...errorsOf("model", predictedPurchases), ...errorsOf("past_rate", pastRatePurchases)];
}

function valueErrors({ predictedValue, actualRevenue }: Outcomes): MetricRow[] {
  const errors = predictedValue.map((value, i) => Math.abs(value - actualRevenue[i]!));
  return [row("model", "value_mae", mean(errors))];
}

function totals(columns: Outcomes): MetricRow[] {
  return [
    row("model", "total_purchases", sum(columns.predictedPurchases)),
    row("past_rate", "total_purchases", sum(columns.pastRatePurchases)),
    row("oracle", "total_purchases", sum(columns.actualPurchases)),
    row("model", "total_revenue", sum(columns.predictedValue)),
    row("oracle", "total_revenue", sum(columns.actualRevenue)),
  ];
}

function byDecile({ predictedPurchases, actualPurchases }: Outcomes): MetricRow[] {
  const ranking = rank(predictedPurchases);
  const size = predictedPurchases.length / 10;
  const meansOf = (values: Float64Array) => {
    const inOrder = ranked(ranking, values);
    const total = (deciles: number) => sumOfTop(ranking, inOrder, deciles / 10);
    return DECILES.map((bucket) => (total(11 - bucket) - total(10 - bucket)) / size);
  };
  const [model, oracle] = [predictedPurchases, actualPurchases].map(meansOf);
  return DECILES.flatMap((bucket, i) => [
    row("model", "purchases_by_decile", model![i]!, bucket),
    row("oracle", "purchases_by_decile", oracle![i]!, bucket),
  ]);
}

function gains({ actualRevenue }: Outcomes, rankings: Rankings): MetricRow[] {
  const revenue = sum(actualRevenue);
  return ([...RANKED, "oracle"] as const).flatMap((predictor) => {
    const inOrder = ranked(rankings[predictor], actualRevenue);
    return Array.from({ length: 21 }, (_, i) => {
      const gain = sumOfTop(rankings[predictor], inOrder, (i * 5) / 100) / revenue;
      return row(predictor, "cumulative_revenue_gain", gain, i * 5);
    });
  });
}

function byFrequency({ x, predictedPurchases, pastRatePurchases, actualPurchases }: Outcomes): MetricRow[] {
  const totals = (values: Float64Array) => {
    const sums = new Float64Array(HIGHEST_FREQUENCY + 1);
    for (let i = 0; i < x.length; i++) sums[Math.min(x[i]!, HIGHEST_FREQUENCY)]! += values[i]!;
    return sums;
  };
  const customers = totals(x.slice().fill(1));
  const means = (values: Float64Array) => totals(values).map((sum, bucket) => sum / customers[bucket]!);
  const [model, pastRate, oracle] = [predictedPurchases, pastRatePurchases, actualPurchases].map(means);
  return Array.from(customers, (count, bucket) => [
    row("model", "purchases_by_frequency", model![bucket]!, bucket),
    row("past_rate", "purchases_by_frequency", pastRate![bucket]!, bucket),
    row("oracle", "purchases_by_frequency", oracle![bucket]!, bucket),
    row("oracle", "customers_by_frequency", count, bucket),
  ]).flat();
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

/** The quantile of sorted numbers, interpolated between its two neighbours. */
function quantile(sorted: Float64Array, probability: number): number {
  const position = probability * (sorted.length - 1);
  const below = sorted[Math.floor(position)]!;
  return below + (position % 1) * (sorted[Math.ceil(position)]! - below);
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
const mean = (values: Float64Array): number => sum(values) / values.length;
