import type { Routine } from "../../contracts/warehouse.ts";
import { conditionalExpectedValue } from "./gamma-gamma.ts";
import { purchasesQuantile, valueQuantile } from "./intervals.ts";
import {
  conditionalExpectedPurchases,
  discountedExpectedPurchases,
  type PurchaseModel,
  probabilityAlive,
} from "./purchase-model.ts";

function routine(
  name: string,
  parameters: readonly string[],
  description: string,
  call: (...values: number[]) => number,
): Routine {
  return {
    name,
    parameters: parameters.map((parameter) => ({ name: parameter, type: "FLOAT64" })),
    returns: "FLOAT64",
    description,
    call,
  };
}

const MODEL = ["r", "alpha", "a", "b", "drop_out"];
const PURCHASE_HISTORY = [...MODEL, "x", "t_x", "t"];

/**
 * A routine takes numbers only: `dropOut` is 1 for BG/NBD, 0 for MBG/NBD, and -1 for Pareto/NBD, whose a is s and b is beta.
 * Calls with equal numbers get one object, because what customers have in common is kept with it.
 */
function modelOf(r: number, alpha: number, a: number, b: number, dropOut: number): PurchaseModel {
  const { given } = latest;
  if (r !== given.r || alpha !== given.alpha || a !== given.a || b !== given.b || dropOut !== given.dropOut)
    latest = {
      given: { r, alpha, a, b, dropOut },
      model: dropOut < 0 ? { r, alpha, s: a, beta: b } : { r, alpha, a, b, firstDropOut: dropOut },
    };
  return latest.model;
}
const NONE = Number.NaN;
let latest = {
  given: { r: NONE, alpha: NONE, a: NONE, b: NONE, dropOut: NONE },
  model: { r: NONE, alpha: NONE, s: NONE, beta: NONE } as PurchaseModel,
};

/** The functions of the model for SQL. x repeat purchases, the last one t_x weeks after the first, in t weeks. */
export const routines: readonly Routine[] = [
  routine(
    "p_alive",
    PURCHASE_HISTORY,
    "Probability that a customer with x repeat purchases, the last after t_x of t weeks, is still active.",
    (r, alpha, a, b, dropOut, x, tX, T) => probabilityAlive(modelOf(r, alpha, a, b, dropOut), x, tX, T),
  ),
  routine(
    "expected_purchases",
    [...PURCHASE_HISTORY, "horizon"],
    "Expected number of purchases in the next horizon weeks.",
    (r, alpha, a, b, dropOut, x, tX, T, horizon) =>
      conditionalExpectedPurchases(modelOf(r, alpha, a, b, dropOut), x, tX, T, horizon),
  ),
  routine(
    "discounted_purchases",
    [...PURCHASE_HISTORY, "horizon", "annual_rate"],
    "Expected number of purchases in the next horizon weeks, discounted by annual_rate a year.",
    (r, alpha, a, b, dropOut, x, tX, T, horizon, annualRate) =>
      discountedExpectedPurchases(modelOf(r, alpha, a, b, dropOut), x, tX, T, horizon, annualRate),
  ),
  routine(
    "purchases_quantile",
    [...MODEL, "p_active", "x", "t", "horizon", "probability"],
    "Smallest count that the purchases of the next horizon weeks do not exceed with this probability.",
    (r, alpha, a, b, dropOut, pActive, x, T, horizon, probability) =>
      purchasesQuantile(modelOf(r, alpha, a, b, dropOut), pActive, x, T, horizon, probability),
  ),
  routine(
    "value_quantile",
    [...MODEL, "p", "q", "p_active", "x", "t", "horizon", "value_count", "probability"],
    "Value that the purchases of the next horizon weeks do not exceed with this probability, as a multiple of gamma + value_count * mean_value.",
    (r, alpha, a, b, dropOut, p, q, pActive, x, T, horizon, valueCount, probability) =>
      valueQuantile(
        modelOf(r, alpha, a, b, dropOut),
        { p, q },
        pActive,
        x,
        T,
        horizon,
        valueCount,
        probability,
      ),
  ),
  routine(
    "expected_value",
    ["p", "q", "gamma", "x", "mean_value"],
    "Expected value of a purchase, after x repeat purchases of positive value with mean mean_value (Gamma-Gamma).",
    (p, q, gamma, x, meanValue) => conditionalExpectedValue({ p, q, gamma }, x, meanValue),
  ),
];
