import assert from "node:assert/strict";
import fc from "fast-check";
import { readCdnow, type SampleCustomer, simulateCustomers } from "../../test/cdnow.ts";
import { columnsOf } from "../../test/columns.ts";
import { checkDerivatives } from "../../test/derivatives.ts";
import type { GammaGammaParameters } from "./gamma-gamma.ts";
import * as columnar from "./gamma-gamma-fit.ts";
import { CannotFit } from "./maximum-likelihood.ts";
import { seededRandom } from "./random.ts";

const NAMES = ["p", "q", "gamma"] as const;

type Row = { x: number; meanValue: number; customers: number };
const statisticsOf = (rows: readonly Row[]) => columnsOf(["x", "meanValue", "customers"], rows);
const fitGammaGamma = (rows: readonly Row[]) => columnar.fitGammaGamma(statisticsOf(rows));
const gammaGammaLikelihood = (parameters: GammaGammaParameters, rows: readonly Row[]) =>
  columnar.gammaGammaLikelihood(parameters, statisticsOf(rows));

const statistics = (customers: readonly SampleCustomer[]): Row[] =>
  customers
    .filter(({ paidRepeats }) => paidRepeats > 0)
    .map(({ paidRepeats, meanValue }) => ({ x: paidRepeats, meanValue, customers: 1 }));

describe("fitGammaGamma", () => {
  const sample = statistics(readCdnow("cdnow-sample"));

  it("has the log-likelihood of equation (1a) for one purchase: a beta prime density", () => {
    // p = 1, x = 1: q gamma^q / (gamma + m)^(q + 1), the Lomax density
    const { value } = gammaGammaLikelihood({ p: 1, q: 3, gamma: 10 }, [{ x: 1, meanValue: 7, customers: 2 }]);
    assert.ok(Math.abs(value - 2 * Math.log((3 * 10 ** 3) / 17 ** 4)) < 1e-12);
  });

  it("has the derivatives that differences show", () => {
    const positive = fc.double({ min: 0.1, max: 50, noNaN: true });
    const row = fc.record({ x: fc.integer({ min: 1, max: 60 }), meanValue: positive, customers: positive });
    const model = fc.record({ p: positive, q: positive, gamma: positive });
    fc.assert(
      fc.property(model, fc.array(row, { minLength: 1, maxLength: 6 }), (parameters, rows) =>
        checkDerivatives((given: GammaGammaParameters) => gammaGammaLikelihood(given, rows), parameters),
      ),
    );
  });

  it("finds the published estimates for the CDNOW sample", () => {
    // Fader & Hardie (2013), section 4: the 946 customers with a repeat purchase
    const fit = fitGammaGamma(sample);
    assert.equal(sample.length, 946);
    assert.deepEqual(
      NAMES.map((name) => fit.parameters[name].toFixed(2)),
      ["6.25", "3.74", "15.44"],
    );
    assert.ok(fit.converged && fit.gradientNorm < 1e-10, `${fit.gradientNorm}`);
  });

  it("recovers the parameters of simulated customers, from cents to millions", () => {
    for (const [seed, unit] of [
      [1, 0.001],
      [2, 1],
      [3, 1e5],
    ] as const) {
      const truth = { p: 4, q: 3.5, gamma: 20 * unit };
      const model = { r: 0.5, alpha: 6, a: 0.8, b: 2.5 };
      const fit = fitGammaGamma(statistics(simulateCustomers(model, truth, 6000, 60, 0, seededRandom(seed))));
      assert.ok(fit.converged);
      for (const name of NAMES) {
        const deviations = (fit.parameters[name] - truth[name]) / fit.standardErrors[name];
        assert.ok(Math.abs(deviations) < 3.5, `seed ${seed}: ${name} is ${deviations} standard errors off`);
        assert.ok(fit.standardErrors[name] < truth[name] / 2);
      }
    }
  });

  it("does not depend on the order of the rows, nor on whether equal ones are added up", () => {
    const fit = fitGammaGamma(sample);
    const doubled = sample.map((row) => ({ ...row, customers: 2 }));
    for (const rows of [sample.toReversed(), doubled, [...sample, ...sample]])
      for (const name of NAMES)
        assert.ok(Math.abs(fitGammaGamma(rows).parameters[name] / fit.parameters[name] - 1) < 1e-9, name);
  });

  it("does not converge if values do not vary as in the model", () => {
    const rows = Array.from({ length: 50 }, (_, i) => ({
      x: 3,
      meanValue: 20 + (i % 3) * 1e-3,
      customers: 1,
    }));
    assert.equal(fitGammaGamma(rows).converged, false);
  });

  it("refuses what cannot be fitted, and says why", () => {
    const row = { x: 1, meanValue: 3, customers: 1 };
    const cases: [Row[], RegExp][] = [
      [[], /No customer/],
      [[row, { ...row, x: 2 }, { ...row, meanValue: 4 }], /2 distinct/],
    ];
    for (const [rows, message] of cases) {
      assert.throws(
        () => fitGammaGamma(rows),
        (error) => error instanceof CannotFit && message.test(error.message),
      );
    }
  });
});
