import assert from "node:assert/strict";
import { maximizeLikelihood } from "./maximum-likelihood.ts";

/** 40 exponential observations of mean 5: the rate's maximum is 1 / 5, its standard error rate / sqrt(40). */
const exponential = ({ rate }: { rate: number }) => ({
  value: 40 * (Math.log(rate) - 5 * rate),
  gradient: [40 * (1 / rate - 5)],
  hessian: [[-40 / rate ** 2]],
});

describe("maximizeLikelihood", () => {
  it("finds an exponential rate and its standard error, from near and far", () => {
    for (const start of [0.2, 1e-4, 1e4]) {
      const fit = maximizeLikelihood(exponential, { rate: start }, 40);
      assert.ok(fit.converged, `from ${start}`);
      assert.ok(Math.abs(fit.parameters.rate - 0.2) < 1e-12);
      assert.ok(Math.abs(fit.standardErrors.rate - 0.2 / Math.sqrt(40)) < 1e-6);
      assert.ok(fit.gradientNorm < 1e-12);
    }
  });

  it("follows a curved ridge to its top", () => {
    // Rosenbrock's function of the logarithms, upside down
    const fit = maximizeLikelihood(
      ({ u, v }: { u: number; v: number }) => {
        const [x, y] = [Math.log(u), Math.log(v)];
        const [gx, gy] = [2 * (1 - x) + 400 * x * (y - x * x), -200 * (y - x * x)];
        return {
          value: -((1 - x) ** 2) - 100 * (y - x * x) ** 2,
          gradient: [gx / u, gy / v],
          hessian: [
            [(400 * y - 1200 * x * x - 2 - gx) / u ** 2],
            [(400 * x) / (u * v), (-200 - gy) / v ** 2],
          ],
        };
      },
      { u: Math.exp(-1.2), v: Math.E },
      1,
    );
    assert.ok(fit.converged);
    assert.ok(Math.abs(fit.parameters.u - Math.E) < 1e-8 && Math.abs(fit.parameters.v - Math.E) < 1e-8);
  });

  it("gives standard errors of parameters that depend on each other", () => {
    // A log-likelihood of the logarithms x, y: -(2 x'^2 + 2 x' y' + 3 y'^2) / 2 round (1, 2)
    const { parameters, standardErrors } = maximizeLikelihood(
      ({ u, v }: { u: number; v: number }) => {
        const [x, y] = [Math.log(u) - 1, Math.log(v) - 2];
        return {
          value: -(2 * x * x + 2 * x * y + 3 * y * y) / 2,
          gradient: [-(2 * x + y) / u, -(x + 3 * y) / v],
          hessian: [[(2 * x + y - 2) / u ** 2], [-1 / (u * v), (x + 3 * y - 3) / v ** 2]],
        };
      },
      { u: 1, v: 1 },
      1,
    );
    // The inverse of [[2, 1], [1, 3]] has the diagonal 3/5, 2/5.
    assert.ok(Math.abs(standardErrors.u / (parameters.u * Math.sqrt(3 / 5)) - 1) < 1e-6);
    assert.ok(Math.abs(standardErrors.v / (parameters.v * Math.sqrt(2 / 5)) - 1) < 1e-6);
  });

  it("goes on until all parameters are at the maximum", () => {
    // The rate starts at its maximum, the other far from it.
    const both = ({ rate, other }: { rate: number; other: number }) => {
      const [one, two] = [exponential({ rate }), exponential({ rate: other })];
      return {
        value: one.value + two.value,
        gradient: [one.gradient[0]!, two.gradient[0]!],
        hessian: [[one.hessian[0]![0]!], [0, two.hessian[0]![0]!]],
      };
    };
    const fit = maximizeLikelihood(both, { rate: 0.2, other: 1e-3 }, 40);
    assert.ok(fit.converged && Math.abs(fit.parameters.other - 0.2) < 1e-12);
  });

  it("gives the largest derivative for a customer", () => {
    // It ends at the bound: the derivative by ln k is 1 / k, that by ln m is 0.
    const rising = ({ k, m }: { k: number; m: number }) => ({
      value: -1 / k - Math.log(m) ** 2,
      gradient: [1 / k ** 2, (-2 * Math.log(m)) / m],
      hessian: [[-2 / k ** 3], [0, (2 * Math.log(m) - 2) / m ** 2]],
    });
    const { parameters, gradientNorm } = maximizeLikelihood(rising, { k: 1, m: 1 }, 4);
    assert.ok(Math.abs(gradientNorm * parameters.k * 4 - 1) < 1e-9, `${gradientNorm}`);
  });

  it("converges although rounding hides the last increases of the log-likelihood", () => {
    const lifted = (parameters: { rate: number }) => {
      const { value, ...derivatives } = exponential(parameters);
      return { value: value + 1e12, ...derivatives };
    };
    const fit = maximizeLikelihood(lifted, { rate: 0.1 }, 40);
    assert.ok(fit.converged && Math.abs(fit.parameters.rate - 0.2) < 1e-12);
  });

  it("does not converge if the gradient leads downhill", () => {
    const wrong = ({ k }: { k: number }) => ({
      value: -(Math.log(k) ** 2),
      gradient: [(2 * (1 - Math.log(k))) / k],
      hessian: [[(2 * Math.log(k) - 4) / k ** 2]],
    });
    const fit = maximizeLikelihood(wrong, { k: 1 }, 1);
    assert.equal(fit.converged, false);
    assert.ok(fit.iterations < 30, "It gives up when no step is short enough.");
  });

  it("does not take an endless ridge, a plain or a minimum for a maximum", () => {
    const rising = ({ k }: { k: number }) => ({
      value: -1 / k,
      gradient: [1 / k ** 2],
      hessian: [[-2 / k ** 3]],
    });
    const endless = maximizeLikelihood(rising, { k: 1 }, 1);
    assert.equal(endless.converged, false);
    assert.ok(Number.isNaN(endless.standardErrors.k));
    assert.ok(endless.parameters.k > 1e5 && endless.parameters.k < 1e8, `${endless.parameters.k}`);
    const flat = () => ({ value: -1, gradient: [0], hessian: [[0]] });
    assert.equal(maximizeLikelihood(flat, { k: 1 }, 1).converged, false);
    const dip = ({ k }: { k: number }) => ({
      value: Math.log(k) ** 2,
      gradient: [(2 * Math.log(k)) / k],
      hessian: [[(2 - 2 * Math.log(k)) / k ** 2]],
    });
    const fit = maximizeLikelihood(dip, { k: 1 }, 1);
    assert.equal(fit.converged, false);
    assert.ok(Number.isNaN(fit.standardErrors.k));
  });
});
