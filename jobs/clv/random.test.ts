import assert from "node:assert/strict";
import { seededChoice, seededRandom } from "./random.ts";

describe("seededRandom", () => {
  it("gives mulberry32's numbers", () => {
    // The first three states for seed 1, by an independent implementation in Python
    const random = seededRandom(1);
    assert.deepEqual(
      [random(), random(), random()].map((number) => number * 2 ** 32),
      [2693262067, 11749833, 2265367787],
    );
  });
});

describe("seededChoice", () => {
  it("takes the values at the places that the random numbers give, also from one array to the next", () => {
    const values = Uint8Array.from({ length: 65536 }, (_, i) => (i * 31) % 251);
    const [random, choose] = [seededRandom(3), seededChoice(values, 3)];
    for (const length of [5, 0, 1000]) {
      const chosen = new Uint8Array(length);
      choose(chosen);
      const places = Array.from({ length: Math.ceil(length / 2) }, () => random() * 2 ** 32).flatMap(
        (number) => [Math.floor(number / 65536), number % 65536],
      );
      assert.deepEqual(
        [...chosen],
        places.slice(0, length).map((place) => values[place]),
      );
    }
  });
});
