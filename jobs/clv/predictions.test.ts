import assert from "node:assert/strict";
import { columnsOf, rowsOf } from "../../test/columns.ts";
import { conditionalExpectedValue } from "./gamma-gamma.ts";
import { HOLDOUT } from "./model-tables.ts";
import { predictHoldout } from "./predictions.ts";
import { conditionalExpectedPurchases } from "./purchase-model.ts";

const BG_NBD = { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 };
const GAMMA_GAMMA = { p: 6.25, q: 3.74, gamma: 15.44 };
const OUTCOME = { rfm_score: 7.5, actual_purchases: 3, actual_value: 12 };
const REPEAT = { ...OUTCOME, x: 2, t_x: 30.43, t: 38.86, value_count: 1, mean_value: 20, past_spend: 75 };
const ONCE = { ...OUTCOME, x: 0, t_x: 0, t: 0, value_count: 0, mean_value: null, past_spend: 9 };

describe("predictHoldout", () => {
  const customers = [REPEAT, ONCE, { ...REPEAT, t: 40 }, { ...REPEAT, t_x: 20 }, { ...REPEAT, x: 1 }];

  const predict = (gammaGamma: typeof GAMMA_GAMMA | null) =>
    rowsOf(predictHoldout({ purchases: BG_NBD, gammaGamma }, columnsOf(HOLDOUT, customers), 39));

  it("expects purchases by BG/NBD, and their value by Gamma-Gamma", () => {
    const predicted = predict(GAMMA_GAMMA);
    predicted.forEach(({ purchases, value }, i) => {
      const { x, t_x, t, value_count, mean_value } = customers[i]!;
      assert.equal(purchases, conditionalExpectedPurchases(BG_NBD, x, t_x, t, 39));
      const ofOne = conditionalExpectedValue(GAMMA_GAMMA, value_count, mean_value ?? 0);
      assert.equal(value, purchases * ofOne);
    });
    assert.equal(predicted[0]?.purchases.toFixed(3), "1.226");
  });

  it("takes the mean of the customer's own purchases without Gamma-Gamma", () => {
    const [repeat, once] = predict(null);
    assert.equal(repeat!.value, repeat!.purchases * 25);
    assert.equal(once!.value, once!.purchases * 9);
  });
});
