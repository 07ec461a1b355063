import assert from "node:assert/strict";
import fc from "fast-check";
import { logOddsGone, type ParetoNbdParameters } from "./pareto-nbd.ts";
import {
  conditionalExpectedPurchases,
  discountedExpectedPurchases,
  expectedPurchasesIfActive,
  probabilityAlive,
  WEEKS_PER_YEAR,
} from "./purchase-model.ts";

/** The CDNOW sample: Fader, Hardie & Lee (2005), "Counting Your Customers the Easy Way", table 2. */
const CDNOW: ParetoNbdParameters = { r: 0.553, alpha: 10.578, s: 0.606, beta: 11.669 };

/** r, alpha, s, beta, x, tX, T and ln of the odds of being gone: the integral in 30 digits by mpmath 1.3. */
const REFERENCE = [
  [0.553, 10.578, 0.606, 11.669, 2, 30.43, 38.86, -1.89361849805681],
  [0.553, 10.578, 0.606, 11.669, 0, 0, 38.86, 0.869844763011045],
  [0.170463391671, 44.3458403105, 1.72658000149, 0.238855470011, 0, 0, 92.426609985, 10.4827289437821],
  [
    0.468773881321, 0.385647632185, 0.334542864208, 201.053165793, 5, 0.0632431959487, 0.708629243098,
    -3.84241305600999,
  ],
  [
    0.0889668133088, 0.716703759617, 7.17640586624, 2.96101310034, 300, 0.536423976582, 3.87914389614,
    390.016485554504,
  ],
  [
    3.25723440429, 106.99832041, 0.260089554761, 24.607661556, 300, 3.7044217975, 6.61022957499,
    2.17203388438487,
  ],
  [1.68019083892, 13.4932467014, 0.455327429115, 7.80747741339, 0, 0, 754.784382483, 7.60581614927853],
  [
    1.21362337766, 63.4665895137, 0.463375200099, 39.2666213621, 5000, 164.360438283, 527.130748043,
    4755.19443599125,
  ],
] as const;

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const parameters = fc.record({
  r: between(0.05, 5),
  alpha: between(0.1, 200),
  s: between(0.05, 20),
  beta: between(0.1, 500),
});
/** x, tX, T with T from a day to thirty years. */
const history = fc
  .record({
    x: fc.integer({ min: 0, max: 5000 }),
    share: between(0, 1),
    T: between(1 / 7, 30 * WEEKS_PER_YEAR),
  })
  .map(({ x, share, T }) => ({ x, tX: x === 0 ? 0 : share * T, T }));

