import assert from "node:assert/strict";
import { maximiseLikelihood } from "./maximum-likelihood.ts";

/** 40 exponential observations of mean 5: the rate's maximum is 1 / 5, its standard error rate / sqrt(40). */
const exponential = ({ rate }: { rate: number }) => ({
  value: 40 * (Math.log(rate) - 5 * rate),
  gradient: { rate: 40 * (1 / rate - 5) },
});

describe("maximiseLikelihood", () => {
  it("finds an exponential rate and its standard error, from near and far", () => {
    for (const start of [0.2, 1e-4, 1e4]) {
      const fit = maximiseLikelihood(exponential, { rate: start }, 40);
      assert.ok(fit.converged, `from ${start}`);
      assert.ok(Math.abs(fit.parameters.rate - 0.2) < 1e-12);
      assert.ok(Math.abs(fit.standardErrors.rate - 0.2 / Math.sqrt(40)) < 1e-6);
      assert.ok(fit.gradientNorm < 1e-12);
    }
  });

  it("follows a bent ridge to its top", () => {
    // Rosenbrock's function of the logarithms, upside down
    const fit = maximiseLikelihood(
      ({ u, v }: { u: number; v: number }) => {
        const [x, y] = [Math.log(u), Math.log(v)];
        return {
          value: -((1 - x) ** 2) - 100 * (y - x * x) ** 2,
          gradient: { u: (2 * (1 - x) + 400 * x * (y - x * x)) / u, v: (-200 * (y - x * x)) / v },
        };
      },
      { u: Math.exp(-1.2), v: Math.E },
      1,
    );
    assert.ok(fit.converged);
    assert.ok(Math.abs(fit.parameters.u - Math.E) < 1e-8 && Math.abs(fit.parameters.v - Math.E) < 1e-8);
  });

  it("comes to the end where the log-likelihood's rounding hides the last steps", () => {
    const lifted = (parameters: { rate: number }) => {
      const { value, gradient } = exponential(parameters);
      return { value: value + 1e12, gradient };
    };
    const fit = maximiseLikelihood(lifted, { rate: 0.1 }, 40);
    assert.ok(fit.converged && Math.abs(fit.parameters.rate - 0.2) < 1e-12);
  });

  it("does not call it converged when the gradient leads downhill", () => {
    const wrong = ({ k }: { k: number }) => ({
      value: -(Math.log(k) ** 2),
      gradient: { k: (2 * (1 - Math.log(k))) / k },
    });
    assert.equal(maximiseLikelihood(wrong, { k: 1 }, 1).converged, false);
  });

  it("does not call a ridge without end, a plain or a dip a maximum", () => {
    const rising = ({ k }: { k: number }) => ({ value: -1 / k, gradient: { k: 1 / k ** 2 } });
    const endless = maximiseLikelihood(rising, { k: 1 }, 1);
    assert.equal(endless.converged, false);
    assert.ok(endless.parameters.k > 1e5 && endless.parameters.k < 1e8, `${endless.parameters.k}`);
    const flat = () => ({ value: -1, gradient: { k: 0 } });
    assert.equal(maximiseLikelihood(flat, { k: 1 }, 1).converged, false);
    const dip = ({ k }: { k: number }) => ({
      value: Math.log(k) ** 2,
      gradient: { k: (2 * Math.log(k)) / k },
    });
    const fit = maximiseLikelihood(dip, { k: 1 }, 1);
    assert.equal(fit.converged, false);
    assert.ok(Number.isNaN(fit.standardErrors.k));
  });
});
