import digamma from "@stdlib/math-base-special-digamma";
import gammaln from "@stdlib/math-base-special-gammaln";
import trigamma from "@stdlib/math-base-special-trigamma";
import { customersBy, fitStatistics, type Statistics, totalOf } from "./fit-statistics.ts";
import type { GammaGammaParameters } from "./gamma-gamma.ts";
import { CannotFit, type Fit, type Likelihood } from "./maximum-likelihood.ts";

/** `customers` customers whose `x` >= 1 repeat purchases of positive value had the mean `meanValue` > 0. */
export type GammaGammaStatistics = Statistics<"x" | "meanValue">;

/** The Gamma-Gamma log-likelihood, equation (1a) of Fader & Hardie (2013), and its derivatives by p, q, gamma. */
export function gammaGammaLikelihood(
  { p, q, gamma }: GammaGammaParameters,
  { x, meanValue, customers }: GammaGammaStatistics,
): Likelihood {
  const customersByX = customersBy(x, customers);
  const logGamma = Math.log(gamma);
  let [value, gp, gq, gg] = [0, 0, 0, 0];
  let [pp, pq, pg, qq, qg, gg2] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [count, k, mean] = [customers[i]!, x[i]!, meanValue[i]!];
    const scale = 1 / (gamma + k * mean);
    // ln of x meanValue / (gamma + x meanValue) and of gamma / (gamma + x meanValue)
    const own = Math.log(k * mean * scale);
    const prior = logGamma + Math.log(scale);
    value += count * (p * k * own + q * prior - Math.log(mean));
    gp += count * k * own;
    gq += count * prior;
    gg -= count * (p * k + q) * scale;
    pg -= count * k * scale;
    qg -= count * scale;
    gg2 += count * (p * k + q) * scale * scale;
  }
  // The terms that depend on x alone.
  let total = 0;
  for (const [k, count] of customersByX.entries()) {
    if (count === 0) continue;
    total += count;
    const both = p * k + q;
    value += count * (gammaln(both) - gammaln(p * k) - gammaln(q));
    gp += count * k * (digamma(both) - digamma(p * k));
    gq += count * (digamma(both) - digamma(q));
    pp += count * k * k * (trigamma(both) - trigamma(p * k));
    pq += count * k * trigamma(both);
    qq += count * (trigamma(both) - trigamma(q));
  }
  return {
    value,
    gradient: [gp, gq, gg + (total * q) / gamma],
    hessian: [[pp], [pq, qq], [pg, qg + total / gamma, gg2 - (total * q) / gamma ** 2]],
  };
}

/**
 * Fits the Gamma-Gamma model by maximum likelihood. Equal rows can be split. Their order changes only the rounding.
 * @throws CannotFit when the statistics do not determine the three parameters.
 */
export function fitGammaGamma(statistics: GammaGammaStatistics): Fit<GammaGammaParameters> {
  const { x, meanValue, customers } = statistics;
  if (x.length === 0)
    throw new CannotFit("No customer has a repeat purchase of positive value to fit the value model on.");
  const means = new Set<number>();
  for (let i = 0; i < x.length && means.size < 3; i++) means.add(meanValue[i]!);
  if (means.size < 3)
    throw new CannotFit(`Three parameters cannot be fitted on ${means.size} distinct mean purchase values.`);
  // Values around the observed mean, p gamma / (q - 1).
  const start = { p: 2, q: 3, gamma: totalOf(customers, meanValue) / totalOf(customers) };
  return fitStatistics(statistics, gammaGammaLikelihood, start);
}
