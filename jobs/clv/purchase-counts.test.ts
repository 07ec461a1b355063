import assert from "node:assert/strict";
import fc from "fast-check";
import { keptTails, tailsIfActive } from "./purchase-counts.ts";
import { expectedPurchasesIfActive, type PurchaseModel } from "./purchase-model.ts";

/**
 * r, alpha, s, beta, t, n and P(Y > n) of Pareto/NBD by mpmath 1.3: the mean of the negative binomial's over the time of leaving,
 * another integral than that of the code.
 */
const REFERENCE = [
  [0.341449, 3.70441, 2.36811, 103.78979, 11.433, 0, 0.350237919122663],
  [11.18092, 17.70328, 0.596577, 50.41767, 202.899, 64, 0.496803177638111],
  [60.371131, 74.69034, 4.8082, 77.52311, 4.65385, 3, 0.427056605729719],
  [3.258065, 89.2587, 0.18061, 82.1693, 7.80825, 0, 0.237217657932327],
  [3.129739, 353.5732, 0.212233, 362.2058, 20.527, 0, 0.160987157120568],
  [10.26541, 4.7629, 4.74625, 176.20183, 23.4536, 50, 0.286729376424494],
  [0.666538, 34.2945, 0.292559, 150.5394, 45.0768, 1, 0.203159654345457],
  [0.290038, 8.65863, 4.08607, 13.39044, 58.5258, 0, 0.0911496671461997],
] as const;

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const [shape, scale] = [between(0.1, 5), between(1, 100)];
const model: fc.Arbitrary<PurchaseModel> = fc.oneof(
  fc.record({ r: shape, alpha: scale, a: shape, b: shape, firstDropOut: fc.constantFrom(0, 1) }),
  fc.record({ r: shape, alpha: scale, s: shape, beta: scale }),
);
const history = fc.record({ x: fc.nat(400), T: between(50, 1500), t: between(1, 260) });

describe("tailsIfActive", () => {
  it("has the probabilities of Pareto/NBD that another integral has", () => {
    for (const [r, alpha, s, beta, t, n, expected] of REFERENCE) {
      const found = tailsIfActive({ r, alpha, s, beta }, 0, 0, t, 1e-9)[n]!;
      assert.ok(Math.abs(found - expected) < 1e-6, `${found} is not ${expected}`);
    }
  });

  it("has the probabilities of BG/NBD in closed form", () => {
    // Equation (8) of Fader, Hardie & Lee (2005) for n = 0 and 1, with the parameters after x = 2, T = 38.86
    const [r, alpha, a, b] = [2.243, 43.274, 0.793, 4.426];
    const z = 39 / (alpha + 39);
    const none = (1 - z) ** r;
    const one = (b / (a + b)) * none * r * z + (a / (a + b)) * (1 - none);
    const [more, moreThanOne] = tailsIfActive({ r: 0.243, alpha: 4.414, a, b: 2.426 }, 2, 38.86, 39, 1e-9);
    assert.ok(Math.abs(more! - (1 - none)) < 1e-12 && Math.abs(moreThanOne! - (1 - none - one)) < 1e-12);
  });

  it("starts at a probability, never rises, and ends at the limit", () => {
    fc.assert(
      fc.property(model, history, fc.constantFrom(0.5, 0.1, 1e-4), (given, { x, T, t }, least) => {
        const tails = tailsIfActive(given, x, T, t, least);
        assert.ok(tails.every((tail) => tail >= 0 && tail <= 1));
        assert.ok(tails.every((tail, n) => n === 0 || tail <= tails[n - 1]! + 1e-6));
        assert.ok(tails.at(-1)! <= least && tails.slice(0, -1).every((tail) => tail > least));
      }),
    );
  });

  it("is the same when it is kept, whatever was asked before", () => {
    const calls = fc.array(
      fc.record({
        which: fc.nat(1),
        x: fc.nat(2),
        T: fc.constantFrom(60, 70),
        t: fc.constantFrom(20, 39),
        exceeds: between(0.0001, 1),
      }),
      { minLength: 2, maxLength: 20 },
    );
    fc.assert(
      fc.property(model, model, calls, (one, other, asked) => {
        for (const { which, x, T, t, exceeds } of asked) {
          const given = [one, other][which]!;
          const [plain, kept] = [tailsIfActive, keptTails].map((tails) =>
            tails(given, x, T, t, 0.1 * exceeds, exceeds),
          );
          assert.deepEqual(kept!.slice(0, plain!.length), plain);
        }
      }),
    );
  });

  it("is only the first probability where that is at most enough, and goes on to the limit otherwise", () => {
    fc.assert(
      fc.property(model, history, (given, { x, T, t }) => {
        const [first] = tailsIfActive(given, x, T, t, 0.5);
        assert.deepEqual(tailsIfActive(given, x, T, t, 1e-4, 1), [first]);
        assert.ok(tailsIfActive(given, x, T, t, first! / 4, first! / 2).at(-1)! <= first! / 4);
      }),
    );
  });

  it("has at most 5,000 probabilities", () => {
    for (const given of [
      { r: 1e5, alpha: 1, a: 1e-6, b: 1 },
      { r: 1e5, alpha: 1, s: 1e-6, beta: 1 },
    ]) {
      const tails = keptTails(given, 0, 0, 1, 0.5);
      assert.equal(tails.length, 5000);
      assert.equal(keptTails(given, 0, 0, 1, 0.5), tails);
    }
  });

  it("is not computed again for customers who are alike, up to 20,000 kinds of them", () => {
    const bgNbd = { r: 0.5, alpha: 10, a: 0.8, b: 2.5 };
    const ask = (T: number, least: number, enough = least) => keptTails(bgNbd, 3, T, 39, least, enough);
    const kept = ask(50, 0.1);
    assert.equal(ask(50, 0.002), kept, "it goes on beyond the limit");
    const more = ask(50, 1e-5);
    assert.ok(more.length > kept.length);
    assert.equal(ask(50, 1e-5), more);
    const first = ask(51, 0.1, 1);
    assert.equal(first.length, 1);
    assert.equal(ask(51, 0.1, 1), first);
    for (let kind = 2; kind < 19_999; kind++) ask(50 + kind, 0.5);
    assert.equal(ask(50, 1e-5), more);
    ask(20_050, 0.5);
    assert.notEqual(ask(50, 1e-5), more, "20,000 are kept, and the next one begins again");
  });

  it("sums to the expected purchases", () => {
    fc.assert(
      fc.property(model, history, (given, { x, T, t }) => {
        const sum = tailsIfActive(given, x, T, t, 1e-9).reduce((total, tail) => total + tail);
        const expected = expectedPurchasesIfActive(given, x, T, t);
        assert.ok(Math.abs(sum - expected) < 1e-5 * (1 + expected), `${sum} is not ${expected}`);
      }),
    );
  });
});
