import assert from "node:assert/strict";
import fc from "fast-check";
import { readCdnow, type SampleCustomer, simulateCustomers } from "../../test/cdnow.ts";
import { columnsOf } from "../../test/columns.ts";
import { checkDerivatives } from "../../test/derivatives.ts";
import type { BgNbdParameters } from "./bg-nbd.ts";
import * as columnar from "./bg-nbd-fit.ts";
import { fitGammaGamma } from "./gamma-gamma-fit.ts";
import { CannotFit, maximizeLikelihood } from "./maximum-likelihood.ts";
import { seededRandom } from "./random.ts";

const NAMES = ["r", "alpha", "a", "b"] as const;
type Row = { x: number; tX: number; T: number; customers: number };
const statisticsOf = (rows: readonly Row[]) => columnsOf(["x", "tX", "T", "customers"], rows);
const fitBgNbd = (rows: readonly Row[], firstDropOut = 1) =>
  columnar.fitBgNbd(statisticsOf(rows), firstDropOut);
const bgNbdLikelihood = (parameters: BgNbdParameters, rows: readonly Row[], firstDropOut = 1) =>
  columnar.bgNbdLikelihood(parameters, statisticsOf(rows), firstDropOut);
const VALUE = { p: 3, q: 4, gamma: 20 };

/** The distinct histories with their customers. */
function statistics(customers: readonly SampleCustomer[]): Row[] {
  const groups = Map.groupBy(customers, ({ x, tX, T }) => `${x} ${tX} ${T}`);
  return [...groups.values()].map((alike) => {
    const { x, tX, T } = alike[0]!;
    return { x, tX, T, customers: alike.length };
  });
}

