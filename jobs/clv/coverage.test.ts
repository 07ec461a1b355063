import assert from "node:assert/strict";
import { type SampleCustomer, simulateCustomers } from "../../test/cdnow.ts";
import { columnsOf } from "../../test/columns.ts";
import { coverageWarnings, givenIntervalCoverage, intervalCoverage } from "./coverage.ts";
import { HOLDOUT, type Model, PREDICTED } from "./model-tables.ts";
import { seededRandom } from "./random.ts";

const PURCHASES = { r: 0.6, alpha: 6, a: 0.8, b: 2.5 };
const VALUE = { p: 4, q: 3.5, gamma: 20 };
const WEEKS = 20;

const holdoutOf = (customers: readonly SampleCustomer[]) =>
  columnsOf(
    HOLDOUT,
    customers.map((customer) => ({
      x: customer.x,
      t_x: customer.tX,
      t: customer.T,
      value_count: customer.paidRepeats,
      mean_value: customer.paidRepeats === 0 ? null : customer.meanValue,
      rfm_score: 0,
      past_spend: customer.pastSpend,
      actual_purchases: customer.actualPurchases,
      actual_value: customer.actualRevenue,
    })),
  );

describe("intervalCoverage", () => {
  const customers = simulateCustomers(PURCHASES, VALUE, 30_000, 40, WEEKS, seededRandom(1));
  const coverage = (model: Model, given = customers) =>
    Object.fromEntries(
      intervalCoverage(model, holdoutOf(given), WEEKS).map(({ metric, value }) => [metric, value]),
    );
  const right = coverage({ purchases: PURCHASES, gammaGamma: VALUE });

  it("is what the model expects, where customers do as the model says", () => {
    for (const kind of ["purchases", "value"]) {
      const held = right[`${kind}_interval_coverage`]!;
      const expected = right[`${kind}_interval_coverage_expected`]!;
      assert.ok(expected > 0.8 && expected < 0.98, `${kind}: ${expected}`);
      // Three standard errors of 15,000 customers
      assert.ok(Math.abs(held - expected) < 0.008, `${kind}: ${held}, expected ${expected}`);
    }
  });

  it("counts who is below an interval, where customers buy so often that it begins above 0", () => {
    const often = { r: 40, alpha: 40, a: 0.2, b: 40 };
    const given = simulateCustomers(often, VALUE, 10_000, 40, WEEKS, seededRandom(2));
    const found = coverage({ purchases: often, gammaGamma: VALUE }, given);
    for (const kind of ["purchases", "value"]) {
      const held = found[`${kind}_interval_coverage`]!;
      const expected = found[`${kind}_interval_coverage_expected`]!;
      assert.ok(expected > 0.78 && expected < 0.86, `${kind}: ${expected}`);
      // Three standard errors of 10,000 customers
      assert.ok(Math.abs(held - expected) < 0.012, `${kind}: ${held}, expected ${expected}`);
    }
  });

  it("shows a model that is wrong", () => {
    const wrong = coverage({
      purchases: { ...PURCHASES, alpha: PURCHASES.alpha * 4 },
      gammaGamma: { ...VALUE, q: 35 },
    });
    assert.ok(wrong.purchases_interval_coverage! < wrong.purchases_interval_coverage_expected! - 0.02);
    assert.ok(wrong.value_interval_coverage! < wrong.value_interval_coverage_expected! - 0.1);
  });

  it("is of purchases only without Gamma-Gamma, and of nothing without customers", () => {
    const names = Object.keys(coverage({ purchases: PURCHASES, gammaGamma: null }));
    assert.deepEqual(names, ["purchases_interval_coverage", "purchases_interval_coverage_expected"]);
    assert.deepEqual(intervalCoverage({ purchases: PURCHASES, gammaGamma: VALUE }, holdoutOf([]), WEEKS), []);
  });
});

describe("givenIntervalCoverage", () => {
  const coverage = (...customers: (readonly [low: number | null, high: number | null, actual: number])[]) =>
    givenIntervalCoverage(
      columnsOf(
        PREDICTED,
        customers.map(([low, high, actual_value]) => ({ ...NOTHING, low, high, actual_value })),
      ),
    ).map(({ metric, value }) => [metric, value.toFixed(3)]);
  const NOTHING = Object.fromEntries(PREDICTED.map((name) => [name, 0])) as Record<
    (typeof PREDICTED)[number],
    number
  >;

  it("is the share of customers within their intervals, of those who have one", () => {
    const within = [
      [2, 5, 2],
      [2, 5, 5],
      [0, 0, 0],
    ] as const;
    const outside = [[2, 5, 1.9]] as const;
    assert.deepEqual(coverage(...within, ...outside, [null, null, 3]), [
      ["value_interval_coverage", "0.750"],
      // 80 %, and 90 % of the customer whose low end is 0
      ["value_interval_coverage_expected", "0.825"],
    ]);
  });

  it("is of nothing where no customer has an interval", () => {
    assert.deepEqual(coverage([null, null, 3]), []);
    assert.deepEqual(coverage(), []);
  });
});

describe("coverageWarnings", () => {
  const warnings = (held: number, expected: number) =>
    coverageWarnings("m", [
      { predictor: "model", metric: "value_interval_coverage", bucket: null, value: held },
      { predictor: "model", metric: "value_interval_coverage_expected", bucket: null, value: expected },
    ]);

  it("have the figures of intervals that are far off", () => {
    assert.deepEqual(warnings(0.7, 0.9), [
      "The 80 % intervals of value of m are too narrow: they held 70.0 % of the hold-out's customers, and the model expects 90.0 %.",
    ]);
    assert.match(warnings(0.99, 0.85)[0]!, /too wide/);
    assert.deepEqual(warnings(0.81, 0.9), []);
    assert.deepEqual(coverageWarnings("m", []), []);
  });
});
