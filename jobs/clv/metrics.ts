import { seededRandom } from "./random.ts";
import { type Ranking, rank, rankCorrelation, sumOfTop } from "./ranking.ts";

/** What was predicted of a customer for the hold-out period, and what the customer did in it. */
export type CustomerOutcome = {
  /** The model's expected purchases. */
  predictedPurchases: number;
  /** The model's expected spending: expected purchases times the expected value of one. */
  predictedValue: number;
  rfmScore: number;
  /** Spending before the hold-out. */
  pastSpend: number;
  /** Purchases if the past rate went on: x / T times the length of the hold-out. */
  pastRatePurchases: number;
  actualPurchases: number;
  actualRevenue: number;
  /** Repeat purchases before the hold-out. */
  x: number;
};

/** `oracle` is hindsight: what really happened, or the ranking by it. */
export const PREDICTORS = ["model", "rfm", "past_spend", "past_rate", "oracle"] as const;
export type Predictor = (typeof PREDICTORS)[number];

export const METRICS = [
  /** Part of the hold-out's revenue that came from the tenth of customers ranked highest; _low to _high is its 95 % interval. */
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
  "total_purchases",
  "total_revenue",
  /** Mean purchases in a tenth of the customers by the model's count: bucket 1 the lowest, 10 the highest. */
  "purchases_by_decile",
  /** Part of the hold-out's revenue that came from the highest `bucket` percent of customers. */
  "cumulative_revenue_gain",
  /** Mean purchases, and number, of the customers with `bucket` repeat purchases before; bucket 7 is 7 or more. */
  "purchases_by_frequency",
  "customers_by_frequency",
] as const;
export type Metric = (typeof METRICS)[number];

export type MetricRow = { predictor: Predictor; metric: Metric; bucket: number | null; value: number };

const FIELDS = [
  "predictedPurchases",
  "predictedValue",
  "rfmScore",
  "pastSpend",
  "pastRatePurchases",
  "actualPurchases",
  "actualRevenue",
  "x",
] as const;
type Columns = Record<(typeof FIELDS)[number], Float64Array>;

const TOP = 0.1;
const HIGHEST_FREQUENCY = 7;

/**
 * Judges the predictions against what happened, as long rows. The result does not depend on the customers' order, and
 * is the same for the same `seed` of the bootstrap. A figure that is undefined (a share of no revenue) has no row.
 * O(n log n) plus `replicates` passes over the customers.
 * @throws RangeError when a customer's figure is not finite.
 */
export function evaluate(
  customers: readonly CustomerOutcome[],
  { replicates = 200, seed = 1 }: { replicates?: number; seed?: number } = {},
): MetricRow[] {
  const columns = inOneOrder(customers);
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
    ...totals(columns),
    ...byDecile(columns),
    ...gains(columns, rankings),
    ...byFrequency(columns),
  ].filter(({ value }) => Number.isFinite(value));
}

/** As columns, sorted by every field: the sums' rounding and the bootstrap's draws then fall alike for any order of rows. */
function inOneOrder(customers: readonly CustomerOutcome[]): Columns {
  for (const customer of customers) {
    for (const field of FIELDS) {
      if (!Number.isFinite(customer[field])) {
        throw new RangeError(`${field} must be a finite number; a customer has ${customer[field]}.`);
      }
    }
  }
  const sorted = customers.toSorted((one, other) => {
    for (const field of FIELDS) {
      const difference = one[field] - other[field];
      if (difference !== 0) return difference;
    }
    return 0;
  });
  const column = (field: (typeof FIELDS)[number]) =>
    new Float64Array(sorted.map((customer) => customer[field]));
  return Object.fromEntries(FIELDS.map((field) => [field, column(field)])) as Columns;
}

type Rankings = { model: Ranking; rfm: Ranking; past_spend: Ranking; oracle: Ranking };
const RANKED = ["model", "rfm", "past_spend"] as const;
const BASELINES = ["rfm", "past_spend"] as const;

/** Shares of the top decile; intervals by the Poisson bootstrap: each customer counts Poisson(1) times in a replicate. */
function topDecileShares(
  { actualRevenue }: Columns,
  rankings: Rankings,
  replicates: number,
  seed: number,
): MetricRow[] {
  const shares = (weights: Uint8Array) => {
    let totalWeight = 0;
    let revenue = 0;
    for (let i = 0; i < weights.length; i++) {
      totalWeight += weights[i]!;
      revenue += weights[i]! * actualRevenue[i]!;
    }
    const share = (name: keyof Rankings) =>
      sumOfTop(rankings[name], actualRevenue, TOP, weights, totalWeight) / revenue;
    return { model: share("model"), rfm: share("rfm"), past_spend: share("past_spend") };
  };

  const random = seededRandom(seed);
  const weights = new Uint8Array(actualRevenue.length);
  const replicas = Array.from({ length: replicates }, () => {
    for (let i = 0; i < weights.length; i++) weights[i] = POISSON[Math.floor(random() * POISSON.length)]!;
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
      { predictor, metric, bucket: null, value: figure(observed) },
      { predictor, metric: `${metric}_low`, bucket: null, value: quantile(drawn, 0.025) },
      { predictor, metric: `${metric}_high`, bucket: null, value: quantile(drawn, 0.975) },
    ];
  };
  const oracle = sumOfTop(rankings.oracle, actualRevenue, TOP) / sum(actualRevenue);
  return [
    ...RANKED.flatMap((name) => withInterval(name, "top_decile_revenue_share", (drawn) => drawn[name])),
    { predictor: "oracle", metric: "top_decile_revenue_share", bucket: null, value: oracle },
    ...BASELINES.flatMap((name) =>
      withInterval(name, "top_decile_revenue_share_difference", (drawn) => drawn.model - drawn[name]),
    ),
  ];
}