describe("fitBgNbd", () => {
  const sample = statistics(readCdnow("cdnow-sample"));

  it("has the derivatives that differences show", () => {
    const positive = fc.double({ min: 0.1, max: 20, noNaN: true });
    const row = fc
      .record({
        x: fc.nat(60),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
        T: positive,
        customers: fc.nat(9),
      })
      .map(({ x, share, T, customers }) => ({ x, tX: x === 0 ? 0 : share * T, T, customers: customers + 1 }));
    const model = fc.record({ r: positive, alpha: positive, a: positive, b: positive });
    for (const firstDropOut of [1, 0])
      fc.assert(
        fc.property(model, fc.array(row, { minLength: 1, maxLength: 6 }), (parameters, rows) =>
          checkDerivatives(
            (given: BgNbdParameters) => bgNbdLikelihood(given, rows, firstDropOut),
            parameters,
          ),
        ),
      );
  });

  it("finds the estimates of MBG/NBD for the CDNOW sample", () => {
    // Batislam, Denizel & Filiztekin (2007); ModifiedBetaGeoFitter of lifetimes 0.11.3 on the same customers
    const fit = fitBgNbd(sample, 0);
    assert.deepEqual(
      NAMES.map((name) => fit.parameters[name].toFixed(3)),
      ["0.525", "6.183", "0.891", "1.614"],
    );
    assert.equal(fit.logLikelihood.toFixed(2), "-9582.14");
    assert.ok(fit.converged);
  });

  it("finds the published estimates for the CDNOW sample", () => {
    // Fader, Hardie & Lee (2005), table 2
    const fit = fitBgNbd(sample);
    assert.deepEqual(
      NAMES.map((name) => fit.parameters[name].toFixed(3)),
      ["0.243", "4.414", "0.793", "2.426"],
    );
    assert.equal(fit.logLikelihood.toFixed(1), "-9582.4");
    assert.ok(fit.converged && fit.gradientNorm < 1e-10, `${fit.gradientNorm}`);
    // Standard errors of the size that 2,357 customers allow: those of r are below a tenth of it
    assert.ok(NAMES.every((name) => fit.standardErrors[name] > 0) && fit.standardErrors.r < 0.0243);
  });

  it("finds the estimates of the lifetimes package for the full log, with Gamma-Gamma, in under two seconds", () => {
    const customers = readCdnow("cdnow");
    const rows = statistics(customers);
    const values = customers
      .filter(({ paidRepeats }) => paidRepeats > 0)
      .map(({ paidRepeats, meanValue }) => ({ x: paidRepeats, meanValue, customers: 1 }));
    const start = performance.now();
    const fit = fitBgNbd(rows);
    const value = fitGammaGamma(columnsOf(["x", "meanValue", "customers"], values));
    const took = performance.now() - start;
    // lifetimes 0.11.3 on the same customers
    const expected = { r: 0.2516, alpha: 4.7889, a: 0.7234, b: 2.1611 };
    for (const name of NAMES) assert.ok(Math.abs(fit.parameters[name] / expected[name] - 1) < 1e-3, name);
    const expectedValue = { p: 6.2754, q: 3.6245, gamma: 14.9837 };
    for (const name of ["p", "q", "gamma"] as const) {
      assert.ok(Math.abs(value.parameters[name] / expectedValue[name] - 1) < 1e-3, name);
    }
    assert.ok(fit.converged && value.converged);
    assert.ok(took < 2000, `${took} ms`);
  });

  it("recovers the parameters of simulated customers, from hours to centuries", () => {
    for (const [seed, unit] of [
      [1, 0.01],
      [2, 1],
      [3, 100],
    ] as const) {
      const truth = { r: 0.5, alpha: 6 * unit, a: 0.8, b: 2.5 };
      const customers = simulateCustomers(truth, VALUE, 8000, 60 * unit, 0, seededRandom(seed));
      const fit = fitBgNbd(statistics(customers));
      assert.ok(fit.converged);
      for (const name of NAMES) {
        const deviations = (fit.parameters[name] - truth[name]) / fit.standardErrors[name];
        assert.ok(Math.abs(deviations) < 3.5, `seed ${seed}: ${name} is ${deviations} standard errors off`);
        assert.ok(fit.standardErrors[name] < truth[name] / 2);
      }
    }
  });

  it("is finite for up to 5,000 purchases, and for histories from a day to thirty years", () => {
    for (const x of [0, 1, 50, 5000]) {
      for (const T of [1 / 7, 52, 1565]) {
        for (const tX of x === 0 ? [0] : [0, T / 2, T]) {
          const { value, gradient, hessian } = bgNbdLikelihood({ r: 0.25, alpha: 4.4, a: 0.8, b: 2.4 }, [
            { x, tX, T, customers: 1 },
          ]);
          assert.ok([value, ...gradient, ...hessian.flat()].every(Number.isFinite), `${x} ${tX} ${T}`);
        }
      }
    }
  });

  it("does not depend on the order of the rows, and has the same maximum from another start", () => {
    const customers = simulateCustomers(
      { r: 0.5, alpha: 6, a: 0.8, b: 2.5 },
      VALUE,
      50_000,
      60,
      0,
      seededRandom(4),
    );
    // So many rows that the start comes from a part of them.
    const rows = customers.map(({ x, tX, T }) => ({ x, tX, T, customers: 1 }));
    const shuffled = rows.toSorted((one, other) => ((one.tX * 7919) % 1) - ((other.tX * 7919) % 1));
    const [fit, other] = [fitBgNbd(rows), fitBgNbd(shuffled)];
    const whole = maximizeLikelihood(
      (parameters: BgNbdParameters) => bgNbdLikelihood(parameters, rows),
      { r: 1, alpha: 10, a: 1, b: 1 },
      rows.length,
    );
    assert.ok(fit.iterations < whole.iterations, `${fit.iterations} ${whole.iterations}`);
    for (const { parameters } of [other, whole])
      for (const name of NAMES) assert.ok(Math.abs(parameters[name] / fit.parameters[name] - 1) < 1e-9, name);
    assert.ok(Math.abs(fit.logLikelihood / whole.logLikelihood - 1) < 1e-12);
  });

  it("gives the same for one row of several customers and for several rows of one", () => {
    const repeated = sample.flatMap(({ customers, ...history }) =>
      Array.from({ length: customers }, () => ({ ...history, customers: 1 })),
    );
    const [one, other] = [fitBgNbd(repeated), fitBgNbd(sample)];
    for (const name of NAMES) assert.ok(Math.abs(one.parameters[name] / other.parameters[name] - 1) < 1e-9);
  });

  it("does not converge if customers never leave", () => {
    // Purchases at a steady rate to the very end: the best a is 0
    const rows = Array.from({ length: 200 }, (_, i) => ({
      x: 5 + (i % 9),
      tX: 99 + (i % 2),
      T: 100,
      customers: 1,
    }));
    assert.equal(fitBgNbd(rows).converged, false);
  });

  it("refuses what cannot be fitted, and says why", () => {
    const history = { x: 1, tX: 3, T: 9, customers: 1 };
    const cases: [Row[], RegExp][] = [
      [[], /no customers/],
      [[{ x: 0, tX: 0, T: 0, customers: 5 }], /last day/],
      [[4, 5, 6, 7].map((T) => ({ x: 0, tX: 0, T, customers: 5 })), /bought again/],
      [[history, { ...history }, { ...history, x: 2 }, { ...history, T: 8 }], /on 3 distinct/],
    ];
    for (const [rows, message] of cases) {
      assert.throws(
        () => fitBgNbd(rows),
        (error) => error instanceof CannotFit && message.test(error.message),
      );
    }
  });
});
