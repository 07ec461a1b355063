import assert from "node:assert/strict";
import fc from "fast-check";
import { type BgNbdParameters, expectedPurchases } from "./bg-nbd.ts";
import {
  conditionalExpectedPurchases,
  discountedExpectedPurchases,
  probabilityAlive,
  WEEKS_PER_YEAR,
} from "./purchase-model.ts";

/** Fader, Hardie & Lee (2005), table 2: the CDNOW sample. */
const CDNOW: BgNbdParameters = { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 };

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const parameters = fc.record({
  r: between(0.05, 5),
  alpha: between(0.1, 200),
  a: between(0.05, 5),
  b: between(0.05, 20),
});

/** x, tX, T with T from a day to thirty years. */
const history = fc
  .record({
    x: fc.integer({ min: 0, max: 5000 }),
    share: between(0, 1),
    T: between(1 / 7, 30 * WEEKS_PER_YEAR),
  })
  .map(({ x, share, T }) => ({ x, tX: x === 0 ? 0 : share * T, T }));

/** P(X(t) = n): a new customer makes n repeat purchases in the first t weeks. Equation (8) of the paper. */
function probabilityOfPurchases({ r, alpha, a, b }: BgNbdParameters, n: number, t: number): number {
  const z = t / (alpha + t);
  let logCount = -r * Math.log1p(t / alpha); // ln P(N = k), N the purchases of one who never leaves
  let beyond = 1; // P(N > k)
  let staying = 1; // P(not gone after k purchases)
  let leaving = 0; // P(gone after the k-th purchase and not before)
  for (let k = 0; k < n; k++) {
    beyond -= Math.exp(logCount);
    logCount += Math.log((z * (r + k)) / (k + 1));
    leaving = (staying * a) / (a + b + k);
    staying *= (b + k) / (a + b + k);
  }
  return staying * Math.exp(logCount) + leaving * Math.max(beyond, 0);
}

function assertClose(actual: number, expected: number, relative: number): void {
  assert.ok(Math.abs(actual - expected) <= relative * Math.abs(expected), `${actual} is not ${expected}`);
}

