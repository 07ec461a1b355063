import assert from "node:assert/strict";
import { rowsOf } from "../../test/columns.ts";
import { type ModelWarehouse, openModelWarehouse } from "../../test/model-warehouse.ts";
import {
  readBacktest,
  readCalendar,
  readChampion,
  readCustomerCounts,
  readHoldout,
  readPredictedHoldouts,
  readStatistics,
  replaceMetrics,
  replaceModels,
} from "./model-tables.ts";

const DAY = "2024-01-01";
const OTHER_DAY = "2024-02-01";
const OUTCOME = { x: 2, t: 9, rfm_score: 7.5, past_spend: 30, actual_purchases: 1, actual_value: 12 };

describe("tables of the model", () => {
  let tables: ModelWarehouse;
  before(async () => {
    tables = await openModelWarehouse();
  });
  after(() => tables.close());

  it("gives the weeks of the hold-out on the run date, 0 when there is no calendar", async () => {
    await tables.fill("run_calendar", DAY, [{ holdout_weeks: 13 }]);
    assert.equal((await readCalendar(tables.warehouse, DAY)).holdout_weeks, 13);
    assert.equal((await readCalendar(tables.warehouse, OTHER_DAY)).holdout_weeks, 0);
  });

  it("reads the statistics of the run date by the names of the papers", async () => {
    await tables.fill("model_statistics", DAY, [{ sample: "production", x: 2, t_x: 4, t: 9, customers: 3 }]);
    await tables.fill("value_statistics", DAY, [
      { sample: "calibration", x: 2, mean_value: 5, customers: 3 },
    ]);
    const read = async (day: string, sample: "production" | "calibration") => {
      const { purchases, values } = await readStatistics(tables.warehouse, day, sample);
      return [rowsOf(purchases), rowsOf(values)];
    };
    assert.deepEqual(await read(DAY, "production"), [[{ x: 2, tX: 4, T: 9, customers: 3 }], []]);
    assert.deepEqual(await read(DAY, "calibration"), [[], [{ x: 2, meanValue: 5, customers: 3 }]]);
    assert.deepEqual(await read(OTHER_DAY, "production"), [[], []]);
  });

  it("reads the customers of the hold-out and of the back-test, in the order of their ids", async () => {
    const customer = { ...OUTCOME, t_x: 4, value_count: 0, mean_value: null };
    const scored = { ...OUTCOME, weeks: 4, predicted_purchases: 0.5, predicted_value: 6 };
    const inReverse = <Customer extends object>(one: Customer) =>
      ["c3", "c20", "c1"].map((customer_id) => ({ customer_id, ...one, x: Number(customer_id.slice(1)) }));
    await tables.fill("holdout", DAY, inReverse(customer));
    await tables.fill("backtest", DAY, inReverse(scored));
    assert.deepEqual(
      rowsOf(await readHoldout(tables.warehouse, DAY)),
      [1, 20, 3].map((x) => ({ ...customer, x, mean_value: Number.NaN })),
    );
    assert.deepEqual(
      rowsOf(await readBacktest(tables.warehouse, DAY)),
      [1, 20, 3].map((x) => ({ ...scored, x })),
    );
  });

  it("counts the customers of each sample of the run date", async () => {
    const samples = ["production", "production", "calibration"];
    await tables.fill(
      "customer_history",
      DAY,
      samples.map((sample) => ({ sample })),
    );
    assert.deepEqual(await readCustomerCounts(tables.warehouse, DAY), { production: 2, calibration: 1 });
    assert.deepEqual(await readCustomerCounts(tables.warehouse, OTHER_DAY), {
      production: 0,
      calibration: 0,
    });
  });

  it("reads what the candidates that are on predict for the hold-out", async () => {
    const holdout = { ...OUTCOME, t_x: 4, value_count: 0, mean_value: null };
    await tables.fill(
      "holdout",
      DAY,
      ["b", "a"].map((customer_id, i) => ({ customer_id, ...holdout, x: i })),
    );
    const prediction = { weeks: 9, expected_purchases: null, low: 1, high: 3 };
    const of = (family: string, model_id: string, sample: string, expected_value: number) =>
      ["a", "b"].map((customer_id) => ({
        ...{ family, model_id, sample, customer_id, ...prediction },
        expected_value: customer_id === "a" ? expected_value : 0,
      }));
    await tables.fill("predictions", DAY, [
      ...of("two", "two-1", "calibration", 5),
      ...of("one", "one-2", "calibration", 7),
      ...of("one", "one-1", "calibration", 6),
      ...of("one", "one-2", "production", 8),
      ...of("off", "off-1", "calibration", 9),
    ]);
    const read = await readPredictedHoldouts(tables.warehouse, DAY, ["two", "one"]);
    assert.deepEqual(
      read.map(({ family, model_id }) => [family, model_id]),
      [
        ["one", "one-1"],
        ["one", "one-2"],
        ["two", "two-1"],
      ],
    );
    const { t_x: _1, value_count: _2, mean_value: _3, ...outcome } = holdout;
    const figures = { ...outcome, expected_purchases: Number.NaN, low: 1, high: 3 };
    assert.deepEqual(rowsOf(read[1]!.customers), [
      { ...figures, x: 1, expected_value: 7 },
      { ...figures, x: 0, expected_value: 0 },
    ]);
    assert.deepEqual(await readPredictedHoldouts(tables.warehouse, DAY, []), []);
    assert.deepEqual(await readPredictedHoldouts(tables.warehouse, OTHER_DAY, ["one"]), []);
  });

  it("refuses a row without a value that the model needs", async () => {
    await tables.fill("model_statistics", OTHER_DAY, [
      { sample: "production", x: 2, t_x: null, t: 9, customers: 3 },
    ]);
    await assert.rejects(readStatistics(tables.warehouse, OTHER_DAY, "production"), /without t_x/);
  });

  describe("the champion", () => {
    const model = (model_id: string, sample: string, r: number, is_champion = true) => ({
      model_id,
      sample,
      is_champion,
      ...{ r, alpha: 2, a: 3, b: 4, p: 5, q: 6, gamma: 7 },
    });
    const idOf = async (date: string, when: "before" | "until") =>
      (await readChampion(tables.warehouse, date, when))?.model_id;

    before(async () => {
      await tables.fill("models", "2024-03-01", [
        model("old", "production", 1),
        model("old", "calibration", 9),
      ]);
      await tables.fill("models", "2024-03-02", [model("new", "production", 1)]);
      await tables.fill("models", "2024-03-03", [model("refused", "production", 1, false)]);
    });

    it("is the last one before the run date, or up to it", async () => {
      assert.equal(await idOf("2024-03-01", "before"), undefined);
      assert.equal(await idOf("2024-03-01", "until"), "old");
      assert.equal(await idOf("2024-03-02", "before"), "old");
      assert.equal(await idOf("2024-03-02", "until"), "new");
      assert.equal(await idOf("2024-03-09", "until"), "new");
    });

    it("has the parameters that were fitted without its hold-out", async () => {
      assert.deepEqual(await readChampion(tables.warehouse, "2024-03-01", "until"), {
        model_id: "old",
        run_date: "2024-03-01",
        family: "bgnbd",
        model: {
          purchases: { r: 9, alpha: 2, a: 3, b: 4 },
          gammaGamma: { p: 5, q: 6, gamma: 7 },
        },
      });
    });

    it("has the parameters of its family", async () => {
      const row = { model_id: "m", sample: "production", is_champion: true, r: 1, alpha: 2 };
      const cases = [
        [
          { family: "mbgnbd", a: 3, b: 4 },
          { r: 1, alpha: 2, a: 3, b: 4, firstDropOut: 0 },
        ],
        [
          { family: "paretonbd", s: 3, beta: 4 },
          { r: 1, alpha: 2, s: 3, beta: 4 },
        ],
      ];
      for (const [own, expected] of cases) {
        await tables.fill("models", "2024-03-06", [{ ...row, ...own }]);
        const champion = await readChampion(tables.warehouse, "2024-03-06", "until");
        assert.deepEqual(champion?.model?.purchases, expected);
      }
      await tables.fill("models", "2024-03-06", []);
    });

    it("has no Gamma-Gamma when that was not used", async () => {
      for (const missing of ["p", "q", "gamma"]) {
        const { [missing]: _, ...rest } = model("own-mean", "production", 1) as Record<string, unknown>;
        await tables.fill("models", "2024-03-04", [rest]);
        const champion = await readChampion(tables.warehouse, "2024-03-04", "until");
        assert.deepEqual([champion?.model_id, champion?.model?.gammaGamma], ["own-mean", null]);
      }
    });

    it("is a candidate's model when it has no parameters", async () => {
      const row = { model_id: "boosting-1", family: "boosting", sample: "production", is_champion: true };
      await tables.fill("models", "2024-03-05", [row]);
      const expected = { model_id: "boosting-1", run_date: "2024-03-05", family: "boosting", model: null };
      assert.deepEqual(await readChampion(tables.warehouse, "2024-03-05", "until"), expected);
      await tables.fill("models", "2024-03-05", []);
    });
  });

  it("replaces the models of the run date only", async () => {
    const count = async () => (await tables.rows("models")).length;
    const row = { run_date: "2024-04-01", model_id: "m", sample: "production" };
    const before = await count();
    assert.equal(await replaceModels(tables.warehouse, "2024-04-01", [row]), 1);
    assert.equal(await replaceModels(tables.warehouse, "2024-04-01", [{ ...row, model_id: "n" }]), 1);
    assert.equal(await count(), before + 1);
    assert.equal(await replaceModels(tables.warehouse, "2024-04-01", []), 0);
    assert.equal(await count(), before);
  });

  it("replaces the metrics of one evaluation on the run date only", async () => {
    const metric = { predictor: "model", metric: "count_mae", bucket: null, value: 0.5 } as const;
    for (const [date, evaluation] of [
      [DAY, "holdout"],
      [DAY, "champion"],
      [OTHER_DAY, "holdout"],
    ] as const) {
      await replaceMetrics(tables.warehouse, date, {
        [evaluation]: [{ model_id: "old", metrics: [{ ...metric, value: 9 }] }],
      });
    }
    assert.equal(
      await replaceMetrics(tables.warehouse, DAY, { holdout: [{ model_id: "new", metrics: [metric] }] }),
      1,
    );
    const expected = [
      [DAY, "new", "holdout", 0.5],
      [DAY, "old", "champion", 9],
      [OTHER_DAY, "old", "holdout", 9],
    ].map(([run_date, model_id, evaluation, value]) => ({
      ...metric,
      run_date,
      model_id,
      evaluation,
      value,
    }));
    assert.deepEqual(await tables.rows("model_metrics"), expected);
  });
});
