import assert from "node:assert/strict";
import fc from "fast-check";
import { hypergeometricMean } from "./special-functions.ts";

/**
 * r, a, b, y and the mean: the closed form with 2F1 (Fader, Hardie & Lee 2005, equation 9) in 60 digits by mpmath 1.3,
 * with a = 1 moved by 1e-30 and a + b = 1 by 1e-31.
 */
const REFERENCE: [number, number, number, number, number][] = [
  [0.243, 0.793, 2.426, 8.83552333484368, 1.19672319332082],
  [0.243, 0.793, 2.426, 0.0323645543400867, 0.00782601117184757],
  [2.243, 0.793, 4.426, 0.90131730991449, 1.68753190014576],
  [29.243, 0.793, 31.426, 0.906976744186046, 20.4673605349786],
  [0.5, 1, 1.5, 2, 0.674451009570284],
  [0.5, 1, 1.5, 1e-8, 4.999999985e-9],
  [0.5, 1.0000001, 1.5, 2, 0.674450993973641],
  [3, 0.25, 0.5, 7, 8.93255482557011],
  [3, 0.5, 0.5, 7, 4.88690887739961],
  [0.1, 0.3, 0.2, 1000, 8.77451000000991],
  [1, 2, 3, 1e-12, 9.999999999996e-13],
  [5000.3, 0.793, 5002.4, 0.5, 2115.07584868145],
  [5000.3, 0.793, 5002.4, 1, 3727.242780803],
  [5000.3, 0.793, 5002.4, 20, 21214.0423671637],
  [5000.3, 0.793, 5002.4, 100000, 237747.763934706],
  [0.243, 0.793, 2.426, 354.55369279565, 7.86470415132625],
  [0.243, 0.793, 2.426, 1000000, 76.4093828215357],
  [50, 0.02, 0.03, 40, 1041.33168545529],
  [50, 0.02, 0.03, 100000, 2225217.5382161],
  [50, 30, 60, 100, 3.06896551724138],
  [50, 20000, 60000, 100, 4.00015000750038],
  [2000, 300, 1500, 50, 6.01672240802676],
  [10000, 1000, 3000, 0.001, 3.67292557796417],
  [0.01, 0.01, 0.01, 10000, 46.1140908833955],
  [5, 0.001, 3, 10000, 49552.3489952983],
  [5000.25, 1, 5001, 40, 18570.8420733508],
  [0.25, 0.001, 1000, 1000, 249.8971069852],
  [0.25, 1000, 0.001, 1000, 0.82221726678235],
  [1500.2, 0.793, 1502, 0.9, 1030.03815631633],
  [5000.3, 0.793, 5002.4, 0.16, 753.678698350799],
  [900, 2.5, 3.5, 0.95, 3.33237269489693],
  [0.3, 5, 0.2, 32000, 1.0024502673484],
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

  it("ends for arguments that make no sense, and for tiny ones", () => {
    for (const odd of [Number.NaN, -1, -2, Number.POSITIVE_INFINITY, 5e-324]) {
      for (let i = 0; i < 4; i++) {
        const values = [0.5, 0.8, 2, 3].with(i, odd) as [number, number, number, number];
        assert.equal(typeof hypergeometricMean(...values), "number");
      }
    }
    assert.ok(Number.isNaN(hypergeometricMean(0.5, 0.8, 2, Number.NaN)));
    assert.ok(Number.isNaN(hypergeometricMean(0.5, 0.8, 2, -2)));
  });

  it("has the same value by its series and by its quadrature where they meet", () => {
    const positive = fc.double({ min: 0.05, max: 50, noNaN: true });
    const count = fc.double({ min: 0.05, max: 9000, noNaN: true });
    fc.assert(
      fc.property(count, positive, positive, (r, a, b) => {
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
