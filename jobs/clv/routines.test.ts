import assert from "node:assert/strict";
import { routines } from "./routines.ts";

describe("routines", () => {
  /** The CDNOW sample's estimates (Fader, Hardie & Lee 2005; Fader & Hardie 2013) and one customer's history. */
  const values: Record<string, number> = {
    r: 0.243,
    alpha: 4.414,
    a: 0.793,
    b: 2.426,
    drop_out: 1,
    x: 2,
    t_x: 30.43,
    t: 38.86,
    horizon: 39,
    annual_rate: 0.15,
    p: 6.25,
    q: 3.74,
    gamma: 15.44,
    mean_value: 20,
    p_active: 0.727,
    value_count: 2,
    probability: 0.9,
  };

  it("take their parameters in the order that they name", () => {
    const results = routines.map(({ name, parameters, call }) => [
      name,
      call(...parameters.map((parameter) => values[parameter.name]!)).toFixed(3),
    ]);
    assert.deepEqual(Object.fromEntries(results), {
      p_alive: "0.727",
      expected_purchases: "1.226",
      discounted_purchases: "1.168",
      // 6.25 (15.44 + 2 * 20) / (2 * 6.25 + 3.74 - 1)
      expected_value: "22.736",
      // 85.01 / (15.44 + 2 * 22.35): intervals.test.ts compares with simulated customers
      purchases_quantile: "3.000",
      value_quantile: "1.414",
    });
  });

  it("take each model as it is given, also after another one", () => {
    const { call } = routines.find(({ name }) => name === "value_quantile")!;
    const customer = [6.25, 3.74, 0.727, 2, 38.86, 39, 2, 0.9] as const;
    const models = [
      [0.243, 4.414, 0.793, 2.426, 1],
      [0.243, 4.414, 0.793, 2.426, 0],
      [0.553, 10.578, 0.606, 11.669, -1],
      [0.243, 4.414, 0.793, 2.426, 1],
    ] as const;
    const [one, two, three, again] = models.map((model) => call(...model, ...customer));
    assert.equal(one, again);
    assert.equal(new Set([one, two, three]).size, 3);
  });

  it("take a model that differs from the one before in one parameter only", () => {
    const { call } = routines.find(({ name }) => name === "expected_purchases")!;
    const model = [0.243, 4.414, 0.793, 2.426, 1];
    const customer = [2, 30.43, 38.86, 39] as const;
    const first = call(...model, ...customer);
    for (const [i, value] of model.entries()) {
      assert.notEqual(call(...model.with(i, value / 2), ...customer), first, `parameter ${i}`);
      assert.equal(call(...model, ...customer), first, `parameter ${i}`);
    }
  });

  it("have distinct names fit for SQL, and say what they are", () => {
    assert.equal(new Set(routines.map(({ name }) => name)).size, routines.length);
    for (const { name, parameters, returns, description } of routines) {
      assert.deepEqual(new Set([returns, ...parameters.map(({ type }) => type)]), new Set(["FLOAT64"]));
      assert.ok(
        [name, ...parameters.map((parameter) => parameter.name)].every((word) => /^[a-z][a-z_]*$/.test(word)),
      );
      assert.match(description, /^[A-Z].*\.$/);
    }
  });
});
