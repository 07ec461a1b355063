import { purchasesQuantile, valueQuantile } from "./intervals.ts";
import type { MetricRow } from "./metrics.ts";
import type { Holdout, Model, PredictedHoldout } from "./model-tables.ts";
import { keptTails } from "./purchase-counts.ts";
import { probabilityAlive } from "./purchase-model.ts";

/** The probabilities of the ends of an 80 % interval. customer_scores.sqlx and docs/own-model.md have the same. */
const [LOW, HIGH] = [0.1, 0.9];

/** Customers whose intervals are compared: enough for 0.3 percentage points. */
const MOST_CUSTOMERS = 20_000;

/** A difference between what intervals hold and what they should, above which the run warns. */
const FAR_OFF = 0.1;

/**
 * The share of the hold-out's customers whose purchases, and their value, are within the model's 80 % intervals, and the share
 * that the model expects: it is above 80 %, because purchases are whole numbers and most of the low ends are 0. No rows of value
 * without Gamma-Gamma. Of many customers, every n-th is compared.
 */
export function intervalCoverage(
  { purchases, gammaGamma }: Model,
  { x, t_x, t, value_count, mean_value, actual_purchases, actual_value }: Holdout,
  weeks: number,
): MetricRow[] {
  const step = Math.ceil(x.length / MOST_CUSTOMERS);
  const compared = Array.from(x.keys()).filter((i) => i % step === 0);
  const [held, expected] = [
    { purchases: 0, value: 0 },
    { purchases: 0, value: 0 },
  ];
  for (const i of compared) {
    const [k, T] = [x[i]!, t[i]!];
    const pActive = probabilityAlive(purchases, k, t_x[i]!, T);
    const [low, high] = [LOW, HIGH].map((end) => purchasesQuantile(purchases, pActive, k, T, weeks, end));
    const tails = keptTails(purchases, k, T, weeks, (1 - HIGH) / Math.max(pActive, 1 - HIGH));
    const atMost = (count: number): number => (count < 0 ? 0 : 1 - pActive * tails[count]!);
    if (actual_purchases[i]! >= low! && actual_purchases[i]! <= high!) held.purchases++;
    expected.purchases += atMost(high!) - atMost(low! - 1);
    if (gammaGamma === null) continue;
    const [lowValue, highValue] = [LOW, HIGH].map(
      (end) =>
        unitOfValue(gammaGamma, value_count[i]!, mean_value[i]!) *
        valueQuantile(purchases, gammaGamma, pActive, k, T, weeks, value_count[i]!, end),
    );
    if (actual_value[i]! >= lowValue! && actual_value[i]! <= highValue!) held.value++;
    expected.value += (highValue! > 0 ? HIGH : atMost(0)) - (lowValue! > 0 ? LOW : 0);
  }
  const kinds = gammaGamma === null ? (["purchases"] as const) : (["purchases", "value"] as const);
  return kinds.flatMap((kind) => shares(kind, held[kind], expected[kind], compared.length));
}

/**
 * The same two shares for the intervals of value that a candidate gives, of its customers that have one; no rows if none has.
 * An interval from 0 is taken to expect 90 %: a candidate does not say how probable 0 is.
 */
export function givenIntervalCoverage({
  low,
  high,
  actual_value,
}: PredictedHoldout["customers"]): MetricRow[] {
  let [held, expected, customers] = [0, 0, 0];
  for (const [i, value] of actual_value.entries()) {
    if (Number.isNaN(low[i]!)) continue;
    if (value >= low[i]! && value <= high[i]!) held++;
    expected += HIGH - (low[i]! > 0 ? LOW : 0);
    customers++;
  }
  return shares("value", held, expected, customers);
}

function shares(kind: "purchases" | "value", held: number, expected: number, customers: number): MetricRow[] {
  if (customers === 0) return [];
  const metric = `${kind}_interval_coverage` as const;
  return [
    { predictor: "model", metric, bucket: null, value: held / customers },
    { predictor: "model", metric: `${metric}_expected`, bucket: null, value: expected / customers },
  ];
}

/** A sentence for each kind of interval that holds far fewer or far more customers than the model expects. */
export function coverageWarnings(model_id: string, metrics: readonly MetricRow[]): string[] {
  const figure = (name: string) => metrics.find(({ metric }) => metric === name)?.value;
  return ["purchases", "value"].flatMap((kind) => {
    const held = figure(`${kind}_interval_coverage`);
    const expected = figure(`${kind}_interval_coverage_expected`);
    if (held === undefined || expected === undefined || Math.abs(held - expected) <= FAR_OFF) return [];
    const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
    return `The 80 % intervals of ${kind} of ${model_id} are too ${held < expected ? "narrow" : "wide"}: they held ${percent(held)} of the hold-out's customers, and the model expects ${percent(expected)}.`;
  });
}

/** The unit of valueQuantile for a customer. */
const unitOfValue = ({ gamma }: { gamma: number }, count: number, mean: number): number =>
  gamma + (count === 0 ? 0 : count * mean);
