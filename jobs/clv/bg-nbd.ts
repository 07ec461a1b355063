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
export type BgNbdModel = BgNbdParameters & { firstDropOut?: number };

/**
 * ln of P(gone) / P(active) given x, tX, T (Fader & Hardie 2008, brucehardie.com/notes/021); minus infinity where nobody can
 * have left.
 */
export function logOddsGone(
  { r, alpha, a, b, firstDropOut = 1 }: BgNbdModel,
  x: number,
  tX: number,
  T: number,
): number {
  if (x < firstDropOut) return Number.NEGATIVE_INFINITY;
  return Math.log(a / (b + x - firstDropOut)) + (r + x) * Math.log1p((T - tX) / (alpha + tX));
}

/** E[X(t)]: mean repeat purchases of a new customer of BG/NBD in the first t weeks. Equation (9). */
export function expectedPurchases({ r, alpha, a, b }: BgNbdParameters, t: number): number {
  return hypergeometricMean(r, a, b, t / alpha);
}

/** Weeks in which the purchase rate of a new customer of BG/NBD falls much. */
export function fallingTime({ r, alpha, a, b }: BgNbdParameters): number {
  return alpha / (1 + (r * a) / (a + b));
}

/**
 * The parameters for an active customer with x purchases in T weeks: rate and leaving are again Gamma and Beta. From now
 * on the customer leaves after purchases only, so these are parameters of BG/NBD: equation (9) of them is equation (10)
 * without P(active).
 */
export function afterHistory(model: BgNbdModel, x: number, T: number): BgNbdParameters {
  const { r, alpha, a, b, firstDropOut = 1 } = model;
  return { r: r + x, alpha: alpha + T, a, b: b + x + 1 - firstDropOut };
}
