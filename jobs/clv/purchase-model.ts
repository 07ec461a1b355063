import * as bgNbd from "./bg-nbd.ts";
import { gaussLegendre } from "./gauss-legendre.ts";
import * as paretoNbd from "./pareto-nbd.ts";

/**
 * A model of purchases with its parameters; only Pareto/NBD has an s. In all of them, what an active customer will do does not
 * depend on tX. x, tX and T are as in bg-nbd.ts.
 */
export type PurchaseModel = bgNbd.BgNbdModel | paretoNbd.ParetoNbdParameters;

/** Of an active customer of MBG/NBD it is a model of BG/NBD. */
export type ActiveModel = bgNbd.BgNbdParameters | paretoNbd.ParetoNbdParameters;

/** Weeks in a mean Gregorian year of 365.2425 days. */
export const WEEKS_PER_YEAR = 365.2425 / 7;

/** P(active): still active at T, given x, tX, T. 0 below 1e-308. */
export function probabilityAlive(model: PurchaseModel, x: number, tX: number, T: number): number {
  const logOdds = "s" in model ? paretoNbd.logOddsGone(model, x, tX, T) : bgNbd.logOddsGone(model, x, tX, T);
  return 1 / (1 + Math.exp(logOdds));
}

/** The model of a customer who is active at T and made x repeat purchases: what it says of a new one is true of this one. */
export function afterHistory(model: PurchaseModel, x: number, T: number): ActiveModel {
  return "s" in model ? paretoNbd.afterHistory(model, x, T) : bgNbd.afterHistory(model, x, T);
}

const expectedPurchases = (model: ActiveModel, t: number): number =>
  "s" in model ? paretoNbd.expectedPurchases(model, t) : bgNbd.expectedPurchases(model, t);

/** Mean purchases in the t weeks after T of a customer who is active at T. */
export function expectedPurchasesIfActive(model: PurchaseModel, x: number, T: number, t: number): number {
  return expectedPurchases(afterHistory(model, x, T), t);
}

/** E[Y(t) | x, tX, T]: mean purchases in the t weeks after T. */
export function conditionalExpectedPurchases(
  model: PurchaseModel,
  x: number,
  tX: number,
  T: number,
  t: number,
): number {
  return probabilityAlive(model, x, tX, T) * expectedPurchasesIfActive(model, x, T, t);
}

/**
 * Mean purchases in the `horizon` weeks after T, where a purchase s weeks after T counts exp(-delta s), with
 * delta = ln(1 + annualRate) / WEEKS_PER_YEAR. `annualRate` 0.1 is 10 % a year; it must be above -1.
 *
 * By parts, the integral of exp(-delta s) dE(s) is exp(-delta t) E(t) plus delta times the integral of
 * exp(-delta s) E(s) ds. The second term is small: eight nodes on a logarithmic scale give 1e-6 of the sum.
 */
export function discountedExpectedPurchases(
  model: PurchaseModel,
  x: number,
  tX: number,
  T: number,
  horizon: number,
  annualRate: number,
): number {
  const delta = Math.log1p(annualRate) / WEEKS_PER_YEAR;
  const active = afterHistory(model, x, T);
  const worth = (s: number): number => Math.exp(-delta * s) * expectedPurchases(active, s);
  const scale = "s" in active ? active.beta / (1 + active.s) : bgNbd.fallingTime(active);
  const span = Math.log1p(horizon / scale);
  let total = worth(horizon);
  for (const [i, node] of RULE.nodes.entries()) {
    const u = span * node;
    total += delta * RULE.weights[i]! * span * scale * Math.exp(u) * worth(scale * Math.expm1(u));
  }
  return probabilityAlive(model, x, tX, T) * total;
}

const RULE = gaussLegendre(8);
