import digamma from "@stdlib/math-base-special-digamma";
import gammaln from "@stdlib/math-base-special-gammaln";
import { type BgNbdParameters, logOddsGone } from "./bg-nbd.ts";
import { CannotFit, type Fit, type Likelihood, maximiseLikelihood } from "./maximum-likelihood.ts";

/** `customers` customers who made `x` repeat purchases, the last `tX` weeks after the first one, in `T` weeks. */
export type BgNbdStatistics = { x: number; tX: number; T: number; customers: number };

/** The BG/NBD log-likelihood, equation (6) of Fader, Hardie & Lee (2005), and its derivatives by r, alpha, a, b. */
export function bgNbdLikelihood(
  parameters: BgNbdParameters,
  statistics: readonly BgNbdStatistics[],
): Likelihood<BgNbdParameters> {
  const { r, alpha, a, b } = parameters;
  let value = 0;
  const gradient = { r: 0, alpha: 0, a: 0, b: 0 };
  let byCount = countTerms(parameters, 0);
  for (const { x, tX, T, customers } of statistics) {
    if (byCount.x !== x) byCount = countTerms(parameters, x);
    const logOdds = logOddsGone(parameters, x, tX, T);
    const gone = 1 / (1 + Math.exp(-logOdds));
    const logRate = Math.log(alpha + T);
    // ln(1 + exp(logOdds)) without overflow
    const either = Math.max(logOdds, 0) + Math.log1p(Math.exp(-Math.abs(logOdds)));
    value += customers * (byCount.value - (r + x) * logRate + either);
    gradient.r += customers * (byCount.r - logRate + gone * Math.log1p((T - tX) / (alpha + tX)));
    gradient.alpha += customers * (r / alpha - (r + x) * ((1 - gone) / (alpha + T) + gone / (alpha + tX)));
    gradient.a += customers * (byCount.a + gone / a);
    gradient.b += customers * (byCount.b - (x === 0 ? 0 : gone / (b + x - 1)));
  }
  return { value, gradient };
}

/** The part of a customer's log-likelihood, and of its derivatives, that depends on x alone. */
function countTerms({ r, alpha, a, b }: BgNbdParameters, x: number) {
  const logBeta = (first: number, second: number) =>
    gammaln(first) + gammaln(second) - gammaln(first + second);
  const total = digamma(a + b) - digamma(a + b + x);
  return {
    x,
    value: gammaln(r + x) - gammaln(r) + r * Math.log(alpha) + logBeta(a, b + x) - logBeta(a, b),
    r: digamma(r + x) - digamma(r) + Math.log(alpha),
    a: total,
    b: total + digamma(b + x) - digamma(b),
  };
}

/**
 * Fits the BG/NBD model by maximum likelihood. The order of the rows does not matter, and equal ones can be split.
 * @throws CannotFit when the statistics do not determine the four parameters.
 */
export function fitBgNbd(statistics: readonly BgNbdStatistics[]): Fit<BgNbdParameters> {
  for (const row of statistics) {
    const { x, tX, T, customers } = row;
    if (!(Number.isInteger(x) && x >= 0 && tX >= 0 && tX <= T && T < Infinity && customers > 0)) {
      throw new CannotFit(
        `A customer's statistics need a whole x >= 0, 0 <= tX <= T (weeks) and customers > 0; got ${JSON.stringify(row)}.`,
      );
    }
  }
  // Sorted, so that rounding and the fit do not depend on the order of the rows.
  const rows = statistics.toSorted(
    (i, j) => i.x - j.x || i.tX - j.tX || i.T - j.T || i.customers - j.customers,
  );
  const distinct = rows.filter((row, i) => {
    const before = rows[i - 1];
    return !(before && before.x === row.x && before.tX === row.tX && before.T === row.T);
  }).length;
  const total = (figure: (row: BgNbdStatistics) => number): number =>
    rows.reduce((sum, row) => sum + row.customers * figure(row), 0);
  const [customers, purchases, weeks] = [total(() => 1), total(({ x }) => x), total(({ T }) => T)];
  if (customers === 0) throw new CannotFit("There are no customers to fit the purchase model on.");
  if (weeks === 0) {
    throw new CannotFit(
      "Every customer's first purchase is on the last day (all T = 0): wait for more history.",
    );
  }
  if (purchases === 0)
    throw new CannotFit("No customer bought again: there is no repeat purchase to fit on.");
  if (distinct < 4) {
    throw new CannotFit(`Four parameters cannot be fitted on ${distinct} distinct customer histories.`);
  }
  // A mean rate of purchases / weeks.
  const start = { r: 1, alpha: weeks / purchases, a: 1, b: 2 };
  return maximiseLikelihood((parameters) => bgNbdLikelihood(parameters, rows), start, customers);
}
