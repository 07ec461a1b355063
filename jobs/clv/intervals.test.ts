import assert from "node:assert/strict";
import fc from "fast-check";
import { gammaVariate } from "../../test/cdnow.ts";
import { purchasesQuantile, valueQuantile } from "./intervals.ts";
import { tailsIfActive } from "./purchase-counts.ts";
import { type PurchaseModel, probabilityAlive } from "./purchase-model.ts";
import { seededRandom } from "./random.ts";

/** The estimates of the full CDNOW log, calibrated to 1997-09-30. */
const MODELS: Readonly<Record<string, PurchaseModel>> = {
  "BG/NBD": { r: 0.2516, alpha: 4.7889, a: 0.7234, b: 2.1611 },
  "MBG/NBD": { r: 0.6371, alpha: 7.3103, a: 0.8075, b: 1.2284, firstDropOut: 0 },
  "Pareto/NBD": { r: 0.5974, alpha: 11.5857, s: 0.5222, beta: 8.8278 },
};
const HISTORIES = [
  [0, 0, 38],
  [0, 0, 5],
  [2, 30, 38],
  [10, 37, 38],
  [60, 37, 38],
] as const;
const WEEKS = 39;

describe("purchasesQuantile", () => {
  for (const [name, model] of Object.entries(MODELS))
    it(`is the smallest count with the probability, by ${name}`, () => {
      for (const [x, tX, T] of HISTORIES)
        for (const probability of [0.1, 0.5, 0.9, 0.99]) {
          const pActive = probabilityAlive(model, x, tX, T);
          const count = purchasesQuantile(model, pActive, x, T, WEEKS, probability);
          const tails = tailsIfActive(model, x, T, WEEKS, 1e-6);
          assert.ok(pActive * tails[count]! <= 1 - probability, `${x} ${T} ${probability}: ${count}`);
          if (count > 0) assert.ok(pActive * tails[count - 1]! > 1 - probability);
        }
    });

  it("is 0 for a customer who is hardly active", () => {
    assert.equal(purchasesQuantile(MODELS["BG/NBD"]!, 0.05, 60, 38, WEEKS, 0.9), 0);
    assert.equal(purchasesQuantile(MODELS["BG/NBD"]!, 0, 60, 38, WEEKS, 0.9), 0);
  });
});

describe("valueQuantile", () => {
  const values = [
    { p: 6.25, q: 3.74 },
    { p: 0.5, q: 1.5 },
    { p: 60, q: 3 },
  ];
  for (const [name, model] of Object.entries(MODELS))
    it(`is exceeded by as many of 40,000 random customers as it says, by ${name}`, () => {
      const random = seededRandom(3);
      const size = 40_000;
      for (const { p, q } of values)
        for (const [x, tX, T] of HISTORIES) {
          const pActive = probabilityAlive(model, x, tX, T);
          const tails = tailsIfActive(model, x, T, WEEKS, 1e-6);
          const simulated = Array.from({ length: size }, () => {
            const [active, place] = [random() < pActive, random()];
            const count = active ? tails.findIndex((tail) => tail <= place) : 0;
            return count <= 0 ? 0 : gammaVariate(p * count, random) / gammaVariate(q + p * x, random);
          });
          for (const probability of [0.1, 0.9]) {
            const value = valueQuantile(model, { p, q }, pActive, x, T, WEEKS, x, probability);
            const above = simulated.filter((each) => each > value).length / size;
            const [text, off] = [
              `p ${p}, x ${x}, T ${T}: ${value}, exceeded by ${above}`,
              above - 1 + probability,
            ];
            // 0.006: three standard errors of the simulation
            assert.ok(value === 0 ? off < 0.006 : Math.abs(off) < 0.01 + 0.006, text);
          }
        }
    });

  it("is finite, never negative, and rises with the probability to be active and with the probability", () => {
    const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(MODELS)),
        fc.record({ x: fc.nat(300), T: between(0, 1500), p: between(0.5, 100), q: between(1.01, 20) }),
        between(0, 1),
        between(0, 1),
        (model, { x, T, p, q }, one, other) => {
          const at = (pActive: number, probability: number) =>
            valueQuantile(model, { p, q }, pActive, x, T, WEEKS, x, probability);
          const [less, more] = [Math.min(one, other), Math.max(one, other)];
          const [low, middle, high] = [at(less, 0.1), at(less, 0.9), at(more, 0.9)];
          assert.ok(low >= 0 && Number.isFinite(high), `${low} to ${high}`);
          assert.ok(low <= middle && middle <= high * 1.01, `${low}, ${middle}, ${high}`);
          const rising = [0.1, 0.2, 0.4, 0.6, 0.9].map((probability) => at(more, probability));
          for (const [index, value] of rising.slice(1).entries())
            assert.ok(value >= rising[index]! * 0.999, rising.join(", "));
        },
      ),
      {
        numRuns: 1000,
        // Few purchases are much more probable than the others: the density between them is almost 0.
        examples: [[MODELS["BG/NBD"]!, { x: 75, T: 0, p: 58.565, q: 20 }, 1 - 1e-15, 1 - 1e-15]],
      },
    );
  });
});
