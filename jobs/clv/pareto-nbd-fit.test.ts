import assert from "node:assert/strict";
import fc from "fast-check";
import { gammaVariate, readCdnow } from "../../test/cdnow.ts";
import { columnsOf } from "../../test/columns.ts";
import { checkDerivatives } from "../../test/derivatives.ts";
import { CannotFit } from "./maximum-likelihood.ts";
import type { ParetoNbdParameters } from "./pareto-nbd.ts";
import { fitParetoNbd, paretoNbdLikelihood } from "./pareto-nbd-fit.ts";
import { conditionalExpectedPurchases, probabilityAlive } from "./purchase-model.ts";
import { seededRandom } from "./random.ts";

const NAMES = ["r", "alpha", "s", "beta"] as const;
type Row = { x: number; tX: number; T: number; customers: number };
const columns = (rows: readonly Row[]) => columnsOf(["x", "tX", "T", "customers"], rows);

/** The distinct histories with their customers. */
function histories(customers: readonly { x: number; tX: number; T: number }[]) {
  const groups = Map.groupBy(customers, ({ x, tX, T }) => `${x} ${tX} ${T}`);
  return columns([...groups.values()].map(([one, ...rest]) => ({ ...one!, customers: rest.length + 1 })));
}

describe("fitParetoNbd", () => {
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
    const model = fc.record({ r: positive, alpha: positive, s: positive, beta: positive });
    fc.assert(
      fc.property(model, fc.array(row, { minLength: 1, maxLength: 6 }), (parameters, rows) =>
        checkDerivatives(
          (given: ParetoNbdParameters) => paretoNbdLikelihood(given, columns(rows)),
          parameters,
        ),
      ),
    );
  });

  it("finds the published estimates for the CDNOW sample", () => {
    // Fader, Hardie & Lee (2005), "Counting Your Customers the Easy Way", table 2
    const fit = fitParetoNbd(histories(readCdnow("cdnow-sample")));
    assert.deepEqual(
      NAMES.map((name) => fit.parameters[name].toFixed(3)),
      ["0.553", "10.578", "0.606", "11.669"],
    );
    assert.equal(fit.logLikelihood.toFixed(2), "-9594.98");
    assert.ok(fit.converged && fit.gradientNorm < 1e-10, `${fit.gradientNorm}`);
    assert.ok(NAMES.every((name) => fit.standardErrors[name] > 0) && fit.standardErrors.r < 0.0553);
  });

  it("gives the one-time buyers of the full log a mean P(active) of a third, and the purchases an error of 0.79", () => {
    const customers = readCdnow("cdnow");
    const { parameters, converged } = fitParetoNbd(histories(customers));
    assert.ok(converged);
    const once = customers.filter(({ x }) => x === 0);
    const sum = once.reduce((total, { T }) => total + probabilityAlive(parameters, 0, 0, T), 0);
    assert.equal((sum / once.length).toFixed(2), "0.33");
    const errors = customers.map(({ x, tX, T, actualPurchases }) =>
      Math.abs(conditionalExpectedPurchases(parameters, x, tX, T, 39) - actualPurchases),
    );
    assert.equal((errors.reduce((total, error) => total + error) / errors.length).toFixed(3), "0.794");
  });

  it("recovers the parameters of simulated customers", () => {
    const random = seededRandom(5);
    const truth = { r: 0.8, alpha: 8, s: 0.9, beta: 15 };
    const customers = Array.from({ length: 8000 }, () => {
      const T = 30 + 70 * random();
      const rate = gammaVariate(truth.r, random) / truth.alpha;
      const stays = (-Math.log(1 - random()) * truth.beta) / gammaVariate(truth.s, random);
      let [x, tX] = [0, 0];
      const gap = () => -Math.log(1 - random()) / rate;
      for (let t = gap(); t <= Math.min(T, stays); t += gap()) [x, tX] = [x + 1, t];
      return { x, tX, T, customers: 1 };
    });
    const fit = fitParetoNbd(columns(customers));
    assert.ok(fit.converged);
    for (const name of NAMES) {
      const deviations = (fit.parameters[name] - truth[name]) / fit.standardErrors[name];
      assert.ok(Math.abs(deviations) < 3.5, `${name} is ${deviations} standard errors off`);
      assert.ok(fit.standardErrors[name] < truth[name] / 2);
    }
  });

  it("is finite for up to 5,000 purchases, and for histories from a day to thirty years", () => {
    for (const x of [0, 1, 50, 5000])
      for (const T of [1 / 7, 52, 1565])
        for (const tX of x === 0 ? [0] : [0, T / 2, T]) {
          const { value, gradient, hessian } = paretoNbdLikelihood(
            { r: 0.55, alpha: 10.6, s: 0.6, beta: 11.7 },
            columns([{ x, tX, T, customers: 1 }]),
          );
          assert.ok([value, ...gradient, ...hessian.flat()].every(Number.isFinite), `${x} ${tX} ${T}`);
        }
  });

  it("does not converge if customers never leave", () => {
    const rows = Array.from({ length: 200 }, (_, i) => ({
      x: 5 + (i % 9),
      tX: 99 + (i % 2),
      T: 100,
      customers: 1,
    }));
    assert.equal(fitParetoNbd(columns(rows)).converged, false);
  });

  it("refuses what cannot be fitted", () => {
    assert.throws(() => fitParetoNbd(columns([])), CannotFit);
  });
});
