import assert from "node:assert/strict";
import fc from "fast-check";
import { rank, rankCorrelation, ranked, sumsOfTop } from "./ranking.ts";

const scores = fc.array(fc.nat(5), { minLength: 1, maxLength: 7 });
const floats = (values: readonly number[]) => Float64Array.from(values);

/** The sum over the first `share` of the customers by these scores. */
function top(
  scores: readonly number[],
  values: readonly number[],
  share: number,
  ...weights: number[]
): number {
  const ranking = rank(floats(scores));
  const inOrder = ranked(ranking, floats(values));
  if (weights.length === 0) return sumsOfTop(ranking, inOrder, [share])[0]!;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return sumsOfTop(ranking, inOrder, [share], Uint8Array.from(weights), total)[0]!;
}

/** All orders of the indices 0 to n - 1. */
function orders(n: number): number[][] {
  if (n === 0) return [[]];
  return orders(n - 1).flatMap((order) =>
    Array.from({ length: n }, (_, place) => order.toSpliced(place, 0, n - 1)),
  );
}

describe("sumsOfTop", () => {
  it("adds the highest customers, the last one in part", () => {
    const [scores, values] = [
      [10, 40, 30, 20],
      [1, 2, 4, 8],
    ];
    assert.equal(top(scores, values, 0.5), 2 + 4);
    assert.equal(top(scores, values, 0.625), 2 + 4 + 8 / 2);
    assert.equal(top(scores, values, 0), 0);
    assert.equal(top(scores, values, 1), 15);
  });

  it("is the mean over all orders of equal scores", () => {
    fc.assert(
      fc.property(scores, fc.nat(7), (list, most) => {
        const k = Math.min(most, list.length);
        const values = list.map((_, i) => 2 ** i);
        const sorted = orders(list.length).filter((order) =>
          order.every((i, place) => place === 0 || list[i]! <= list[order[place - 1]!]!),
        );
        const sums = sorted.map((order) => order.slice(0, k).reduce((sum, i) => sum + values[i]!, 0));
        const mean = sums.reduce((sum, each) => sum + each, 0) / sums.length;
        const actual = top(list, values, k / list.length);
        assert.ok(Math.abs(actual - mean) < 1e-9, `${actual}, not ${mean}`);
      }),
      { numRuns: 60 },
    );
  });

  it("gives several shares at once", () => {
    const shares = [0, 0.1, 0.25, 0.26, 0.9, 1];
    const list = [10, 40, 30, 20, 40, 10];
    const values = floats([1, 2, 4, 8, 16, 32]);
    const ranking = rank(floats(list));
    assert.deepEqual(
      sumsOfTop(ranking, ranked(ranking, values), shares),
      shares.map((share) => top(list, [...values], share)),
    );
  });

  it("counts a customer as often as its weight says", () => {
    assert.equal(top([5, 9, 3], [1, 2, 4], 0.5, 2, 0, 1), top([5, 5, 3], [1, 1, 4], 0.5));
  });
});

describe("rankCorrelation", () => {
  it("is 1 for the same order, -1 for the reverse, and takes mean ranks for ties", () => {
    const up = rank(floats([1, 2, 3, 9]));
    assert.equal(rankCorrelation(up, rank(floats([2, 3, 50, 60]))), 1);
    assert.equal(rankCorrelation(up, rank(floats([4, 3, 2, 1]))), -1);
    // Ranks 1 2 3 4 against 1 2.5 2.5 4: Pearson's correlation is 4.5 / sqrt(5 * 4.5)
    assert.ok(Math.abs(rankCorrelation(up, rank(floats([1, 7, 7, 8]))) - 4.5 / Math.sqrt(22.5)) < 1e-12);
    assert.ok(Number.isNaN(rankCorrelation(up, rank(floats([1, 1, 1, 1])))));
  });
});