describe("Pareto/NBD", () => {
  it("has the odds of being gone of 30 digits", () => {
    for (const [r, alpha, s, beta, x, tX, T, expected] of REFERENCE) {
      const found = logOddsGone({ r, alpha, s, beta }, x, tX, T);
      assert.ok(Math.abs(found - expected) < 1e-9, `${found} is not ${expected}`);
    }
  });

  it("expects what the BTYD package expects of the CDNOW sample's customers", () => {
    // The documentation of pnbd.PAlive, and the vignette, of BTYD 2.4, with its estimates
    const btyd = { r: 0.5533971, alpha: 10.5801985, s: 0.6060625, beta: 11.6562237 };
    assert.equal(probabilityAlive(btyd, 0, 0, 39).toFixed(4), "0.2942");
    assert.equal(probabilityAlive(btyd, 26, 30.86, 31).toFixed(4), "0.9979");
    assert.equal(conditionalExpectedPurchases(btyd, 26, 30.86, 31, 52).toFixed(2), "25.46");
  });

  it("gives P(active) by the closed form where r + x is 1 and s is 1", () => {
    // The integral of (beta + T) (alpha + T) / ((alpha + tau) (beta + tau)^2), by partial fractions, with alpha 5 and beta 9.
    const [alpha, beta, T] = [5, 9, 30];
    const difference = beta - alpha;
    const integral =
      (Math.log((alpha + T) / alpha) - Math.log((beta + T) / beta)) / difference ** 2 +
      (1 / (beta + T) - 1 / beta) / difference;
    const odds = (alpha + T) * (beta + T) * integral;
    const found = probabilityAlive({ r: 1, alpha, s: 1, beta }, 0, 0, T);
    assert.ok(Math.abs(found - 1 / (1 + odds)) < 1e-12, `${found} is not ${1 / (1 + odds)}`);
  });

  it("is sure of a customer who has just bought, and at the first purchase", () => {
    assert.equal(probabilityAlive(CDNOW, 3, 20, 20), 1);
    assert.equal(probabilityAlive(CDNOW, 0, 0, 0), 1);
  });

  it("keeps P(active) a probability that falls with the time since the last purchase", () => {
    fc.assert(
      fc.property(parameters, history, between(0.1, 100), (model, { x, tX, T }, later) => {
        const now = probabilityAlive(model, x, tX, T);
        const then = probabilityAlive(model, x, tX, T + later);
        assert.ok(now >= 0 && now <= 1 && then <= now * (1 + 1e-9), `${now}, ${then}`);
        if (x < 20) assert.ok(now > 0);
      }),
      { numRuns: 500 },
    );
  });

  it("expects finite purchases, below those of one who never leaves, that rise with the time and fall with s", () => {
    fc.assert(
      fc.property(
        parameters,
        history,
        between(1 / 7, 500),
        between(0.1, 500),
        (model, { x, tX, T }, t, more) => {
          const sooner = conditionalExpectedPurchases(model, x, tX, T, t);
          const later = conditionalExpectedPurchases(model, x, tX, T, t + more);
          const bound = ((model.r + x) / (model.alpha + T)) * t;
          assert.ok(
            Number.isFinite(later) && sooner >= 0 && sooner <= bound * (1 + 1e-9),
            `${sooner} of ${bound}`,
          );
          assert.ok(later >= sooner * (1 - 1e-9), `${sooner} then ${later}`);
          const leavesMore = expectedPurchasesIfActive({ ...model, s: model.s + 1 }, x, T, t);
          assert.ok(leavesMore < expectedPurchasesIfActive(model, x, T, t));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("expects the integral of the rate times the part that has not left, also at s = 1", () => {
    for (const s of [0.606, 1, 1 + 1e-9, 3]) {
      const [x, T, t, steps] = [2, 38.86, 39, 20_000];
      let sum = 0;
      for (let i = 0; i < steps; i++)
        sum += ((CDNOW.beta + T) / (CDNOW.beta + T + (t * (i + 0.5)) / steps)) ** s * (t / steps);
      const expected = ((CDNOW.r + x) / (CDNOW.alpha + T)) * sum;
      const found = expectedPurchasesIfActive({ ...CDNOW, s }, x, T, t);
      assert.ok(Math.abs(found / expected - 1) < 1e-9, `s ${s}: ${found} is not ${expected}`);
    }
  });

  it("discounts a purchase by its time", () => {
    const at = (rate: number) => discountedExpectedPurchases(CDNOW, 2, 30.43, 38.86, 260, rate);
    assert.equal(at(0), conditionalExpectedPurchases(CDNOW, 2, 30.43, 38.86, 260));
    const delta = Math.log(1.15) / WEEKS_PER_YEAR;
    const [steps, width] = [20_000, 260 / 20_000];
    let sum = 0;
    for (let i = 0; i < steps; i++) {
      const week = (i + 0.5) * width;
      sum +=
        Math.exp(-delta * week) * ((CDNOW.beta + 38.86) / (CDNOW.beta + 38.86 + week)) ** CDNOW.s * width;
    }
    const expected = ((CDNOW.r + 2) / (CDNOW.alpha + 38.86)) * sum * probabilityAlive(CDNOW, 2, 30.43, 38.86);
    assert.ok(Math.abs(at(0.15) / expected - 1) < 1e-6, `${at(0.15)} is not ${expected}`);
  });
});
