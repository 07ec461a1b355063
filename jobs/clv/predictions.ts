import { conditionalExpectedPurchases } from "./bg-nbd.ts";
import { conditionalExpectedValue } from "./gamma-gamma.ts";
import type { CustomerOutcome } from "./metrics.ts";
import type { HoldoutCustomer, Model, Outcome } from "./model-tables.ts";

/** What the model expects of each customer in the `weeks` of the hold-out, and what then happened. */
export function predictHoldout(
  { bgNbd, gammaGamma }: Model,
  customers: readonly HoldoutCustomer[],
  weeks: number,
): CustomerOutcome[] {
  const expected = new Map<string, number>();
  return customers.map((customer) => {
    const { x, t_x, t, value_count, mean_value, past_spend } = customer;
    const key = `${x} ${t_x} ${t}`;
    const purchases = expected.get(key) ?? conditionalExpectedPurchases(bgNbd, x, t_x, t, weeks);
    expected.set(key, purchases);
    const value =
      gammaGamma === null
        ? past_spend / (x + 1)
        : conditionalExpectedValue(gammaGamma, value_count, mean_value ?? 0);
    return customerOutcome(customer, weeks, purchases, purchases * value);
  });
}

/** A row of the hold-out or the back-test as the evaluation takes it. */
export function customerOutcome(
  { x, t, rfm_score, past_spend, actual_purchases, actual_value }: Outcome,
  weeks: number,
  predictedPurchases: number,
  predictedValue: number,
): CustomerOutcome {
  return {
    predictedPurchases,
    predictedValue,
    rfmScore: rfm_score,
    pastSpend: past_spend,
    pastRatePurchases: t > 0 ? (x / t) * weeks : 0,
    actualPurchases: actual_purchases,
    actualRevenue: actual_value,
    x,
  };
}
