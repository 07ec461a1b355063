import assert from "node:assert/strict";
import { modelStep } from "../../test/model-step.ts";
import { type ModelWarehouse, openModelWarehouse } from "../../test/model-warehouse.ts";
import { backtest } from "./backtest.ts";

const DAY = "2024-01-01";

describe("backtest", () => {
  let tables: ModelWarehouse;
  before(async () => {
    tables = await openModelWarehouse();
  });
  after(() => tables.close());

  const figures = async () => {
    const rows = await tables.rows("model_metrics");
    assert.ok(rows.every(({ evaluation, model_id }) => evaluation === "backtest" && model_id === "m"));
    return (predictor: string, metric: string) =>
      rows.find((row) => row.predictor === predictor && row.metric === metric)?.value;
  };

  it("compares what was expected with what happened", async () => {
    const customer = { weeks: 4, x: 3, t: 6, rfm_score: 5, past_spend: 40 };
    await tables.fill("backtest", DAY, [
      { ...customer, predicted_purchases: 1.5, predicted_value: 10, actual_purchases: 2, actual_value: 20 },
      // A customer whose first purchase was the day before: there is no past rate.
      {
        ...customer,
        x: 0,
        t: 0,
        predicted_purchases: 1,
        predicted_value: 9,
        actual_purchases: 0,
        actual_value: 0,
      },
    ]);
    const step = modelStep("backtest", { run_date: DAY, model_id: "m" });
    await backtest(step, tables.warehouse);
    const figure = await figures();
    assert.equal(figure("model", "count_mae"), 0.75);
    assert.equal(figure("model", "total_revenue"), 19);
    assert.equal(figure("oracle", "total_revenue"), 20);
    // 3 repeat purchases in 6 weeks are 2 in 4 weeks.
    assert.equal(figure("past_rate", "total_purchases"), 2);
    assert.equal(step.report.rows["rfm.model_metrics"], (await tables.rows("model_metrics")).length);
  });

  it("deletes the metrics of an earlier try when nothing happened after the run date", async () => {
    await tables.fill("backtest", DAY, []);
    const step = modelStep("backtest", { run_date: DAY, model_id: "m" });
    await backtest(step, tables.warehouse);
    assert.deepEqual(await tables.rows("model_metrics"), []);
    assert.equal(step.report.rows["rfm.model_metrics"], 0);
  });
});
