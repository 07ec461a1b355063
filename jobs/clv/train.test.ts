import assert from "node:assert/strict";
import type { RunSettings } from "../../contracts/run.ts";
import type { Row } from "../../contracts/warehouse.ts";
import { type SampleCustomer, simulateCustomers } from "../../test/cdnow.ts";
import { columnsOf } from "../../test/columns.ts";
import { modelStep } from "../../test/model-step.ts";
import { type ModelWarehouse, openModelWarehouse } from "../../test/model-warehouse.ts";
import { fitBgNbd } from "./bg-nbd-fit.ts";
import { intervalCoverage } from "./coverage.ts";
import type { Family } from "./fit-model.ts";
import { fitGammaGamma } from "./gamma-gamma-fit.ts";
import { evaluate } from "./metrics.ts";
import { HOLDOUT, type Model } from "./model-tables.ts";
import { fitParetoNbd } from "./pareto-nbd-fit.ts";
import { predictHoldout } from "./predictions.ts";
import { seededRandom } from "./random.ts";
import { train } from "./train.ts";

const DAY = "2024-06-01";
const EARLIER = "2024-05-01";
const WEEKS = 20;

const BG_NBD = { r: 0.6, alpha: 6, a: 0.8, b: 2.5 };
const VALUE = { p: 4, q: 3.5, gamma: 20 };
const simulate = (seed: number, purchases = BG_NBD, value = VALUE): SampleCustomer[] =>
  simulateCustomers(purchases, value, 300, 40, WEEKS, seededRandom(seed));

// In the order in which the step reads them.
const purchasesOf = (customers: readonly SampleCustomer[]) =>
  customers
    .map(({ x, tX, T }) => ({ x, tX, T, customers: 1 }))
    .toSorted((one, other) => one.x - other.x || one.tX - other.tX || one.T - other.T);
const valuesOf = (customers: readonly SampleCustomer[]) =>
  customers
    .filter(({ paidRepeats }) => paidRepeats > 0)
    .map(({ paidRepeats, meanValue }) => ({ x: paidRepeats, meanValue, customers: 1 }))
    .toSorted((one, other) => one.x - other.x || one.meanValue - other.meanValue);
const fitPurchases = (rows: ReturnType<typeof purchasesOf>) =>
  fitBgNbd(columnsOf(["x", "tX", "T", "customers"], rows));
const fitValues = (rows: ReturnType<typeof valuesOf>) =>
  fitGammaGamma(columnsOf(["x", "meanValue", "customers"], rows));
const holdoutOf = (customers: readonly SampleCustomer[]) =>
  customers.map((customer, index) => ({
    customer_id: `c${10_000 + index}`,
    x: customer.x,
    t_x: customer.tX,
    t: customer.T,
    value_count: customer.paidRepeats,
    mean_value: customer.paidRepeats === 0 ? null : customer.meanValue,
    rfm_score: customer.x,
    past_spend: customer.pastSpend,
    actual_purchases: customer.actualPurchases,
    actual_value: customer.actualRevenue,
  }));
/** The evaluation of a model on the hold-out of these customers. */
const evaluated = (model: Model, customers: readonly SampleCustomer[]) => {
  const holdout = columnsOf(HOLDOUT, holdoutOf(customers));
  const [metrics] = evaluate(holdout, WEEKS, [predictHoldout(model, holdout, WEEKS)]);
  return [...metrics!, ...intervalCoverage(model, holdout, WEEKS)];
};

