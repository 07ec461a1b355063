import assert from "node:assert/strict";
import { compile, type Graph } from "dataform-check/dataform";
import fc from "fast-check";
import type { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { runSettings } from "../../contracts/run.ts";
import type { Row } from "../../contracts/warehouse.ts";
import { routines } from "../../jobs/clv/routines.ts";
import { sqlParameters } from "../../jobs/sql-runner/parameters.ts";
import { actionsOfStep, type Result, runActions } from "../../jobs/sql-runner/runner.ts";
import { createLogger } from "../../lib/log.ts";
import { sqlDir } from "../../lib/project.ts";
import { temporaryWarehouse, writeOrders } from "../temporary-warehouse.ts";

interface Order {
  readonly id: string | null;
  readonly customer: string | null;
  readonly on: string | null;
  readonly amount: number | null;
}

/** The SQL project on small order logs. */
describe("SQL project", function () {
  this.timeout(300_000);
  const log = createLogger({ component: "test" }, "silent");
  let warehouse: DuckDbWarehouse;
  let graph: Graph;

  temporaryWarehouse(
    (opened) => {
      warehouse = opened;
      graph = compile(sqlDir, { project: warehouse.project });
    },
    { routines },
  );

  async function features(
    orders: readonly Order[],
    settings: Record<string, unknown> = {},
    run_date = "2024-03-01",
  ): Promise<Result> {
    await writeOrders(
      warehouse,
      orders.map(({ id, customer, on, amount }) => [id, customer, on, amount]),
    );
    const parameters = sqlParameters({ ...runSettings.parse(settings), run_date, model_id: "" });
    return await runActions(warehouse, sqlDir, actionsOfStep(graph, "features"), parameters, log);
  }
  const rowsOf = (sql: string): Promise<Row[]> => warehouse.query(sql);
  /** All tables of the features step, sorted. */
  const everything = async (): Promise<unknown> => {
    const tables = [
      "run_calendar",
      "customer_history",
      "customer_features",
      "model_statistics",
      "value_statistics",
      "holdout",
    ];
    return await Promise.all(
      tables.map((table) =>
        warehouse.withConnection(async (connection) => {
          const reader = await connection.runAndReadAll(`FROM rfm.${table} ORDER BY ALL`);
          return reader.getRowsJson();
        }),
      ),
    );
  };

  const buy = (id: string, customer: string, on: string, amount = 10): Order => ({
    id,
    customer,
    on,
    amount,
  });

  it("rejects invalid orders, each with its reason, and fails above the allowed share", async () => {
    const result = await features([
      buy("1", "a", "2024-01-01"),
      { ...buy("2", "a", "2024-01-02"), customer: null },
      { ...buy("3", " ", "2024-01-02") },
      { ...buy("4", "a", "2024-01-02"), on: null },
      buy("5", "a", "2024-01-02", -1),
      buy("6", "a", "2024-01-02", Number.NaN),
      buy("7", "a", "2024-01-02", Number.POSITIVE_INFINITY),
      { ...buy("8", "a", "2024-01-02"), amount: null },
      { ...buy("9", "a", "2024-01-02"), id: null },
      buy("10", "b", "2024-01-05"),
      buy("10", "b", "2024-01-05"),
      buy("10", "b", "2024-01-03", -5),
      buy("11", "a", "2024-02-01", -1),
      buy("12", "a", "2024-03-01", -1),
      buy("13", "a", "2024-01-02", 1e13),
      buy("14", "a", new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10)),
    ]);
    const rejected = await rowsOf(
      "SELECT order_id, rejection_reason FROM rfm.rejected_orders ORDER BY order_id, rejection_reason",
    );
    assert.deepEqual(rejected.map(Object.values), [
      [null, "no order id"],
      ["10", "duplicate"],
      ["10", "negative amount"],
      ["11", "negative amount"],
      ["13", "amount over 1e12"],
      ["14", "date in the future"],
      ["2", "no customer"],
      ["3", "no customer"],
      ["4", "no date"],
      ["5", "negative amount"],
      ["6", "amount is not finite"],
      ["7", "amount is not finite"],
      ["8", "no amount"],
    ]);
    const [b] = await rowsOf(
      "SELECT total_value FROM rfm.customer_history WHERE customer_id = 'b' AND sample = 'production'",
    );
    assert.equal(b?.total_value, 10, "an order that is there twice counts once");
    assert.match(result.failures.join("\n"), /rejected_share does not hold.*rejected_share 0\.8667/);
  });

  it("continues when few orders are invalid", async () => {
    const orders = Array.from({ length: 40 }, (_, day) =>
      buy(String(day), "a", `2024-01-${String((day % 28) + 1).padStart(2, "0")}`),
    );
    const result = await features([...orders, buy("x", "a", "2024-01-01", -1)]);
    assert.deepEqual(result.failures, []);
  });

  it("counts as Fader, Hardie and Lee do: a day is one purchase, ages in weeks to the day before the run date", async () => {
    await features([
      buy("1", "a", "2024-01-02 08:00:00+00", 10),
      buy("2", "a", "2024-01-02 20:00:00+00", 5.5),
      buy("3", "a", "2024-01-09", 0),
      buy("4", "a", "2024-01-16", 20),
      buy("5", "a", "2024-01-23", 7),
      buy("6", "b", "2024-02-22", 3),
    ]);
    const rows = await rowsOf(
      "SELECT customer_id, x, t_x, t, value_count, mean_value, total_value, recency_days, frequency, monetary_value FROM rfm.customer_history WHERE sample = 'production' ORDER BY customer_id",
    );
    assert.deepEqual(rows.map(Object.values), [
      // 2024-02-29 is the day before the run date: 58 days after January 2nd, 37 after January 23rd.
      ["a", 3, 3, 58 / 7, 2, 13.5, 42.5, 37, 4, 42.5],
      ["b", 0, 0, 1, 0, null, 3, 7, 1, 3],
    ]);
  });

  it("looks back over the RFM window only for frequency and monetary value", async () => {
    const orders = [
      buy("1", "a", "2024-01-01", 10),
      buy("2", "a", "2024-02-20", 4),
      buy("3", "b", "2024-01-01", 9),
    ];
    await features(orders, { rfm_window_days: 30 });
    const rows = await rowsOf(
      "SELECT customer_id, recency_days, frequency, monetary_value FROM rfm.customer_features ORDER BY customer_id",
    );
    assert.deepEqual(rows.map(Object.values), [
      ["a", 9, 1, 4],
      ["b", 59, 0, 0],
    ]);
  });

  it("evaluates on the last quarter of the history, at most the horizon, or on the weeks of the setting", async () => {
    const orders = [buy("1", "a", "2023-12-08"), buy("2", "a", "2024-02-10", 8), buy("3", "b", "2024-01-10")];
    await features(orders);
    const calendar =
      "SELECT holdout_weeks, calibration_end FROM rfm.run_calendar WHERE run_date = DATE '2024-03-01'";
    assert.deepEqual(await rowsOf(calendar), [{ holdout_weeks: 3, calibration_end: "2024-02-09" }]);
    const holdout =
      "SELECT customer_id, x, t, actual_purchases, actual_value FROM rfm.holdout ORDER BY customer_id";
    assert.deepEqual((await rowsOf(holdout)).map(Object.values), [
      ["a", 0, 62 / 7, 1, 8],
      ["b", 0, 29 / 7, 0, 0],
    ]);
    await features(orders, { horizon_weeks: 2 });
    assert.deepEqual(await rowsOf(calendar), [{ holdout_weeks: 2, calibration_end: "2024-02-16" }]);
    const { failures } = await features(orders, { holdout_weeks: 13 });
    assert.match(failures.join(), /holdout_within_history does not hold/);
  });

  it("reports when there is no order before the run date, and when the last order is old", async () => {
    const none = await features([buy("1", "a", "2024-05-01")]);
    assert.match(none.failures.join(), /orders_before_run_date does not hold.*first_order_on 2024-05-01/);
    const old = await features([buy("1", "a", "2023-05-01"), buy("2", "a", "2023-06-01")]);
    assert.deepEqual(old.failures, []);
    assert.match(
      old.warnings.join(),
      /orders_are_fresh does not hold.*last_order_on 2023-06-01, days_before_run_date 274/,
    );
  });

  const logs = fc
    .array(
      fc.record({
        customer: fc.constantFrom("a", "b", "c", "d", "e", "f", "ü"),
        day: fc.integer({ min: 0, max: 120 }),
        amount: fc.constantFrom(0, 1, 5, 9.99, 20, 100),
      }),
      { minLength: 1, maxLength: 60 },
    )
    .map((orders) =>
      orders.map(({ customer, day, amount }, index) =>
        buy(
          String(index),
          customer,
          new Date(Date.UTC(2023, 11, 1 + day)).toISOString().slice(0, 10),
          amount,
        ),
      ),
    );

  it("gives equal values equal scores, and better ones no worse scores", async () => {
    await fc.assert(
      fc.asyncProperty(logs, async (orders) => {
        await features(orders);
        const rows = await rowsOf(
          "SELECT recency_days, frequency, monetary_value, r_score, f_score, m_score FROM rfm.customer_features",
        );
        for (const one of rows) {
          for (const other of rows) {
            const pairs = [
              [-Number(one.recency_days), -Number(other.recency_days), one.r_score, other.r_score],
              [one.frequency, other.frequency, one.f_score, other.f_score],
              [one.monetary_value, other.monetary_value, one.m_score, other.m_score],
            ] as [number, number, number, number][];
            for (const [value, otherValue, score, otherScore] of pairs) {
              assert.ok(score >= 1 && score <= 5);
              if (value === otherValue) assert.equal(score, otherScore);
              if (value > otherValue) assert.ok(score >= otherScore);
            }
          }
        }
      }),
      { numRuns: 6 },
    );
  });

  it("does not depend on the sequence of orders, nor on orders after the run date", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.integer({ min: 0, max: 60 }), async (orders, days) => {
        await features(orders);
        const first = await everything();
        await features(orders.toReversed());
        assert.deepEqual(await everything(), first);
        const moved = orders.map((order) => {
          if (order.on! < "2024-03-01") return order;
          const later = new Date(Date.parse(order.on!) + days * 86_400_000).toISOString().slice(0, 10);
          return { ...order, on: later, amount: order.amount! + 1, customer: "z" };
        });
        await features(moved);
        assert.deepEqual(await everything(), first);
      }),
      { numRuns: 5 },
    );
  });

  it("gives segments the same shares, to the last digit, in any sequence of rows", async () => {
    const model = graph.actions.filter(({ target }) => target.name === "rfm_segments");
    const parameters = sqlParameters({ ...runSettings.parse({}), run_date: "2024-03-01", model_id: "" });
    const shares = async (sequence: string): Promise<Row[]> => {
      await warehouse.withConnection((connection) =>
        connection.run(
          `CREATE SCHEMA IF NOT EXISTS mlops_mkt;
           CREATE OR REPLACE TABLE rfm.segments AS
           SELECT 's' || i AS segment, i AS position, '' AS advice FROM range(3) AS t(i) ORDER BY i ${sequence};
           CREATE OR REPLACE TABLE mlops_mkt.rfm AS
           SELECT DATE '2024-03-01' AS run_date, 's' || i AS segment, 0.5 AS p_active, 1.0 AS expected_value,
             (i + 1)::DOUBLE / 10 AS monetary_value FROM range(3) AS t(i) ORDER BY i ${sequence}`,
        ),
      );
      await runActions(warehouse, sqlDir, model, parameters, log);
      return await rowsOf("SELECT segment, revenue_share FROM mlops_mkt.rfm_segments ORDER BY segment");
    };
    assert.deepEqual(await shares("DESC"), await shares("ASC"));
  });
});
