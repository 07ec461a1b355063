import assert from "node:assert/strict";
import fc from "fast-check";
import { conditionalExpectedValue } from "./gamma-gamma.ts";

const positive = fc.double({ min: 0.1, max: 50, noNaN: true });

describe("conditionalExpectedValue", () => {
  it("weighs the population's mean against the customer's", () => {
    fc.assert(
      fc.property(positive, positive, positive, fc.nat(5000), positive, (p, beyond, gamma, x, meanValue) => {
        const model = { p, q: 1 + beyond, gamma };
        const population = conditionalExpectedValue(model, 0, meanValue);
        const weight = (p * x) / (p * x + beyond);
        const expected = weight * meanValue + (1 - weight) * population;
        assert.ok(Math.abs(conditionalExpectedValue(model, x, meanValue) / expected - 1) < 1e-9);
      }),
    );
  });

  it("is the population's mean without a purchase, whatever meanValue says", () => {
    // Fader & Hardie (2013): the CDNOW sample's mean is 6.25 * 15.44 / 2.74 = $35.2
    const model = { p: 6.25, q: 3.74, gamma: 15.44 };
    for (const meanValue of [0, 99, Number.NaN]) {
      assert.equal(conditionalExpectedValue(model, 0, meanValue).toFixed(1), "35.2");
    }
  });

  it("is infinite where the model has no mean", () => {
    assert.equal(conditionalExpectedValue({ p: 6, q: 0.9, gamma: 15 }, 0, 0), Number.POSITIVE_INFINITY);
    assert.ok(Number.isFinite(conditionalExpectedValue({ p: 6, q: 0.9, gamma: 15 }, 1, 20)));
  });
});
