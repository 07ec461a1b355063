import { hypergeometricMean } from "./special-functions.ts";

/**
 * The BG/NBD model of repeat purchases (Fader, Hardie & Lee 2005, "Counting Your Customers the Easy Way",
 * Marketing Science 24(2)): a customer's purchase rate comes from Gamma(r, alpha), alpha in weeks, and after each
 * repeat purchase the customer leaves for good with a probability from Beta(a, b). All four are positive.
 *
 * In MBG/NBD (Batislam, Denizel & Filiztekin 2007, "Empirical validation and comparison of models for customer base
 * analysis", International Journal of Research in Marketing 24(3)), a customer can also leave after the first purchase.
 * `firstDropOut` is the number of repeat purchases after which a customer can leave first: 1 in BG/NBD, 0 in MBG/NBD.
 *
 * Everywhere below: `x` repeat purchases, the last one `tX` weeks after the first purchase (0 if x = 0), observed
 * for `T` weeks after it. This file and those that it imports use plain JavaScript only: they run in BigQuery, too.
 */
export type BgNbdParameters = { r: number; alpha: number; a: number; b: number };

/** BG/NBD, the default, or MBG/NBD with its parameters. */
export type PurchaseModel = BgNbdParameters & { firstDropOut?: number };

/** Weeks in a mean Gregorian year of 365.2425 days. */
export const WEEKS_PER_YEAR = 365.2425 / 7;

/** ln of P(gone) / P(alive) given x, tX, T; minus infinity where nobody can have left. */
export function logOddsGone(
  { r, alpha, a, b, firstDropOut = 1 }: PurchaseModel,
  x: number,
  tX: number,
  T: number,
): number {
  if (x < firstDropOut) return Number.NEGATIVE_INFINITY;
  return Math.log(a / (b + x - firstDropOut)) + (r + x) * Math.log1p((T - tX) / (alpha + tX));
}

/** P(alive): still active at T, given x, tX, T (Fader & Hardie 2008, brucehardie.com/notes/021). 0 below 1e-308. */
export function probabilityAlive(parameters: PurchaseModel, x: number, tX: number, T: number): number {
  return 1 / (1 + Math.exp(logOddsGone(parameters, x, tX, T)));
}

/** E[X(t)]: mean repeat purchases of a new customer of BG/NBD in the first t weeks. Equation (9). */
export function expectedPurchases({ r, alpha, a, b }: BgNbdParameters, t: number): number {
  return hypergeometricMean(r, a, b, t / alpha);
}

/**
 * E[Y(t) | x, tX, T]: mean purchases in the t weeks after T. Equation (10): P(alive) times equation (9) with the
 * parameters of an active customer with this history.
 */
export function conditionalExpectedPurchases(
  parameters: PurchaseModel,
  x: number,
  tX: number,
  T: number,
  t: number,
): number {
  return probabilityAlive(parameters, x, tX, T) * expectedPurchasesIfActive(parameters, x, T, t);
}

/** The same for a customer who is still active: it does not depend on tX. */
export function expectedPurchasesIfActive(
  parameters: PurchaseModel,
  x: number,
  T: number,
  t: number,
): number {
  return expectedPurchases(afterHistory(parameters, x, T), t);
}

/**
 * Mean purchases in the `horizon` weeks after T, where a purchase s weeks after T counts exp(-delta s), with
 * delta = ln(1 + annualRate) / WEEKS_PER_YEAR. `annualRate` 0.1 is 10 % a year; it must be above -1.
 *
 * By parts, the integral of exp(-delta s) dE(s) is exp(-delta t) E(t) plus delta times the integral of
 * exp(-delta s) E(s) ds. The second term is small: eight nodes on a logarithmic scale give 1e-6 of the sum.
 */
export function discountedExpectedPurchases(
  parameters: PurchaseModel,
  x: number,
  tX: number,
  T: number,
  horizon: number,
  annualRate: number,
): number {
  const delta = Math.log1p(annualRate) / WEEKS_PER_YEAR;
  const active = afterHistory(parameters, x, T);
  const worth = (s: number): number => Math.exp(-delta * s) * expectedPurchases(active, s);
  const { r, alpha, a, b } = active;
  const scale = alpha / (1 + (r * a) / (a + b)); // weeks in which the purchase rate falls much
  const span = Math.log1p(horizon / scale);
  let total = worth(horizon);
  for (const [node, weight] of GAUSS_LEGENDRE) {
    const u = (span * (1 + node)) / 2;
    total += delta * ((weight * span) / 2) * scale * Math.exp(u) * worth(scale * Math.expm1(u));
  }
  return probabilityAlive(parameters, x, tX, T) * total;
}

/**
 * The parameters for an active customer with x purchases in T weeks: rate and leaving are again Gamma and Beta. From now
 * on the customer leaves after purchases only, so these are parameters of BG/NBD.
 */
function afterHistory(model: PurchaseModel, x: number, T: number): BgNbdParameters {
  const { r, alpha, a, b, firstDropOut = 1 } = model;
  return { r: r + x, alpha: alpha + T, a, b: b + x + 1 - firstDropOut };
}

/** Nodes and weights on [-1, 1] (Abramowitz & Stegun, table 25.4, n = 8). */
const GAUSS_LEGENDRE: readonly (readonly [number, number])[] = [
  [0.1834346424956498, 0.362683783378362],
  [0.525532409916329, 0.3137066458778873],
  [0.7966664774136267, 0.2223810344533745],
  [0.9602898564975363, 0.1012285362903763],
].flatMap(([node, weight]) => [
  [-node!, weight!],
  [node!, weight!],
]);