describe("train", () => {
  const all = simulate(1);
  const early = simulate(2);
  const first = {
    production: { purchases: fitPurchases(purchasesOf(all)), gammaGamma: fitValues(valuesOf(all)) },
    calibration: { purchases: fitPurchases(purchasesOf(early)), gammaGamma: fitValues(valuesOf(early)) },
  };
  const calibrated = {
    ...first.calibration.purchases.parameters,
    ...first.calibration.gammaGamma.parameters,
  };

  let tables: ModelWarehouse;
  before(async () => {
    tables = await openModelWarehouse();
  });
  after(() => tables.close());
  beforeEach(async () => {
    await fill({ production: all, calibration: early });
    for (const day of [EARLIER, DAY, "2024-07-01"]) await tables.fill("models", day, []);
    await tables.fill("predictions", DAY, []);
  });

  /** Fills the inputs of the run date; the hold-out is that of the calibration sample. */
  async function fill(
    samples: { production: SampleCustomer[]; calibration: SampleCustomer[] },
    holdout_weeks = WEEKS,
  ) {
    const entries = Object.entries(samples);
    await tables.fill("run_calendar", DAY, [
      { holdout_weeks, first_order_on: "2023-01-02", calibration_end: "2024-03-02" },
    ]);
    // Two customers more than the model is fitted on.
    await tables.fill(
      "customer_history",
      DAY,
      entries.flatMap(([sample, customers]) =>
        Array.from({ length: customers.length + 2 }, () => ({ sample })),
      ),
    );
    await tables.fill(
      "model_statistics",
      DAY,
      entries.flatMap(([sample, customers]) =>
        purchasesOf(customers).map(({ tX, T, ...row }) => ({ sample, t_x: tX, t: T, ...row })),
      ),
    );
    await tables.fill(
      "value_statistics",
      DAY,
      entries.flatMap(([sample, customers]) =>
        valuesOf(customers).map(({ meanValue, ...row }) => ({ sample, mean_value: meanValue, ...row })),
      ),
    );
    await tables.fill("holdout", DAY, holdoutOf(samples.calibration));
  }

  const champion = (parameters: Row, run_date = EARLIER) =>
    tables.fill("models", run_date, [
      { model_id: "champion", sample: "calibration", is_champion: true, ...parameters },
    ]);

  async function run(
    settings: Partial<RunSettings> & { candidates?: string } = {},
    families: readonly Family[] = ["bgnbd"],
  ) {
    const step = modelStep("train", { run_date: DAY, ...settings });
    await train(step, tables.warehouse, families);
    const models = (await tables.rows("models")).filter(({ run_date }) => run_date === DAY);
    const metrics = await tables.rows("model_metrics");
    return {
      models,
      metrics: (evaluation: string) => metrics.filter((row) => row.evaluation === evaluation),
      figure: (metric: string, evaluation = "holdout") =>
        metrics.find(
          (row) => row.evaluation === evaluation && row.predictor === "model" && row.metric === metric,
        )?.value,
      scoring: step.report.outputs.model_id,
      warnings: step.report.warnings,
      rows: step.report.rows,
      artifact: JSON.parse(step.artifacts.get("model")!),
    };
  }

  describe("the first model", () => {
    it("is fitted on both samples, becomes the champion and scores", async () => {
      process.env.GIT_COMMIT = "0123abc";
      const { models, scoring, warnings, rows, artifact } = await run().finally(
        () => delete process.env.GIT_COMMIT,
      );
      assert.deepEqual(warnings, []);
      assert.match(scoring!, /^bgnbd-gg-[0-9a-f]{12}$/);
      assert.equal(rows["rfm.models"], 2);
      const reason = "There is no champion yet: the first model that converged becomes it.";
      for (const [i, sample] of (["calibration", "production"] as const).entries()) {
        const { purchases, gammaGamma } = first[sample];
        assert.deepEqual(models[i], {
          run_date: DAY,
          model_id: scoring,
          sample,
          ...purchases.parameters,
          ...gammaGamma.parameters,
          r_se: purchases.standardErrors.r,
          alpha_se: purchases.standardErrors.alpha,
          a_se: purchases.standardErrors.a,
          b_se: purchases.standardErrors.b,
          p_se: gammaGamma.standardErrors.p,
          q_se: gammaGamma.standardErrors.q,
          gamma_se: gammaGamma.standardErrors.gamma,
          bg_nbd_log_likelihood: purchases.logLikelihood,
          gamma_gamma_log_likelihood: gammaGamma.logLikelihood,
          customers: 300,
          all_customers: 302,
          converged: true,
          is_champion: true,
          reason,
          family: "bgnbd",
          files: `models/${scoring}`,
          s: null,
          beta: null,
          s_se: null,
          beta_se: null,
          first_order_on: "2023-01-02",
          orders_before: sample === "production" ? DAY : "2024-03-02",
          git_commit: "0123abc",
          parameters: JSON.stringify(
            Object.fromEntries(
              Object.entries({ ...purchases.parameters, ...gammaGamma.parameters }).map(([name, value]) => [
                name,
                Number(value.toPrecision(8)),
              ]),
            ),
          ),
        });
      }
      assert.equal(artifact.model_id, scoring);
      assert.deepEqual(artifact.decision, { promoted: true, reason });
      assert.equal(artifact.fits.length, 2);
    });

    it("is evaluated on the hold-out with the parameters that were fitted without it", async () => {
      const { metrics, rows, scoring, artifact } = await run();
      const model = { purchases: calibrated, gammaGamma: calibrated };
      const expected = evaluated(model, early);
      const written = metrics("holdout");
      assert.equal(written.length, expected.length);
      for (const row of expected) {
        const found = written.find(
          ({ predictor, metric, bucket }) =>
            predictor === row.predictor && metric === row.metric && bucket === row.bucket,
        );
        assert.ok(Math.abs(Number(found?.value) - row.value) < 1e-9, `${row.predictor} ${row.metric}`);
        assert.equal(found?.model_id, scoring);
      }
      assert.equal(rows["rfm.model_metrics"], expected.length);
      assert.equal(artifact.holdout.length, expected.length);
      assert.deepEqual(metrics("champion"), []);
    });

    it("has the same id, and writes the same rows, when the run is repeated", async () => {
      const one = await run();
      const other = await run();
      assert.deepEqual(other.models, one.models);
      assert.deepEqual(other.metrics("holdout"), one.metrics("holdout"));
      await fill({ production: simulate(3), calibration: early });
      assert.notEqual((await run()).scoring, one.scoring);
      const dearer = all.map((customer) => ({ ...customer, meanValue: 2 * customer.meanValue }));
      await fill({ production: dearer, calibration: early });
      assert.notEqual((await run()).scoring, one.scoring, "the value of a purchase is another one");
    });
  });

  describe("against a champion", () => {
    it("scores when it is better, and the champion is evaluated on the same hold-out", async () => {
      await champion({ ...calibrated, alpha: 100 });
      const { scoring, models, warnings, metrics, figure, rows } = await run();
      assert.deepEqual(warnings, []);
      assert.equal(models[0]?.is_champion, true);
      assert.notEqual(scoring, "champion");
      assert.match(String(models[0]?.reason), /^Better than the champion: count_mae/);
      const model = { purchases: { ...calibrated, alpha: 100 }, gammaGamma: calibrated };
      const expected = evaluated(model, early);
      const mae = expected.find((row) => row.predictor === "model" && row.metric === "count_mae");
      assert.ok(Math.abs(Number(figure("count_mae", "champion")) - mae!.value) < 1e-9);
      assert.ok(metrics("champion").every(({ model_id }) => model_id === "champion"));
      assert.equal(rows["rfm.model_metrics"], metrics("champion").length + metrics("holdout").length);
    });

    it("scores when it is as good, without any tolerance", async () => {
      await champion(calibrated);
      const { scoring, models } = await run({ promotion_tolerance: 0 });
      assert.notEqual(scoring, "champion");
      assert.match(String(models[0]?.reason), /^No worse than the champion/);
    });

    it("does not score when it is worse; it is kept, and a warning says why", async () => {
      await champion(calibrated);
      // The hold-out is that of customers who behave as the champion expects.
      await fill({ production: all, calibration: simulate(4, { r: 3, alpha: 6, a: 0.1, b: 9 }) });
      await tables.fill("holdout", DAY, holdoutOf(early));
      const { scoring, models, warnings } = await run();
      assert.equal(scoring, "champion");
      assert.deepEqual(
        models.map(({ is_champion, converged }) => [is_champion, converged]),
        [
          [false, true],
          [false, true],
        ],
      );
      assert.equal(warnings.length, 1);
      assert.match(
        warnings[0]!,
        /^The champion of 2024-05-01 scores, not the model fitted now\. Worse than the champion beyond/,
      );
    });

    it("is compared by the metric of the settings", async () => {
      await champion({ ...calibrated, alpha: 100 });
      const { models } = await run({ promotion_metric: "spearman", promotion_tolerance: 1 });
      assert.match(String(models[0]?.reason), /spearman/);
    });

    it("is not compared with a champion of the same or a later date", async () => {
      for (const date of [DAY, "2024-07-01"]) {
        await champion(calibrated, date);
        const { models } = await run();
        assert.match(String(models[0]?.reason), /^There is no champion yet/);
      }
    });

    it("does not score without a hold-out, as the two cannot be compared", async () => {
      await champion(calibrated);
      await fill({ production: all, calibration: [] }, 0);
      const { scoring, warnings, models } = await run();
      assert.equal(scoring, "champion");
      assert.equal(models.length, 1);
      assert.match(warnings.join("\n"), /cannot be compared/);
    });
  });

  describe("without an evaluation", () => {
    it("promotes the first model, and warns that the history is too short", async () => {
      await fill({ production: all, calibration: early }, 0);
      const { scoring, models, warnings, metrics } = await run();
      assert.equal(models.length, 1);
      assert.deepEqual([models[0]?.sample, models[0]?.model_id], ["production", scoring]);
      assert.deepEqual(metrics("holdout"), []);
      assert.deepEqual(warnings, [
        "The model could not be evaluated on a hold-out. The history is too short for a hold-out of a week.",
      ]);
    });

    it("warns with the reason when the history before the hold-out cannot be fitted", async () => {
      await fill({ production: all, calibration: early.map((customer) => ({ ...customer, x: 0, tX: 0 })) });
      const { models, warnings } = await run();
      assert.equal(models.length, 1);
      assert.match(
        warnings.join("\n"),
        /^The model could not be evaluated on a hold-out\. No customer bought/,
      );
    });

    it("writes no metrics when there are no customers in the hold-out", async () => {
      await tables.fill("holdout", DAY, []);
      const { models, metrics, warnings } = await run();
      assert.equal(models.length, 2);
      assert.deepEqual([metrics("holdout"), warnings], [[], []]);
    });
  });

  describe("a model of purchases that did not converge", () => {
    // Purchases at a steady rate to the end: the best a is 0.
    const steady = all.map((customer, i) => ({ ...customer, x: 5 + (i % 9), tX: 99 + (i % 2), T: 100 }));

    it("is kept and not used: the run gives RFM only", async () => {
      await fill({ production: steady, calibration: early });
      const { scoring, models, warnings } = await run();
      assert.equal(scoring, "");
      assert.deepEqual(
        models.map(({ sample, converged, is_champion }) => [sample, converged, is_champion]),
        [
          ["calibration", true, false],
          ["production", false, false],
        ],
      );
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, /^No model can be used, so the run gives RFM only\. .*did not converge/);
      assert.equal(models[1]?.a_se, null);
    });

    it("leaves the champion", async () => {
      await champion(calibrated);
      await fill({ production: steady, calibration: early });
      const { scoring, warnings } = await run();
      assert.equal(scoring, "champion");
      assert.match(warnings.join("\n"), /^The champion of 2024-05-01 scores.*did not converge/);
    });
  });

  describe("with several families", () => {
    it("scores with the better one, and keeps the other", async () => {
      const { models, metrics, figure, scoring } = await run({}, ["bgnbd", "mbgnbd"]);
      assert.match(scoring!, /^mbgnbd-gg-[0-9a-f]{12}$/);
      assert.deepEqual(
        models.map(({ family, sample, is_champion }) => [family, sample, is_champion]),
        [
          ["bgnbd", "calibration", false],
          ["bgnbd", "production", false],
          ["mbgnbd", "calibration", true],
          ["mbgnbd", "production", true],
        ],
      );
      const { r, alpha, a, b } = fitBgNbd(
        columnsOf(["x", "tX", "T", "customers"], purchasesOf(all)),
        0,
      ).parameters;
      const { r: r2, alpha: alpha2, a: a2, b: b2 } = models[3] as Record<string, unknown>;
      assert.deepEqual([r2, alpha2, a2, b2], [r, alpha, a, b]);
      const other = metrics("candidate").find(
        ({ metric, predictor }) => metric === "count_mae" && predictor === "model",
      );
      assert.ok(Number(figure("count_mae")) < Number(other?.value));
    });

    it("takes BG/NBD where nothing can be compared", async () => {
      await fill({ production: all, calibration: [] }, 0);
      assert.match((await run({}, ["bgnbd", "mbgnbd"])).scoring!, /^bgnbd-gg-/);
    });

    it("evaluates a champion as the family that it is", async () => {
      await tables.fill("models", EARLIER, [
        { model_id: "c", family: "mbgnbd", sample: "calibration", is_champion: true, ...calibrated },
      ]);
      const { figure } = await run();
      const model = { purchases: { ...calibrated, firstDropOut: 0 }, gammaGamma: calibrated };
      const expected = evaluated(model, early);
      const mae = expected.find(({ metric, predictor }) => metric === "count_mae" && predictor === "model");
      assert.ok(Math.abs(Number(figure("count_mae", "champion")) - mae!.value) < 1e-9);
    });
  });

  it("scores with Pareto/NBD where that is fitted", async () => {
    const { models, scoring, figure } = await run({}, ["paretonbd"]);
    assert.match(scoring!, /^paretonbd-gg-[0-9a-f]{12}$/);
    const { parameters, standardErrors } = fitParetoNbd(
      columnsOf(["x", "tX", "T", "customers"], purchasesOf(all)),
    );
    const { r, alpha, s, beta, s_se, beta_se, a, b } = models[1]!;
    assert.deepEqual(
      { r, alpha, s, beta, s_se, beta_se, a, b },
      { ...parameters, s_se: standardErrors.s, beta_se: standardErrors.beta, a: null, b: null },
    );
    assert.ok(Number(figure("count_mae")) > 0);
  });

  it("warns when many more customers are outside of their intervals than the model expects", async () => {
    // In the hold-out every customer buys nine times
    const changed = early.map((customer) => ({ ...customer, actualPurchases: 9, actualRevenue: 900 }));
    await fill({ production: all, calibration: changed });
    const { warnings, figure } = await run();
    assert.match(
      warnings.join("\n"),
      /80 % intervals of purchases of bgnbd-gg-\w+ are too narrow: they held \d+\.\d %/,
    );
    assert.ok(Number(figure("purchases_interval_coverage")) < 0.5);
  });

  describe("a candidate", () => {
    /** The candidate predicts what happened, times this. */
    const predict = (model_id: string, factor: number, family = "boosting") =>
      early.map((customer, index) => ({
        family,
        model_id,
        sample: "calibration",
        customer_id: `c${10_000 + index}`,
        weeks: WEEKS,
        expected_purchases: customer.actualPurchases * factor,
        expected_value: customer.actualRevenue * factor,
      }));
    const fillPredictions = (...models: Row[][]) => tables.fill("predictions", DAY, models.flat());

    it("scores when it is better than the built-in model, which is kept", async () => {
      await fillPredictions(predict("boosting-1", 1));
      const { models, metrics, figure, scoring, warnings, artifact } = await run({ candidates: "boosting" });
      assert.equal(scoring, "boosting-1");
      assert.deepEqual(warnings, []);
      assert.equal(models[2]!.reason, artifact.decision.reason);
      assert.deepEqual(
        models.map(({ family, sample, files, is_champion }) => [family, sample, files, is_champion]),
        [
          ["bgnbd", "calibration", null, false],
          ["bgnbd", "production", null, false],
          ["boosting", "production", "models/boosting-1", true],
        ],
      );
      assert.match(String(models[0]!.reason), /^boosting-1 is better: count_mae \d.* against 0\.000/);
      assert.deepEqual([figure("count_mae"), metrics("candidate")[0]?.model_id], [0, models[0]!.model_id]);
    });

    it("has the coverage of its intervals, with a warning when they are too narrow", async () => {
      const narrow = predict("boosting-1", 1).map((row) => ({
        ...row,
        low: row.expected_value + 0.5,
        high: row.expected_value + 1,
      }));
      await fillPredictions(narrow);
      const { figure, scoring, warnings } = await run({ candidates: "boosting" });
      assert.equal(scoring, "boosting-1");
      assert.equal(figure("value_interval_coverage"), 0);
      assert.equal(
        warnings.join(),
        "The 80 % intervals of value of boosting-1 are too narrow: they held 0.0 % of the hold-out's customers, and the model expects 80.0 %.",
      );
    });

    it("is kept and does not score when it is worse", async () => {
      await fillPredictions(predict("boosting-1", 100));
      const { models, metrics, scoring } = await run({ candidates: "boosting" });
      assert.match(scoring!, /^bgnbd-gg-/);
      const { is_champion, converged, files } = models.find(({ family }) => family === "boosting")!;
      assert.deepEqual([is_champion, converged, files], [false, true, "models/boosting-1"]);
      assert.ok(metrics("candidate").every(({ model_id }) => model_id === "boosting-1"));
    });

    it("is not seen when it is off", async () => {
      await fillPredictions(predict("boosting-1", 1), predict("other-1", 1, "other"));
      assert.match((await run()).scoring!, /^bgnbd-gg-/);
      const { models } = await run({ candidates: "other" });
      assert.ok(models.every(({ family }) => family !== "boosting"));
    });

    it("predicts again with its champion, which stays when the new models are worse", async () => {
      const row = { model_id: "boosting-1", family: "boosting", sample: "production", is_champion: true };
      await tables.fill("models", EARLIER, [row]);
      await fillPredictions(predict("boosting-0", 100), predict("boosting-1", 1));
      const { models, figure, scoring, warnings } = await run({ candidates: "boosting" });
      assert.equal(scoring, "boosting-1");
      assert.equal(figure("count_mae", "champion"), 0);
      assert.match(warnings.join("\n"), /^The champion of 2024-05-01 scores/);
      assert.ok(models.every(({ model_id }) => model_id !== "boosting-1"));
    });

    it("scores with its champion where nothing else can, and where it makes no predictions", async () => {
      const row = { model_id: "boosting-1", family: "boosting", sample: "production", is_champion: true };
      await tables.fill("models", EARLIER, [row]);
      const compared = await run({ candidates: "boosting" });
      assert.equal(compared.scoring, "boosting-1");
      assert.match(compared.warnings.join(), /cannot be compared/);
      assert.deepEqual(compared.metrics("champion"), []);
      await fill({ production: [], calibration: [] });
      await tables.fill("holdout", DAY, holdoutOf(early));
      await fillPredictions(predict("boosting-1", 1));
      const { models, metrics, figure, scoring, warnings, artifact } = await run({ candidates: "boosting" });
      assert.deepEqual([scoring, models, metrics("holdout")], ["boosting-1", [], []]);
      assert.equal(figure("count_mae", "champion"), 0);
      assert.match(
        warnings.at(-1)!,
        /^The champion of 2024-05-01 scores, .* No new model could be fitted\.$/,
      );
      assert.deepEqual([artifact.model_id, artifact.holdout], [null, []]);
    });

    it("is kept without figures when there are no customers in the hold-out", async () => {
      await tables.fill("holdout", DAY, []);
      await fillPredictions(predict("boosting-1", 1));
      const { models, metrics, scoring } = await run({ candidates: "boosting" });
      assert.match(scoring!, /^bgnbd-gg-/);
      assert.equal(models.at(-1)?.model_id, "boosting-1");
      assert.deepEqual([metrics("holdout"), metrics("candidate")], [[], []]);
    });

    it("can't score with its champion when it is off, and that is said", async () => {
      const row = { model_id: "boosting-0", family: "boosting", sample: "production", is_champion: true };
      await tables.fill("models", EARLIER, [row]);
      const { scoring, warnings } = await run();
      assert.match(scoring!, /^bgnbd-gg-/);
      assert.match(warnings.join(), /boosting-0 is of the candidate boosting, which is off/);
      await tables.fill("models", DAY, []);
      await assert.rejects(run({ retrain: "no" }), {
        message: "The champion boosting-0 is of the candidate boosting, which is off.",
        remedy: "Turn the candidate boosting on, or run the date with retrain=yes.",
      });
      assert.equal((await run({ retrain: "no", candidates: "boosting" })).scoring, "boosting-0");
    });

    it("scores when the built-in model can't be fitted, and that is said", async () => {
      await fill({ production: [], calibration: [] });
      await tables.fill("holdout", DAY, holdoutOf(early));
      await fillPredictions(predict("boosting-1", 1));
      const { models, scoring, warnings } = await run({ candidates: "boosting" });
      assert.deepEqual([scoring, models.length], ["boosting-1", 1]);
      assert.match(warnings.join(), /^The built-in model could not be fitted\. There are no customers/);
    });

    it("without counts is not compared by counts, but by another figure", async () => {
      await fillPredictions(predict("boosting-1", 1).map((row) => ({ ...row, expected_purchases: null })));
      assert.match((await run({ candidates: "boosting" })).scoring!, /^bgnbd-gg-/);
      const { scoring } = await run({ candidates: "boosting", promotion_metric: "value_mae" });
      assert.equal(scoring, "boosting-1");
    });

    it("that ranks worse than the baselines scores only with a warning", async () => {
      const upsideDown = predict("boosting-1", 1).map((row) => ({
        ...row,
        expected_value: 1 / (1 + row.expected_value),
      }));
      await fillPredictions(upsideDown);
      const { scoring, warnings } = await run({ candidates: "boosting" });
      assert.equal(scoring, "boosting-1");
      assert.match(
        warnings.join("\n"),
        /boosting-1 ranks customers worse than past spend: its best tenth has \d+\.\d %/,
      );
    });
  });

  it("gives RFM only when no model can be fitted, and deletes the rows of an earlier try", async () => {
    await champion(calibrated);
    await run();
    await fill({ production: [], calibration: [] });
    const { scoring, models, warnings, metrics, artifact } = await run();
    assert.deepEqual([scoring, models, metrics("holdout"), metrics("champion")], ["", [], [], []]);
    assert.match(
      warnings.join("\n"),
      /^No model could be fitted, so the run gives RFM only\. There are no customers/,
    );
    assert.equal(artifact.model_id, null);
    assert.match(artifact.reason, /no customers/);
  });

  it("does not take a fault for a history that cannot be fitted", async () => {
    await assert.rejects(run({}, ["none" as Family]), TypeError);
    await tables.fill("model_statistics", DAY, [{ sample: "production", x: 1, t: 9, customers: 1 }]);
    await assert.rejects(train(modelStep("train", { run_date: DAY }), tables.warehouse), {
      name: "TypeError",
      message: "rfm.model_statistics has a row of 2024-06-01 without t_x.",
    });
  });

  it("evaluates and scores with the means of the customers' own purchases if Gamma-Gamma does not fit", async () => {
    const heavyTail = (seed: number) => simulate(seed, BG_NBD, { p: 4, q: 0.7, gamma: 20 });
    const samples = { production: heavyTail(1), calibration: heavyTail(2) };
    await fill(samples);
    const { scoring, models, warnings, artifact, figure } = await run();
    assert.match(scoring!, /^bgnbd-[0-9a-f]{12}$/);
    assert.equal(
      warnings.join("\n"),
      `The expected value of a purchase is the mean of the customer's own purchases. ${artifact.valueReason}`,
    );
    assert.match(artifact.valueReason, /^Gamma-Gamma's q is 0\.\d{4}: /);
    for (const row of models) {
      for (const column of ["p", "q", "gamma", "p_se", "q_se", "gamma_se", "gamma_gamma_log_likelihood"])
        assert.equal(row[column], null, column);
      assert.deepEqual([row.converged, row.is_champion], [true, true]);
      assert.equal(row.reason, `${artifact.decision.reason} ${warnings[0]}`);
    }
    const model = { purchases: fitPurchases(purchasesOf(samples.calibration)).parameters, gammaGamma: null };
    const expected = evaluated(model, samples.calibration);
    const total = expected.find((row) => row.predictor === "model" && row.metric === "total_revenue");
    assert.ok(Math.abs(Number(figure("total_revenue")) / total!.value - 1) < 1e-9);
  });

  it("warns when q of Gamma-Gamma is near 1, where the expected value has no bound", async () => {
    const heavyTail = { ...VALUE, q: 1.15 };
    const production = simulate(1, BG_NBD, heavyTail);
    const { q } = fitValues(valuesOf(production)).parameters;
    assert.ok(q > 1 && q < 1.5, `${q}`);
    await fill({ production, calibration: simulate(2, BG_NBD, heavyTail) });
    const { warnings } = await run({}, ["bgnbd", "mbgnbd"]);
    const near = warnings.filter((warning) => warning.startsWith("Gamma-Gamma's q is"));
    assert.equal(near.length, 1);
    assert.match(
      near[0]!,
      RegExp(`^Gamma-Gamma's q is ${q.toPrecision(4)} \\(standard error 0.\\d+\\), near 1`),
    );
  });

  it("keeps the files of a new champion where they do not expire, and returns it", async () => {
    const step = modelStep("train", { run_date: DAY });
    const promoted = await train(step, tables.warehouse, ["bgnbd"]);
    const { model_id } = step.report.outputs;
    assert.deepEqual(promoted, { model_id, family: "bgnbd", files: `models/${model_id}` });
    assert.equal(step.artifacts.get(`models/${model_id}/model.json`), step.artifacts.get("model"));
    await champion({ r: 0.2, alpha: 4, a: 0.8, b: 2.4, p: 6, q: 4, gamma: 15 });
    const kept = modelStep("train", { run_date: DAY, retrain: "no" as const });
    assert.equal(await train(kept, tables.warehouse, ["bgnbd"]), undefined);
  });

  describe("with retrain no", () => {
    it("lets the last champion score, also one of the run date, and changes no table", async () => {
      await champion(calibrated, DAY);
      const before = [await tables.rows("models"), await tables.rows("model_metrics")];
      const { scoring, artifact } = await run({ retrain: "no" });
      assert.equal(scoring, "champion");
      assert.deepEqual(artifact, { model_id: "champion", reason: "retrain is no." });
      assert.deepEqual([await tables.rows("models"), await tables.rows("model_metrics")], before);
    });

    it("fits a model when there is no champion yet, and says so", async () => {
      await champion(calibrated, "2024-07-01");
      const { scoring, warnings } = await run({ retrain: "no" });
      assert.match(String(scoring), /nbd-gg-/);
      assert.equal(
        warnings[0],
        "There is no champion up to 2024-06-01, so a model is fitted although retrain is no.",
      );
    });
  });
});
