import { gaussLegendre } from "./gauss-legendre.ts";

/**
 * The Pareto/NBD model of repeat purchases (Schmittlein, Morrison & Colombo 1987, "Counting Your Customers: Who Are They and
 * What Will They Do Next?", Management Science 33(1)): a customer's purchase rate comes from Gamma(r, alpha), and the rate of
 * leaving for good, at any time, from Gamma(s, beta); alpha and beta in weeks. All four are positive.
 *
 * x, tX and T are as in bg-nbd.ts, and this file uses plain JavaScript only, as that one.
 */
export type ParetoNbdParameters = { r: number; alpha: number; s: number; beta: number };

/** How the time in which a customer can have left is integrated: tau = tX + scale (exp(u) - 1), u in [0, span]. */
export type LeavingTimes = { readonly scale: number; readonly span: number };

/** Nodes that give ln P to 1e-9 for up to 5,000 purchases and thirty years: the tests compare with 30 digits. */
export const LEAVING_RULE = gaussLegendre(20);

/**
 * The substitution after which the density of the time of leaving, given x purchases until tX, is smooth. The scale keeps its
 * singularities at tau = -alpha and -beta at least pi from the real axis; the span ends where nothing counts any more.
 */
export function leavingTimes(
  { r, alpha, s, beta }: ParetoNbdParameters,
  x: number,
  tX: number,
  T: number,
): LeavingTimes {
  const scale = 1 / ((r + x + 1) / (alpha + tX) + (s + 1) / (beta + tX));
  let width = T - tX;
  const fall = (time: number): number =>
    (r + x) * Math.log1p(time / (alpha + tX)) +
    (s + 1) * Math.log1p(time / (beta + tX)) -
    Math.log1p(time / scale);
  while (fall(width / 2) > 40) width /= 2;
  return { scale, span: Math.log1p(width / scale) };
}

/**
 * ln of P(gone) / P(active) given x, tX, T: the logarithm of the integral over the time of leaving, tX to T, in the
 * likelihood (Fader & Hardie 2005, "A Note on Deriving the Pareto/NBD Model and Related Expressions",
 * brucehardie.com/notes/009). An integral of positive terms loses no digits, as the difference of the closed form does.
 */
export function logOddsGone(parameters: ParetoNbdParameters, x: number, tX: number, T: number): number {
  const { r, alpha, s, beta } = parameters;
  const { scale, span } = leavingTimes(parameters, x, tX, T);
  const { nodes, weights } = LEAVING_RULE;
  let sum = 0;
  for (let i = 0; i < nodes.length; i++) {
    const u = span * nodes[i]!;
    const time = scale * Math.expm1(u);
    sum +=
      weights[i]! *
      Math.exp(u - (r + x) * Math.log1p(time / (alpha + tX)) - (s + 1) * Math.log1p(time / (beta + tX)));
  }
  const atStart = (r + x) * Math.log((alpha + T) / (alpha + tX)) + s * Math.log((beta + T) / (beta + tX));
  return atStart + Math.log(((s * scale * span) / (beta + tX)) * sum);
}

/**
 * The parameters for an active customer with x repeat purchases in T weeks: both rates are again from gamma distributions, which
 * do not depend on each other.
 */
export function afterHistory(model: ParetoNbdParameters, x: number, T: number): ParetoNbdParameters {
  const { r, alpha, s, beta } = model;
  return { r: r + x, alpha: alpha + T, s, beta: beta + T };
}

/** Mean repeat purchases of a new customer in the first t weeks. Equation (41) of Fader & Hardie (2005), without P(active). */
export function expectedPurchases({ r, alpha, s, beta }: ParetoNbdParameters, t: number): number {
  const log = Math.log1p(t / beta);
  const power = s - 1;
  // The integral of (1 + u / beta) ** -s, also at s = 1.
  const weeks = beta * (power === 0 ? log : -Math.expm1(-power * log) / power);
  return (r / alpha) * weeks;
}
