import digamma from "@stdlib/math-base-special-digamma";
import gammaln from "@stdlib/math-base-special-gammaln";
import trigamma from "@stdlib/math-base-special-trigamma";
import { customersBy, fitStatistics } from "./fit-statistics.ts";
import type { Fit, Likelihood } from "./maximum-likelihood.ts";
import { LEAVING_RULE, leavingTimes, type ParetoNbdParameters } from "./pareto-nbd.ts";
import { type PurchaseStatistics, weeksPerPurchase } from "./purchase-statistics.ts";

/** A row takes some 20 times as long as in BG/NBD. A maximum takes about 10 steps; where there is none, 100 steps find none. */
const LIMITS = { startRows: 1000, iterations: 40 };

/** The most distinct histories that Pareto/NBD is fitted on: each takes 20 times as long as in BG/NBD. */
export const MOST_HISTORIES = 20_000;

/**
 * The log-likelihood of Pareto/NBD and its derivatives by r, alpha, s, beta: that of an active customer,
 * Gamma(r + x) / Gamma(r) alpha ** r / (alpha + T) ** (r + x) (beta / (beta + T)) ** s, times 1 + exp(o), where o is
 * the log odds of being gone (logOddsGone in pareto-nbd.ts). The derivatives of o are means of those of the logarithm of what
 * is integrated, weighted by it.
 */
export function paretoNbdLikelihood(
  { r, alpha, s, beta }: ParetoNbdParameters,
  { x, tX, T, customers }: PurchaseStatistics,
): Likelihood {
  const { nodes, weights } = LEAVING_RULE;
  const customersByX = customersBy(x, customers);
  let [value, gr, ga, gs, gb] = [0, 0, 0, 0, 0];
  let [rr, ra, rs, rb, aa, as, ab, ss, sb, bb] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [count, k, last, end] = [customers[i]!, x[i]!, tX[i]!, T[i]!];
    const [endA, endB] = [1 / (alpha + end), 1 / (beta + end)];
    const [logA, logB] = [Math.log(alpha * endA), Math.log(beta * endB)];
    value += count * (r * logA + k * Math.log(endA) + s * logB);
    gr += count * logA;
    ga += count * (r / alpha - (r + k) * endA);
    gs += count * logB;
    gb += count * s * (1 / beta - endB);
    ra += count * (1 / alpha - endA);
    aa += count * ((r + k) * endA * endA - r / alpha ** 2);
    sb += count * (1 / beta - endB);
    bb += count * s * (endB * endB - 1 / beta ** 2);
    if (last === end) continue; // nobody can have left

    // Sums over the time of leaving: A = ln((alpha + T) / (alpha + tau)), p = 1 / (alpha + tau); B and q with beta.
    const { scale, span } = leavingTimes({ r, alpha, s, beta }, k, last, end);
    const startB = 1 / (beta + last);
    const wholeA = -Math.log((alpha + last) * endA);
    const wholeB = -Math.log((beta + last) * endB);
    let [sum, A, p, B, q] = [0, 0, 0, 0, 0];
    let [AA, Ap, AB, Aq, pp, pB, pq, BB, Bq, qq] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (let j = 0; j < nodes.length; j++) {
      const grown = Math.exp(span * nodes[j]!);
      const time = last + scale * (grown - 1);
      const p1 = 1 / (alpha + time);
      const q1 = 1 / (beta + time);
      const A1 = Math.log(p1 / endA);
      const B1 = Math.log(q1 / endB);
      const w = weights[j]! * grown * Math.exp((r + k) * (A1 - wholeA) + (s + 1) * (B1 - wholeB));
      const wA = w * A1;
      const wp = w * p1;
      const wB = w * B1;
      const wq = w * q1;
      sum += w;
      A += wA;
      p += wp;
      B += wB;
      q += wq;
      AA += wA * A1;
      Ap += wA * p1;
      AB += wA * B1;
      Aq += wA * q1;
      pp += wp * p1;
      pB += wp * B1;
      pq += wp * q1;
      BB += wB * B1;
      Bq += wB * q1;
      qq += wq * q1;
    }
    const one = 1 / sum;
    A *= one;
    p *= one;
    B *= one;
    q *= one;
    const o = (r + k) * wholeA + s * wholeB + Math.log(s * scale * span * startB * sum);
    const or = A;
    const oa = (r + k) * (endA - p);
    const os = 1 / s + B;
    const ob = s * endB - (s + 1) * q;
    const small = Math.exp(-Math.abs(o));
    const gone = (o > 0 ? 1 : small) / (1 + small);
    value += count * (Math.max(o, 0) + Math.log1p(small));
    const weight = count * gone;
    gr += weight * or;
    ga += weight * oa;
    gs += weight * os;
    gb += weight * ob;
    const spread = weight * (1 - gone);
    // Each adds the mean of the second derivatives, the covariance of the first ones, and the product for ln(1 + exp(o)).
    rr += weight * (AA * one - A * A) + spread * or * or;
    ra += weight * (endA - p - (r + k) * (Ap * one - A * p)) + spread * or * oa;
    rs += weight * (AB * one - A * B) + spread * or * os;
    rb -= weight * (s + 1) * (Aq * one - A * q) - spread * or * ob;
    aa +=
      weight * ((r + k) * (pp * one - endA * endA) + (r + k) ** 2 * (pp * one - p * p)) + spread * oa * oa;
    as -= weight * (r + k) * (pB * one - p * B) - spread * oa * os;
    ab += weight * (r + k) * (s + 1) * (pq * one - p * q) + spread * oa * ob;
    ss += weight * (BB * one - B * B - 1 / s ** 2) + spread * os * os;
    sb += weight * (endB - q - (s + 1) * (Bq * one - B * q)) + spread * os * ob;
    bb +=
      weight * ((s + 1) * qq * one - s * endB * endB + (s + 1) ** 2 * (qq * one - q * q)) + spread * ob * ob;
  }
  for (const [k, count] of customersByX.entries()) {
    if (count === 0) continue;
    value += count * (gammaln(r + k) - gammaln(r));
    gr += count * (digamma(r + k) - digamma(r));
    rr += count * (trigamma(r + k) - trigamma(r));
  }
  return {
    value,
    gradient: [gr, ga, gs, gb],
    hessian: [[rr], [ra, aa], [rs, as, ss], [rb, ab, sb, bb]],
  };
}

/**
 * Fits Pareto/NBD by maximum likelihood. Equal rows can be split. Their order changes only the rounding.
 * @throws CannotFit when the statistics do not determine the four parameters.
 */
export function fitParetoNbd(statistics: PurchaseStatistics): Fit<ParetoNbdParameters> {
  const weeks = weeksPerPurchase(statistics);
  const start = { r: 1, alpha: weeks, s: 1, beta: weeks };
  return fitStatistics(statistics, paretoNbdLikelihood, start, LIMITS);
}
