import { conditionalExpectedValue } from "./gamma-gamma.ts";
import type { Predictions } from "./metrics.ts";
import type { Holdout, Model } from "./model-tables.ts";
import { expectedPurchasesIfActive, probabilityAlive } from "./purchase-model.ts";

/** What the model expects of each customer in the `weeks` of the hold-out. */
export function predictHoldout(
  { purchases, gammaGamma }: Model,
  customers: Holdout,
  weeks: number,
): Predictions {
  const { x, t_x, t, value_count, mean_value, past_spend } = customers;
  // Most of the work depends on x and t alone, which many customers have in common.
  const ifActive = new Map<number, Map<number, number>>();
  const expectedPurchases = x.map((repeats, i) => {
    const byAge = ifActive.get(repeats) ?? new Map<number, number>();
    const expected = byAge.get(t[i]!) ?? expectedPurchasesIfActive(purchases, repeats, t[i]!, weeks);
    ifActive.set(repeats, byAge.set(t[i]!, expected));
    return probabilityAlive(purchases, repeats, t_x[i]!, t[i]!) * expected;
  });
  const value = expectedPurchases.map((expected, i) => {
    if (gammaGamma === null) return (expected * past_spend[i]!) / (x[i]! + 1);
    return expected * conditionalExpectedValue(gammaGamma, value_count[i]!, mean_value[i]!);
  });
  return { purchases: expectedPurchases, value };
}
