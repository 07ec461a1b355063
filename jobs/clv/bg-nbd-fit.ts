import digamma from "@stdlib/math-base-special-digamma";
import gammaln from "@stdlib/math-base-special-gammaln";
import trigamma from "@stdlib/math-base-special-trigamma";
import type { BgNbdParameters } from "./bg-nbd.ts";
import { customersBy, fitStatistics } from "./fit-statistics.ts";
import type { Fit, Likelihood } from "./maximum-likelihood.ts";
import { type PurchaseStatistics, weeksPerPurchase } from "./purchase-statistics.ts";

/**
 * The log-likelihood of BG/NBD, equation (6) of Fader, Hardie & Lee (2005), or of MBG/NBD (Batislam et al. 2007), and its
 * derivatives by r, alpha, a, b.
 */
export function bgNbdLikelihood(
  parameters: BgNbdParameters,
  { x, tX, T, customers }: PurchaseStatistics,
  firstDropOut = 1,
): Likelihood {
  const chances = 1 - firstDropOut;
  const { r, alpha, a, b } = parameters;
  const customersByX = customersBy(x, customers);
  // The part of the log odds of being gone that depends on x alone.
  const logLeaving = customersByX.map((count, k) =>
    count === 0 || k < firstDropOut ? 0 : Math.log(a / (b + k - firstDropOut)),
  );
  let [value, gr, ga, gA, gB] = [0, 0, 0, 0, 0];
  let [rr, ra, rA, rB, aa, aA, aB, AA, AB, BB] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [count, k] = [customers[i]!, x[i]!];
    const end = 1 / (alpha + T[i]!);
    const rate = (r + k) * end;
    const logEnd = Math.log(end);
    value += count * (r + k) * logEnd;
    gr += count * logEnd;
    ga -= count * rate;
    ra -= count * end;
    aa += count * rate * end;
    if (k < firstDropOut) continue;
    // The log odds o = ln(a / (b + x - firstDropOut)) + (r + x) ln((alpha + T) / (alpha + tX)) and its derivatives.
    const last = 1 / (alpha + tX[i]!);
    const or = Math.log(last / end);
    const oa = (r + k) * (end - last);
    const oA = 1 / a;
    const oB = -1 / (b + k - firstDropOut);
    const o = logLeaving[k]! + (r + k) * or;
    const small = Math.exp(-Math.abs(o));
    const gone = (o > 0 ? 1 : small) / (1 + small);
    value += count * (Math.max(o, 0) + Math.log1p(small));
    const weight = count * gone;
    gr += weight * or;
    ga += weight * oa;
    gA += weight * oA;
    gB += weight * oB;
    const spread = weight * (1 - gone);
    rr += spread * or * or;
    ra += weight * (end - last) + spread * or * oa;
    rA += spread * or * oA;
    rB += spread * or * oB;
    aa += weight * (r + k) * (last * last - end * end) + spread * oa * oa;
    aA += spread * oa * oA;
    aB += spread * oa * oB;
    AA += (spread - weight) * oA * oA;
    AB += spread * oA * oB;
    BB += (spread + weight) * oB * oB;
  }
  // The terms that depend on x alone.
  const logBeta = (one: number, other: number): number =>
    gammaln(one) + gammaln(other) - gammaln(one + other);
  for (const [k, count] of customersByX.entries()) {
    if (count === 0) continue;
    const stayed = k + chances;
    value +=
      count * (gammaln(r + k) - gammaln(r) + r * Math.log(alpha) + logBeta(a, b + stayed) - logBeta(a, b));
    const both = digamma(a + b) - digamma(a + b + stayed);
    const bothAgain = trigamma(a + b) - trigamma(a + b + stayed);
    gr += count * (digamma(r + k) - digamma(r) + Math.log(alpha));
    ga += (count * r) / alpha;
    gA += count * both;
    gB += count * (both + digamma(b + stayed) - digamma(b));
    rr += count * (trigamma(r + k) - trigamma(r));
    ra += count / alpha;
    aa -= (count * r) / alpha ** 2;
    AA += count * bothAgain;
    AB += count * bothAgain;
    BB += count * (bothAgain + trigamma(b + stayed) - trigamma(b));
  }
  return {
    value,
    gradient: [gr, ga, gA, gB],
    hessian: [[rr], [ra, aa], [rA, aA, AA], [rB, aB, AB, BB]],
  };
}

/**
 * Fits BG/NBD, or MBG/NBD with `firstDropOut` of 0, by maximum likelihood. Equal rows can be split. Their order changes only the rounding.
 * @throws CannotFit when the statistics do not determine the four parameters.
 */
export function fitBgNbd(statistics: PurchaseStatistics, firstDropOut = 1): Fit<BgNbdParameters> {
  const start = { r: 1, alpha: weeksPerPurchase(statistics), a: 1, b: 2 };
  const likelihood = (parameters: BgNbdParameters, rows: PurchaseStatistics): Likelihood =>
    bgNbdLikelihood(parameters, rows, firstDropOut);
  return fitStatistics(statistics, likelihood, start);
}
