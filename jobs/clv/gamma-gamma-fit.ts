import digamma from "@stdlib/math-base-special-digamma";
import gammaln from "@stdlib/math-base-special-gammaln";
import type { GammaGammaParameters } from "./gamma-gamma.ts";
import { CannotFit, type Fit, type Likelihood, maximiseLikelihood } from "./maximum-likelihood.ts";

/** `customers` customers whose `x` >= 1 repeat purchases of positive value had the mean `meanValue` > 0. */
export type GammaGammaStatistics = { x: number; meanValue: number; customers: number };

/** The Gamma-Gamma log-likelihood, equation (1a) of Fader & Hardie (2013), and its derivatives by p, q, gamma. */
export function gammaGammaLikelihood(
  { p, q, gamma }: GammaGammaParameters,
  statistics: readonly GammaGammaStatistics[],
): Likelihood<GammaGammaParameters> {
  let value = 0;
  const gradient = { p: 0, q: 0, gamma: 0 };
  const logGamma = Math.log(gamma);
  let byCount = countTerms(p, q, 1);
  for (const { x, meanValue, customers } of statistics) {
    if (byCount.x !== x) byCount = countTerms(p, q, x);
    const px = p * x;
    const sum = x * meanValue;
    const scale = gamma + sum;
    const logScale = Math.log(scale);
    value +=
      customers *
      (byCount.value + q * logGamma + px * Math.log(sum) - Math.log(meanValue) - (px + q) * logScale);
    gradient.p += customers * x * (byCount.p + Math.log(sum) - logScale);
    gradient.q += customers * (byCount.q + logGamma - logScale);
    gradient.gamma += customers * (q / gamma - (px + q) / scale);
  }
  return { value, gradient };
}

/** The part of a customer's log-likelihood, and of its derivatives, that depends on x alone. */
function countTerms(p: number, q: number, x: number) {
  const both = digamma(p * x + q);
  return {
    x,
    value: gammaln(p * x + q) - gammaln(p * x) - gammaln(q),
    p: both - digamma(p * x),
    q: both - digamma(q),
  };
}

/**
 * Fits the Gamma-Gamma model by maximum likelihood. The order of the rows does not matter, and equal ones can be split.
 * @throws CannotFit when the statistics do not determine the three parameters.
 */
export function fitGammaGamma(statistics: readonly GammaGammaStatistics[]): Fit<GammaGammaParameters> {
  for (const row of statistics) {
    const { x, meanValue, customers } = row;
    if (!(Number.isInteger(x) && x >= 1 && meanValue > 0 && meanValue < Infinity && customers > 0)) {
      throw new CannotFit(
        `The value of purchases needs a whole x >= 1, meanValue > 0 and customers > 0; got ${JSON.stringify(row)}. ` +
          "Leave out customers without a repeat purchase of positive value.",
      );
    }
  }
  // Sorted, so that rounding and the fit do not depend on the order of the rows.
  const rows = statistics.toSorted(
    (i, j) => i.x - j.x || i.meanValue - j.meanValue || i.customers - j.customers,
  );
  if (rows.length === 0) {
    throw new CannotFit("No customer has a repeat purchase of positive value to fit the value model on.");
  }
  const means = new Set(rows.map((row) => row.meanValue)).size;
  if (means < 3) {
    throw new CannotFit(`Three parameters cannot be fitted on ${means} distinct mean purchase values.`);
  }
  const customers = rows.reduce((sum, row) => sum + row.customers, 0);
  const total = rows.reduce((sum, row) => sum + row.customers * row.meanValue, 0);
  // Values around the observed mean, p gamma / (q - 1).
  const start = { p: 2, q: 3, gamma: total / customers };
  return maximiseLikelihood((parameters) => gammaGammaLikelihood(parameters, rows), start, customers);
}
