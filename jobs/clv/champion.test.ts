import assert from "node:assert/strict";
import { type ChampionSettings, decideChampion } from "./champion.ts";
import type { MetricRow } from "./metrics.ts";

const metrics = (metric: ChampionSettings["metric"], value: number): MetricRow[] => [
  { predictor: "rfm", metric, bucket: null, value: 99 },
  { predictor: "model", metric: "total_revenue", bucket: null, value: 98 },
  { predictor: "model", metric, bucket: null, value },
];

function decide(metric: ChampionSettings["metric"], ours: number, theirs: number, tolerance = 0.1) {
  return decideChampion(
    { converged: true, metrics: metrics(metric, ours) },
    { metrics: metrics(metric, theirs) },
    { metric, tolerance },
  );
}

describe("decideChampion", () => {
  it("never promotes a fit that did not converge", () => {
    const challenger = { converged: false, metrics: metrics("spearman", 0.9) };
    const settings = { metric: "spearman", tolerance: 0 } as const;
    for (const champion of [undefined, { metrics: metrics("spearman", 0.1) }]) {
      const { promoted, reason } = decideChampion(challenger, champion, settings);
      assert.equal(promoted, false);
      assert.match(reason, /did not converge/);
    }
  });

  it("promotes the first model that converged", () => {
    const first = decideChampion({ converged: true, metrics: [] }, undefined, {
      metric: "count_mae",
      tolerance: 0,
    });
    assert.deepEqual(first, {
      promoted: true,
      reason: "There is no champion yet: the first model that converged becomes it.",
    });
  });

  it("wants errors that are small, and allows the tolerance exactly", () => {
    for (const metric of ["count_mae", "count_rmse"] as const) {
      assert.deepEqual(
        [0.9, 1.25, 1.26].map((ours) => decide(metric, ours, 1, 0.25).promoted),
        [true, true, false],
      );
    }
  });

  it("wants shares and correlations that are large, also if the champion's is negative", () => {
    for (const metric of ["top_decile_revenue_share", "spearman"] as const) {
      assert.deepEqual(
        [0.51, 0.375, 0.374].map((ours) => decide(metric, ours, 0.5, 0.25).promoted),
        [true, true, false],
      );
    }
    assert.equal(decide("spearman", -0.21, -0.2).promoted, true);
    assert.equal(decide("spearman", -0.23, -0.2).promoted, false);
  });

  it("says why in a sentence with both figures", () => {
    assert.equal(
      decide("count_mae", 0.7, 1).reason,
      "Better than the champion: count_mae 0.7000 against the champion's 1.000.",
    );
    assert.equal(
      decide("spearman", 0.6, 0.5).reason,
      "Better than the champion: spearman 0.6000 against the champion's 0.5000.",
    );
    const noWorse = /^No worse than the champion within the tolerance of 10 %: /;
    assert.match(decide("count_mae", 1.05, 1).reason, noWorse);
    assert.match(decide("spearman", 0.49, 0.5).reason, noWorse);
    for (const metric of ["count_mae", "spearman"] as const)
      assert.match(decide(metric, 1, 1, 0.1).reason, noWorse);
    assert.match(decide("count_mae", 2, 1).reason, /^Worse than the champion beyond the tolerance of 10 %: /);
  });

  it("keeps the champion if the two cannot be compared", () => {
    const settings = { metric: "spearman", tolerance: 0.1 } as const;
    const some = { converged: true, metrics: metrics("spearman", 0.5) };
    const none = { converged: true, metrics: [] };
    assert.match(decideChampion(none, some, settings).reason, /challenger has no spearman/);
    assert.match(decideChampion(some, none, settings).reason, /champion has no spearman/);
    assert.equal(decideChampion(none, some, settings).promoted, false);
    assert.equal(decide("spearman", Number.NaN, 0.5).promoted, false);
    assert.equal(decide("spearman", 0.5, 0.5, Number.NaN).promoted, false);
  });
});
