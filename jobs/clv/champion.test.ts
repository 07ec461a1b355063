import assert from "node:assert/strict";
import {
  bestOf,
  type ChampionSettings,
  compare,
  decideChampion,
  whyNotBest,
  worseThanBaselines,
} from "./champion.ts";
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

describe("models that were made now", () => {
  const model = (model_id: string, rows: MetricRow[], converged = true) => ({
    ...{ model_id, family: "bg-nbd", converged, metrics: rows },
  });

  it("are ranked by the metric: a smaller error or a larger share is better", () => {
    const best = (metric: ChampionSettings["metric"], ...values: number[]) =>
      bestOf(
        values.map((value) => model(`m${value}`, metrics(metric, value))),
        metric,
      ).model_id;
    for (const metric of ["count_mae", "count_rmse", "value_mae"] as const)
      assert.equal(best(metric, 3, 1, 2), "m1", metric);
    for (const metric of ["spearman", "top_decile_revenue_share"] as const)
      assert.equal(best(metric, 1, 3, 2), "m3", metric);
  });

  it("are used without a figure rather than without convergence; of equal ones, the first", () => {
    const ids = (...models: Parameters<typeof bestOf>[0]) => bestOf(models, "count_mae").model_id;
    const [good, stuck] = [
      model("good", metrics("count_mae", 5)),
      model("stuck", metrics("count_mae", 1), false),
    ];
    assert.equal(ids(stuck, good), "good");
    assert.equal(ids(stuck, model("blank", [])), "blank");
    assert.equal(ids(model("blank", []), good), "good");
    assert.equal(ids(model("first", metrics("count_mae", 5)), good), "first");
    assert.equal(ids(model("first", []), model("second", [])), "first");
  });

  it("are compared by their figures, or by the word that there is none", () => {
    const one = model("one", metrics("count_mae", 0.79512));
    assert.equal(compare(one, model("two", []), "count_mae"), "count_mae 0.7951 against no figure");
  });

  it("say why they are not used: they did not converge, or another one has better figures", () => {
    const best = model("best", metrics("count_mae", 5));
    const stuck = model("stuck", metrics("count_mae", 1), false);
    assert.match(whyNotBest(stuck, best, "count_mae"), /^The fit .* did not converge, so best is used\.$/);
    const worse = model("worse", metrics("count_mae", 6));
    for (const converged of [true, false])
      assert.equal(
        whyNotBest({ ...worse, converged }, { ...best, converged }, "count_mae"),
        "best is better: count_mae 6.000 against 5.000.",
      );
  });

  it("say which baseline certainly ranks customers better, by the interval of the whole", () => {
    const rows = (high: number): MetricRow[] => {
      const difference = { predictor: "rfm", metric: "top_decile_revenue_share_difference_high" } as const;
      const shares = { metric: "top_decile_revenue_share", bucket: null } as const;
      return [
        { ...difference, bucket: 1, value: -1 },
        { ...difference, bucket: null, value: high },
        { ...shares, predictor: "model", value: 0.4012 },
        { ...shares, predictor: "rfm", value: 0.5 },
      ];
    };
    assert.deepEqual(worseThanBaselines(model("m", rows(-0.01))), [
      "m ranks customers worse than the RFM score: its best tenth has 40.1 % of the hold-out's revenue, against 50.0 %.",
    ]);
    for (const high of [0, 0.01]) assert.deepEqual(worseThanBaselines(model("m", rows(high))), []);
    assert.deepEqual(worseThanBaselines(model("m", [])), []);
  });
});