describe("BG/NBD", () => {
  it("expects the paper's purchases of a customer with x = 2, t_x = 30.43, T = 38.86", () => {
    // Fader, Hardie & Lee (2005), p. 281, and their spreadsheet (brucehardie.com/notes/004)
    assert.equal(conditionalExpectedPurchases(CDNOW, 2, 30.43, 38.86, 39).toFixed(3), "1.226");
  });

  it("has years of 365.2425 days", () => assert.equal(WEEKS_PER_YEAR.toFixed(4), "52.1775"));

  it("gives P(alive) by its closed form", () => {
    const { r, alpha, a, b } = CDNOW;
    const odds = (a / (b + 1)) * ((alpha + 38.86) / (alpha + 30.43)) ** (r + 2);
    assertClose(probabilityAlive(CDNOW, 2, 30.43, 38.86), 1 / (1 + odds), 1e-12);
    assert.equal(probabilityAlive(CDNOW, 0, 0, 38.86), 1);
  });

  it("is MBG/NBD when a customer can leave after the first purchase", () => {
    // ModifiedBetaGeoFitter of lifetimes 0.11.3: the same closed forms with b + 1
    const { r, alpha, a, b } = { r: 0.525, alpha: 6.183, a: 0.891, b: 1.614 };
    const model = { r, alpha, a, b, firstDropOut: 0 };
    for (const [x, tX] of [
      [0, 0],
      [2, 30.43],
    ] as const) {
      const odds = (a / (b + x)) * ((alpha + 38.86) / (alpha + tX)) ** (r + x);
      assertClose(probabilityAlive(model, x, tX, 38.86), 1 / (1 + odds), 1e-12);
      const active = { r: r + x, alpha: alpha + 38.86, a, b: b + x + 1 };
      const expected = expectedPurchases(active, 39) / (1 + odds);
      assertClose(conditionalExpectedPurchases(model, x, tX, 38.86, 39), expected, 1e-12);
    }
    assert.ok(probabilityAlive(model, 0, 0, 38.86) < 0.6);
  });

  it("keeps P(alive) a probability that falls with the time since the last purchase", () => {
    fc.assert(
      fc.property(parameters, history, between(0.1, 100), (model, { x, tX, T }, later) => {
        const now = probabilityAlive(model, x, tX, T);
        const then = probabilityAlive(model, x, tX, T + later);
        assert.ok(now >= 0 && now <= 1 && then <= now, `${now}, ${then}`);
        // It is above 0 where its logarithm can be represented
        if (x < 20) assert.ok(now > 0);
      }),
    );
  });

  it("expects the mean of the probabilities of all counts, which sum to 1", () => {
    const short = fc.record({
      r: between(0.1, 4),
      alpha: between(3, 50),
      a: between(0.1, 5),
      b: between(0.1, 9),
    });
    fc.assert(
      fc.property(short, between(0, 20), (model, t) => {
        const probabilities = Array.from({ length: 300 }, (_, n) => probabilityOfPurchases(model, n, t));
        assertClose(
          probabilities.reduce((sum, p) => sum + p, 0),
          1,
          1e-10,
        );
        const mean = probabilities.reduce((sum, p, n) => sum + n * p, 0);
        assert.ok(Math.abs(mean - expectedPurchases(model, t)) < 1e-8 * (1 + mean));
      }),
      { numRuns: 20 },
    );
  });

  it("is tested with the probabilities of equation (8)", () => {
    const { r, alpha, a, b } = CDNOW;
    const z = 39 / (alpha + 39);
    const none = (1 - z) ** r;
    const staying = (b * none * r * z) / (a + b);
    assertClose(probabilityOfPurchases(CDNOW, 0, 39), none, 1e-12);
    assertClose(probabilityOfPurchases(CDNOW, 1, 39), staying + (a / (a + b)) * (1 - none), 1e-12);
  });

  it("stays finite, below the expectation of one who never leaves, and rises with time", () => {
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
        },
      ),
      { numRuns: 500 },
    );
  });

  it("is continuous at a = 1 and a + b = 1, where the textbook form divides by zero", () => {
    for (const [a, b] of [
      [1, 2],
      [0.4, 0.6],
    ] as const) {
      const at = (shift: number) =>
        conditionalExpectedPurchases({ r: 0.3, alpha: 5, a: a + shift, b }, 0, 0, 9, 39);
      assertClose(at(0), (at(1e-6) + at(-1e-6)) / 2, 1e-9);
    }
  });

  it("discounts like a sum over short times", () => {
    type History = [x: number, tX: number, T: number];
    /** The sum over intervals, short ones first, as the rate of purchases falls. */
    const sum = (intervals: number, [x, tX, T]: History, horizon: number, rate: number) => {
      const delta = Math.log1p(rate) / WEEKS_PER_YEAR;
      let total = 0;
      let before = 0;
      for (let k = 1, start = 0; k <= intervals; k++) {
        const end = horizon * (k / intervals) ** 3;
        const count = conditionalExpectedPurchases(CDNOW, x, tX, T, end);
        total += (count - before) * Math.exp((-delta * (start + end)) / 2);
        before = count;
        start = end;
      }
      return total;
    };
    const cases: { history: History; horizon: number; rate: number }[] = [
      { history: [0, 0, 38.86], horizon: 4, rate: 0.1 },
      { history: [2, 30.43, 38.86], horizon: 52, rate: 0.15 },
      { history: [29, 37, 38], horizon: 260, rate: 0.1 },
      { history: [3, 0.1, 0.2], horizon: 260, rate: 0.5 },
      { history: [200, 500, 520], horizon: 260, rate: 0.5 },
    ];
    for (const { history, horizon, rate } of cases) {
      // The error falls with the square of the intervals (Richardson).
      const expected = (4 * sum(400, history, horizon, rate) - sum(200, history, horizon, rate)) / 3;
      assertClose(discountedExpectedPurchases(CDNOW, ...history, horizon, rate), expected, 1e-6);
    }
  });

  it("does not discount at a rate of 0, and discounts more at a higher rate", () => {
    const at = (rate: number) => discountedExpectedPurchases(CDNOW, 2, 30.43, 38.86, 39, rate);
    assert.equal(at(0), conditionalExpectedPurchases(CDNOW, 2, 30.43, 38.86, 39));
    assert.ok(at(0) > at(0.1) && at(0.1) > at(0.2) && at(-0.1) > at(0));
    fc.assert(
      fc.property(
        parameters,
        history,
        between(0.1, 500),
        between(0, 1),
        (model, { x, tX, T }, horizon, rate) => {
          const discounted = discountedExpectedPurchases(model, x, tX, T, horizon, rate);
          const whole = conditionalExpectedPurchases(model, x, tX, T, horizon);
          const least = whole * (1 + rate) ** (-horizon / WEEKS_PER_YEAR);
          assert.ok(discounted <= whole * (1 + 1e-6) && discounted >= least * (1 - 1e-6));
        },
      ),
    );
  });
});
