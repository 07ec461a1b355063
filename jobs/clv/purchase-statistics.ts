import { type Statistics, totalOf } from "./fit-statistics.ts";
import { CannotFit } from "./maximum-likelihood.ts";

/** `customers` customers who made `x` repeat purchases, the last `tX` weeks after the first one, in `T` weeks. */
export type PurchaseStatistics = Statistics<"x" | "tX" | "T">;

/**
 * The mean time between purchases.
 * @throws CannotFit when the rows do not determine four parameters.
 */
export function weeksPerPurchase({ x, tX, T, customers }: PurchaseStatistics): number {
  const purchases = totalOf(customers, x);
  const weeks = totalOf(customers, T);
  if (x.length === 0) throw new CannotFit("There are no customers to fit the purchase model on.");
  if (weeks === 0)
    throw new CannotFit(
      "Every customer's first purchase is on the last day (all T = 0): wait for more history.",
    );
  if (purchases === 0)
    throw new CannotFit("No customer bought again: there is no repeat purchase to fit on.");
  const distinct = new Set<string>();
  for (let i = 0; i < x.length && distinct.size < 4; i++) distinct.add(`${x[i]} ${tX[i]} ${T[i]}`);
  if (distinct.size < 4)
    throw new CannotFit(`Four parameters cannot be fitted on ${distinct.size} distinct customer histories.`);
  return weeks / purchases;
}