function correlations(rankings: Rankings): MetricRow[] {
  return RANKED.map((predictor) => ({
    predictor,
    metric: "spearman",
    bucket: null,
    value: rankCorrelation(rankings[predictor], rankings.oracle),
  }));
}

function countErrors(columns: Columns): MetricRow[] {
  return (["model", "past_rate"] as const).flatMap((predictor): MetricRow[] => {
    const predicted = predictor === "model" ? columns.predictedPurchases : columns.pastRatePurchases;
    const errors = predicted.map((count, i) => count - columns.actualPurchases[i]!);
    const squared = sum(errors.map((error) => error * error)) / errors.length;
    return [
      { predictor, metric: "count_mae", bucket: null, value: sum(errors.map(Math.abs)) / errors.length },
      { predictor, metric: "count_rmse", bucket: null, value: Math.sqrt(squared) },
    ];
  });
}

function totals(columns: Columns): MetricRow[] {
  return [
    { predictor: "model", metric: "total_purchases", bucket: null, value: sum(columns.predictedPurchases) },
    {
      predictor: "past_rate",
      metric: "total_purchases",
      bucket: null,
      value: sum(columns.pastRatePurchases),
    },
    { predictor: "oracle", metric: "total_purchases", bucket: null, value: sum(columns.actualPurchases) },
    { predictor: "model", metric: "total_revenue", bucket: null, value: sum(columns.predictedValue) },
    { predictor: "oracle", metric: "total_revenue", bucket: null, value: sum(columns.actualRevenue) },
  ];
}

function byDecile({ predictedPurchases, actualPurchases }: Columns): MetricRow[] {
  const ranking = rank(predictedPurchases);
  const size = predictedPurchases.length / 10;
  return ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const).flatMap((bucket): MetricRow[] => {
    const mean = (values: Float64Array) =>
      (sumOfTop(ranking, values, (11 - bucket) / 10) - sumOfTop(ranking, values, (10 - bucket) / 10)) / size;
    return [
      { predictor: "model", metric: "purchases_by_decile", bucket, value: mean(predictedPurchases) },
      { predictor: "oracle", metric: "purchases_by_decile", bucket, value: mean(actualPurchases) },
    ];
  });
}

function gains({ actualRevenue }: Columns, rankings: Rankings): MetricRow[] {
  const revenue = sum(actualRevenue);
  return ([...RANKED, "oracle"] as const).flatMap((predictor) =>
    Array.from({ length: 21 }, (_, i): MetricRow => {
      const value = sumOfTop(rankings[predictor], actualRevenue, (i * 5) / 100) / revenue;
      return { predictor, metric: "cumulative_revenue_gain", bucket: i * 5, value };
    }),
  );
}

function byFrequency({ x, predictedPurchases, pastRatePurchases, actualPurchases }: Columns): MetricRow[] {
  const buckets = x.map((repeats) => Math.min(repeats, HIGHEST_FREQUENCY));
  const metric = "purchases_by_frequency";
  return Array.from({ length: HIGHEST_FREQUENCY + 1 }, (_, bucket): MetricRow[] => {
    const customers = sum(buckets.map((each) => (each === bucket ? 1 : 0)));
    const mean = (values: Float64Array) =>
      sum(values.map((value, i) => (buckets[i] === bucket ? value : 0))) / customers;
    return [
      { predictor: "model", metric, bucket, value: mean(predictedPurchases) },
      { predictor: "past_rate", metric, bucket, value: mean(pastRatePurchases) },
      { predictor: "oracle", metric, bucket, value: mean(actualPurchases) },
      { predictor: "oracle", metric: "customers_by_frequency", bucket, value: customers },
    ];
  }).flat();
}

/** Poisson(1) counts at 65,536 evenly spaced quantiles: a look-up is several times faster than a search. */
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

/** The quantile of sorted numbers, interpolated between the two next to it. */
function quantile(sorted: Float64Array, probability: number): number {
  const position = probability * (sorted.length - 1);
  const below = sorted[Math.floor(position)]!;
  return below + (position % 1) * (sorted[Math.ceil(position)]! - below);
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
