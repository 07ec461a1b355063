import assert from "node:assert/strict";
import { createContext, runInContext } from "node:vm";
import fc from "fast-check";
import { routines } from "../jobs/clv/routines.ts";
import { bundleRoutines } from "./routine-bundle.ts";

const bundle = () => bundleRoutines(new URL("../jobs/clv/routines.ts", import.meta.url), routines);

/** The routine as BigQuery runs it: the body of a function in V8, with nothing but JavaScript itself around it. */
function inBareV8(name: string): (...values: (number | null)[]) => number | null {
  const { parameters } = routines.find((routine) => routine.name === name)!;
  const names = parameters.map((parameter) => parameter.name).join(", ");
  return runInContext(`"use strict"; (function (${names}) {${bundle()[name]}})`, createContext({}));
}

describe("routine bundle", () => {
  it("gives the published expectation of a customer", () => {
    // Fader, Hardie & Lee (2005), section 5: x = 2, t_x = 30.43, T = 38.86, over 39 weeks.
    const expected = inBareV8("expected_purchases")(0.243, 4.414, 0.793, 2.426, 1, 2, 30.43, 38.86, 39);
    assert.equal(expected?.toFixed(2), "1.23");
  });

  for (const { name, parameters, call } of routines) {
    it(`gives the same numbers as the source: ${name}`, () => {
      const run = inBareV8(name);
      const parameter = fc.double({ min: 0.05, max: 50, noNaN: true });
      const values = fc
        .tuple(...parameters.map(() => parameter))
        .map((given) =>
          given.map((value, index) => (parameters[index]!.name === "x" ? Math.floor(value) : value)),
        );
      fc.assert(fc.property(values, (given) => assert.equal(run(...given), call(...given))));
    });

    it(`gives null when an argument is null: ${name}`, () => {
      const run = inBareV8(name);
      for (const left of parameters.keys())
        assert.equal(run(...parameters.map((_, index) => (index === left ? null : 1))), null);
    });
  }

  it("fits into BigQuery, names no file of this machine, and is the same every time", () => {
    const bodies = bundle();
    for (const body of Object.values(bodies)) {
      // cloud.google.com/bigquery/quotas#udf_limits
      assert.ok(Buffer.byteLength(body) < 32_768);
      assert.doesNotMatch(body, /node_modules|file:|\/\*|require\(/);
    }
    assert.deepEqual(bundle(), bodies);
  });
});
