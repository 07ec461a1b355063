import assert from "node:assert/strict";
import { gaussLegendre } from "./gauss-legendre.ts";

describe("gaussLegendre", () => {
  it("has the nodes and weights of Abramowitz & Stegun, table 25.4, n = 8", () => {
    const { nodes, weights } = gaussLegendre(8);
    const published = [
      [0.1834346424956498, 0.362683783378362],
      [0.525532409916329, 0.3137066458778873],
      [0.7966664774136267, 0.2223810344533745],
      [0.9602898564975363, 0.1012285362903763],
    ] as const;
    for (const [i, [node, weight]] of published.entries())
      for (const [place, sign] of [
        [3 - i, -1],
        [4 + i, 1],
      ] as const) {
        assert.ok(Math.abs(nodes[place]! - (1 + sign * node) / 2) < 1e-15, `node ${place}`);
        assert.ok(Math.abs(weights[place]! - weight / 2) < 1e-15, `weight ${place}`);
      }
  });

  it("integrates powers up to 2 n - 1", () => {
    for (const n of [1, 2, 5, 20, 64]) {
      const { nodes, weights } = gaussLegendre(n);
      for (const power of [0, 1, n, 2 * n - 1]) {
        const sum = nodes.reduce((total, node, i) => total + weights[i]! * node ** power, 0);
        assert.ok(Math.abs(sum * (power + 1) - 1) < 1e-12, `n ${n}, power ${power}: ${sum}`);
      }
    }
  });
});
