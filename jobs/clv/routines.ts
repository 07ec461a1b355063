import type { Routine } from "../../contracts/warehouse.ts";
import { conditionalExpectedPurchases, discountedExpectedPurchases, probabilityAlive } from "./bg-nbd.ts";
import { conditionalExpectedValue } from "./gamma-gamma.ts";

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

const PURCHASE_HISTORY = ["r", "alpha", "a", "b", "first_drop_out", "x", "t_x", "t"];

/**
 * The functions of the model for SQL. x repeat purchases, the last one t_x weeks after the first, in t weeks;
 * first_drop_out is 1 for BG/NBD and 0 for MBG/NBD.
 */
export const routines: readonly Routine[] = [
  routine(
    "p_alive",
    PURCHASE_HISTORY,
    "Probability that a customer with x repeat purchases, the last after t_x of t weeks, is still active.",
    (r, alpha, a, b, firstDropOut, x, tX, T) => probabilityAlive({ r, alpha, a, b, firstDropOut }, x, tX, T),
  ),
  routine(
    "expected_purchases",
    [...PURCHASE_HISTORY, "horizon"],
    "Expected number of purchases in the next horizon weeks.",
    (r, alpha, a, b, firstDropOut, x, tX, T, horizon) =>
      conditionalExpectedPurchases({ r, alpha, a, b, firstDropOut }, x, tX, T, horizon),
  ),
  routine(
    "discounted_purchases",
    [...PURCHASE_HISTORY, "horizon", "annual_rate"],
    "Expected number of purchases in the next horizon weeks, discounted by annual_rate a year.",
    (r, alpha, a, b, firstDropOut, x, tX, T, horizon, annualRate) =>
      discountedExpectedPurchases({ r, alpha, a, b, firstDropOut }, x, tX, T, horizon, annualRate),
  ),
  routine(
    "expected_value",
    ["p", "q", "gamma", "x", "mean_value"],
    "Expected value of a purchase, after x repeat purchases of positive value with mean mean_value (Gamma-Gamma).",
    (p, q, gamma, x, meanValue) => conditionalExpectedValue({ p, q, gamma }, x, meanValue),
  ),
];
