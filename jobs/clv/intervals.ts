import type { GammaGammaParameters } from "./gamma-gamma.ts";
import { keptTails } from "./purchase-counts.ts";
import type { PurchaseModel } from "./purchase-model.ts";

/**
 * The smallest count that the purchases in the t weeks after T exceed with a probability of at most 1 - `probability`, for a
 * customer with x repeat purchases until T who is active with the probability `pActive`. x, T and t as in bg-nbd.ts.
 */
export function purchasesQuantile(
  model: PurchaseModel,
  pActive: number,
  x: number,
  T: number,
  t: number,
  probability: number,
): number {
  const exceeds = (1 - probability) / pActive;
  return exceeds >= 1 ? 0 : firstAtMost(exceeds, keptTails(model, x, T, t, exceeds));
}

/** The first count whose tail is at most this; the last one if none is. */
function firstAtMost(limit: number, tails: readonly number[]): number {
  let count = 0;
  while (count < tails.length - 1 && tails[count]! > limit) count++;
  return count;
}

/**
 * The same for the value of these purchases, as a multiple of gamma + valueCount * meanValue, where `valueCount` repeat purchases
 * of positive value had the mean `meanValue`.
 *
 * Given n purchases, this multiple is G(p n) / G(q + p valueCount), of two gamma variates. Their cube roots are almost normal
 * (Wilson & Hilferty 1931, "The distribution of chi-square", PNAS 17(12)), so the probability of a value has a closed form for
 * each n. The probability of the result differs from the exact one by less than 0.01 where p is at least 0.5.
 */
export function valueQuantile(
  model: PurchaseModel,
  { p, q }: Pick<GammaGammaParameters, "p" | "q">,
  pActive: number,
  x: number,
  T: number,
  t: number,
  valueCount: number,
  probability: number,
): number {
  const exceeds = (1 - probability) / pActive;
  if (exceeds >= 1) return 0;
  const tails = keptTails(model, x, T, t, RARE * exceeds, exceeds);
  if (tails[0]! <= exceeds) return 0;
  const customer = cubeRoot(q + p * valueCount);
  const end = firstAtMost(RARE * exceeds, tails) + 1;
  // Of many counts, those next to each other are taken together.
  const width = Math.ceil(end / MOST_COUNTS);
  let size = 0;
  for (let n = 0; n < end; n += width) {
    const { mean, variance } = cubeRoot(p * (n + (width + 1) / 2));
    SHARES[size] = tails[n]! - (n + width < end ? tails[n + width]! : 0);
    MEANS[size] = mean;
    VARIANCES[size++] = variance;
  }
  // The cube root of the result, by Newton's method between bounds.
  let root = cubeRoot(p * firstAtMost(exceeds, tails)).mean / customer.mean;
  let [low, high] = [0, Number.POSITIVE_INFINITY];
  for (let i = 0; i < MOST_STEPS; i++) {
    let above = -exceeds;
    let slope = 0;
    for (let k = 0; k < size; k++) {
      const share = SHARES[k]!;
      const deviation = Math.sqrt(VARIANCES[k]! + root * root * customer.variance);
      const z = (MEANS[k]! - root * customer.mean) / deviation;
      const density = Math.exp((-z * z) / 2);
      above += share * normalBelow(z, density);
      slope -= (share * density * (customer.mean + (z * root * customer.variance) / deviation)) / deviation;
    }
    if (above > 0) low = root;
    else high = root;
    const next = root - (above / slope) * ROOT_TAU;
    // Where the density is small, Newton's step goes too far to come back from.
    const highest = Math.min(high, 2 * root);
    const middle = high === Number.POSITIVE_INFINITY ? highest : (low + high) / 2;
    const step = (next > low && next < highest ? next : middle) - root;
    root += step;
    if (Math.abs(step) < PRECISION * root) break;
  }
  return root ** 3;
}

/** A count whose probability is above this share of the one that is asked for is computed by itself. */
const RARE = 0.01;
const MOST_COUNTS = 64;
/** Of the counts of one call: made once, because a run makes a million calls. */
const SHARES = new Float64Array(MOST_COUNTS);
const MEANS = new Float64Array(MOST_COUNTS);
const VARIANCES = new Float64Array(MOST_COUNTS);
const MOST_STEPS = 60;
const PRECISION = 1e-4;
const ROOT_TAU = Math.sqrt(2 * Math.PI);

/** Mean and variance of the cube root of a gamma variate. */
function cubeRoot(shape: number): { mean: number; variance: number } {
  const root = Math.cbrt(shape);
  return { mean: root * (1 - 1 / (9 * shape)), variance: 1 / (9 * root) };
}

/** P(Z < z) of the normal distribution, to 1e-7, with exp(-z z / 2) (Abramowitz & Stegun, formula 26.2.17). */
function normalBelow(z: number, density: number): number {
  const k = 1 / (1 + 0.2316419 * Math.abs(z));
  const series =
    k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))));
  const tail = (density * series) / ROOT_TAU;
  return z > 0 ? 1 - tail : tail;
}
