import assert from "node:assert/strict";
import { compile, type Graph } from "dataform-check/dataform";
import fc from "fast-check";
import type { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { runSettings } from "../../contracts/run.ts";
import type { Row } from "../../contracts/warehouse.ts";
import { sqlParameters } from "../../jobs/sql-runner/parameters.ts";
import { actionsOfStep, runActions } from "../../jobs/sql-runner/runner.ts";
import { createLogger } from "../../lib/log.ts";
import { sqlDir } from "../../lib/project.ts";
import { temporaryWarehouse, writeOrders } from "../temporary-warehouse.ts";

const RUN_DATE = "2024-03-01";
const CALIBRATION_END = "2024-02-02";
const EARLIER_END = "2024-01-05";
const run = runSettings.parse({ holdout_weeks: 4, refunds: "net", max_rejected_share: 1 });

interface Order {
  readonly id: number;
  readonly customer: string;
  /** YYYY-MM-DD. */
  readonly day: string;
  /** Below zero for a refund, of an order with this id or with another one. */
  readonly amount: number;
}
const orders = fc.array(
  fc.record({
    id: fc.integer({ min: 1, max: 12 }),
    customer: fc.constantFrom("a", "b", "c"),
    day: fc
      .integer({ min: 0, max: 130 })
      .map((day) => new Date(Date.parse("2023-11-01") + day * 86_400_000).toISOString().slice(0, 10)),
    amount: fc.constantFrom(10, 20, 30, -10, -20, -5),
  }),
  { minLength: 15, maxLength: 40 },
);

/** What models are fitted on and predict with, and the first day that none of it may know. */
const KNOWN_BEFORE = {
  "examples calibration fit": CALIBRATION_END,
  "examples calibration predict": CALIBRATION_END,
  "examples production fit": RUN_DATE,
  "examples production predict": RUN_DATE,
  "features calibration fit": EARLIER_END,
  "features calibration predict": CALIBRATION_END,
  "features production fit": CALIBRATION_END,
  "history calibration": CALIBRATION_END,
  "history production": RUN_DATE,
};

describe("models know nothing of the days that they predict", function () {
  this.timeout(120_000);
  let warehouse: DuckDbWarehouse;
  let graph: Graph;
  temporaryWarehouse((opened) => {
    warehouse = opened;
    graph = compile(sqlDir, { project: warehouse.project });
  });

  async function known(log: readonly Order[]): Promise<Record<string, Row[]>> {
    await writeOrders(
      warehouse,
      log.map(({ id, customer, day, amount }) => [String(id), customer, `${day} 12:00:00+00`, amount]),
    );
    const actions = ["features", "examples"].flatMap((step) => actionsOfStep(graph, step));
    const models = actions.filter(({ kind }) => kind === "model");
    const values = sqlParameters({ ...run, run_date: RUN_DATE, model_id: "" });
    await runActions(warehouse, sqlDir, models, values, createLogger({ component: "test" }, "silent"));
    const examples = await warehouse.query("SELECT * FROM rfm.examples ORDER BY customer_id");
    const history = await warehouse.query("SELECT * FROM rfm.customer_history ORDER BY customer_id");
    const parts: Record<string, Row[]> = {};
    for (const name of Object.keys(KNOWN_BEFORE)) {
      const [table, sample, purpose] = name.split(" ");
      if (table === "history") parts[name] = history.filter((row) => row.sample === sample);
      else {
        const rows = examples.filter((row) => row.sample === sample && row.purpose === purpose);
        parts[name] =
          table === "examples"
            ? rows
            : rows.map(({ actual_purchases: _, actual_value: __, ...features }) => features);
      }
    }
    return parts;
  }

  it("with net refunds, orders and refunds from a day on do not change what was known before it", async () => {
    let rows = 0;
    const order = (id: number, day: string, amount: number): Order => ({ id, customer: "a", day, amount });
    const takenByAnother = [
      order(1, "2023-11-05", 10),
      order(2, "2023-11-10", 10),
      order(9, "2023-11-20", -10),
    ];
    const refundOfIt = [order(2, "2024-01-20", -10)];
    await fc.assert(
      fc.asyncProperty(orders, orders, async (log, other) => {
        const expected = await known(log);
        for (const day of [EARLIER_END, CALIBRATION_END, RUN_DATE]) {
          const later = other.filter((order) => order.day >= day);
          const changed = await known([...log.filter((order) => order.day < day), ...later]);
          for (const [name, known_before] of Object.entries(KNOWN_BEFORE)) {
            if (known_before > day) continue;
            assert.deepEqual(changed[name], expected[name], `${name}, changed from ${day} on`);
            rows += expected[name]!.length;
          }
        }
      }),
      { numRuns: 4, endOnFailure: true, examples: [[takenByAnother, refundOfIt]] },
    );
    assert.ok(rows > 100, `${rows} rows compared`);
  });
});
