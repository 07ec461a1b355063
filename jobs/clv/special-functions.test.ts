import assert from "node:assert/strict";
import fc from "fast-check";
import { hypergeometricMean } from "./special-functions.ts";

/**
 * r, a, b, y and the mean: the closed form with 2F1 (Fader, Hardie & Lee 2005, equation 9) in 60 digits by mpmath 1.3,
 * with a = 1 moved by 1e-30 and a + b = 1 by 1e-31.
 */
const REFERENCE: [number, number, number, number, number][] = [
  [0.243, 0.793, 2.426, 8.83552333484368, 1.1967231933208169],
  [0.243, 0.793, 2.426, 0.03236455434008674, 0.0078260111718475702],
  [2.243, 0.793, 4.426, 0.9013173099144903, 1.6875319001457568],
  [29.243, 0.793, 31.426, 0.9069767441860465, 20.467360534978569],
  [0.5, 1.0, 1.5, 2.0, 0.67445100957028443],
  [0.5, 1.0, 1.5, 1e-8, 4.9999999850000002e-9],
  [0.5, 1.0000001, 1.5, 2.0, 0.67445099397364121],
  [3.0, 0.25, 0.5, 7.0, 8.9325548255701057],
  [3.0, 0.5, 0.5, 7.0, 4.8869088773996063],
  [0.1, 0.3, 0.2, 1000.0, 8.7745100000099088],
  [1.0, 2.0, 3.0, 1e-12, 9.9999999999959998e-13],
  [5000.3, 0.793, 5002.4, 0.5, 2115.0758486814546],
  [5000.3, 0.793, 5002.4, 1.0, 3727.2427808029971],
  [5000.3, 0.793, 5002.4, 20.0, 21214.042367163695],
  [5000.3, 0.793, 5002.4, 100000.0, 237747.76393470584],
  [0.243, 0.793, 2.426, 354.55369279565025, 7.8647041513262518],
  [0.243, 0.793, 2.426, 1000000.0, 76.409382821535692],
  [50.0, 0.02, 0.03, 40.0, 1041.3316854552857],
  [50.0, 0.02, 0.03, 100000.0, 2225217.5382160992],
  [50.0, 30.0, 60.0, 100.0, 3.0689655172413793],
  [2000.0, 300.0, 1500.0, 50.0, 6.0167224080267559],
  [10000.0, 1000.0, 3000.0, 0.001, 3.6729255779641691],
  [0.01, 0.01, 0.01, 10000.0, 46.114090883395504],
  [5.0, 0.001, 3.0, 10000.0, 49552.348995298325],
  [5000.25, 1.0, 5001.0, 40.0, 18570.842073350812],
  [0.25, 0.001, 1000.0, 1000.0, 249.89710698519963],
  [0.25, 1000.0, 0.001, 1000.0, 0.82221726678235018],
  [1500.2, 0.793, 1502.0, 0.9, 1030.0381563163263],
];

describe("hypergeometricMean", () => {
  for (const [r, a, b, y, expected] of REFERENCE) {
    it(`equals mpmath's value at r ${r}, a ${a}, b ${b}, y ${y}`, () => {
      const error = hypergeometricMean(r, a, b, y) / expected - 1;
      assert.ok(Math.abs(error) < 1e-9, `relative error ${error}`);
    });
  }

  it("is 0 at y = 0", () => {
    assert.equal(hypergeometricMean(0.5, 0.5, 0.5, 0), 0);
  });

  it("takes the same value from its series and from its quadrature where they meet", () => {
    const positive = fc.double({ min: 0.05, max: 50, noNaN: true });
    fc.assert(
      fc.property(positive, positive, positive, (r, a, b) => {
        const border = (1000 - 36) / (r + 8.5 * Math.sqrt(r) + 36);
        const [below, above] = [border * (1 - 1e-12), border * (1 + 1e-12)];
        const jump = hypergeometricMean(r, a, b, above) / hypergeometricMean(r, a, b, below) - 1;
        assert.ok(Math.abs(jump) < 1e-9, `${jump}`);
      }),
    );
  });

  it("is bounded by r y, and by 1 / p's mean where that exists", () => {
    const positive = fc.double({ min: 0.01, max: 5000, noNaN: true });
    fc.assert(
      fc.property(
        positive,
        positive,
        positive,
        fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
        (r, a, b, y) => {
          const mean = hypergeometricMean(r, a, b, y);
          const bound = Math.min(r * y, a > 1 ? (a + b - 1) / (a - 1) : Number.POSITIVE_INFINITY);
          assert.ok(mean > 0 && mean <= bound * (1 + 1e-9), `${mean} > ${bound}`);
        },
      ),
    );
  });
});
