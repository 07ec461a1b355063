import assert from "node:assert/strict";
import { compile, type Graph } from "dataform-check/dataform";
import fc from "fast-check";
import type { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { runSettings } from "../../contracts/run.ts";
import { routines } from "../../jobs/clv/routines.ts";
import { startOrderRead } from "../../jobs/sql-runner/order-reads.ts";
import { FIRST_DAY, sqlParameters } from "../../jobs/sql-runner/parameters.ts";
import { actionsOfStep, type Result, runActions } from "../../jobs/sql-runner/runner.ts";
import { createLogger } from "../../lib/log.ts";
import { sqlDir } from "../../lib/project.ts";
import { temporaryWarehouse, writeOrders } from "../temporary-warehouse.ts";

/** A row of the log. Equal rows are duplicates. */
interface Order {
  readonly id: number;
  readonly customer: string | null;
  /** Days after 2024-01-01; null for no date. */
  readonly day: number | null;
  readonly hour: number;
  readonly amount: number | null;
}

/** What happens in the log on one day, and the runs after it. */
interface Day {
  readonly orders: readonly (Omit<Order, "id" | "day"> & {
    readonly late: number;
    readonly copies: number;
  })[];
  readonly corrected: readonly { readonly place: number; readonly amount: number }[];
  readonly removed: readonly number[];
  /** The run date is so many days before today. */
  readonly runs: readonly number[];
}

const LATE_DAYS = 4;
const dateOf = (day: number): string => new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10);
const settings = {
  late_orders_days: LATE_DAYS,
  shop_time_zone: "America/Los_Angeles",
  max_rejected_share: 1,
};

/** The tables of the step `features`. Of the staging tables a run replaces days, of the others its run date. */
const TABLES = [
  "checked_orders",
  "order_days",
  "purchases",
  "set_aside_orders",
  "rejected_orders",
  "run_calendar",
  "earlier_purchases",
  "customer_history",
  "customer_features",
  "model_statistics",
  "value_statistics",
  "holdout",
];

describe("a run that reads what is new", function () {
  this.timeout(300_000);
  const log = createLogger({ component: "test" }, "silent");
  let incremental: DuckDbWarehouse;
  let full: DuckDbWarehouse;
  let graph: Graph;

  temporaryWarehouse(
    (opened) => {
      incremental = opened;
      graph = compile(sqlDir, { project: incremental.project });
    },
    { routines },
  );
  temporaryWarehouse(
    (opened) => {
      full = opened;
    },
    { routines },
  );

  const clear = (warehouse: DuckDbWarehouse): Promise<unknown> =>
    warehouse.withConnection((connection) =>
      connection.run(
        "DROP SCHEMA IF EXISTS rfm CASCADE; CREATE SCHEMA rfm; DROP SCHEMA IF EXISTS raw CASCADE",
      ),
    );

  /** Runs the step. Returns the first day that it read, too. */
  async function features(
    warehouse: DuckDbWarehouse,
    orders: readonly Order[],
    run_date: string,
    more: Record<string, unknown> = {},
  ): Promise<Result & { since: string }> {
    await writeOrders(
      warehouse,
      orders.map(({ id, customer, day, hour, amount }) => {
        const time = day === null ? null : `${dateOf(day)} ${String(hour).padStart(2, "0")}:00:00+00`;
        return [String(id), customer, time, amount];
      }),
    );
    const run = { ...runSettings.parse({ ...settings, ...more }), run_id: "run", run_date, step: "features" };
    const actions = actionsOfStep(graph, "features");
    const read = await startOrderRead(warehouse, graph, actions, run);
    const values = sqlParameters({ ...run, model_id: "" }, read.since);
    const result = await runActions(warehouse, sqlDir, actions, values, log);
    await read.done();
    return { ...result, since: read.since };
  }

  const tablesOf = (warehouse: DuckDbWarehouse, run_date: string): Promise<Record<string, unknown>> =>
    warehouse.withConnection(async (connection) => {
      const tables: Record<string, unknown> = {};
      for (const table of TABLES) {
        const { columns } = graph.actions.find(({ target }) => target.name === table)!;
        const where = "run_date" in columns ? `WHERE run_date = DATE '${run_date}'` : "";
        tables[table] = (
          await connection.runAndReadAll(`FROM rfm.${table} ${where} ORDER BY ALL`)
        ).getRowsJson();
      }
      return tables;
    });

  const days = fc.array(
    fc.record<Day>({
      orders: fc.array(
        fc.record({
          customer: fc.option(fc.constantFrom("a", "b", "c", "d"), { freq: 9 }),
          hour: fc.integer({ min: 0, max: 23 }),
          amount: fc.option(fc.constantFrom(0, 5, 9.99, 20, -5), { freq: 12 }),
          // One more is an order without a date.
          late: fc.integer({ min: 0, max: LATE_DAYS + 1 }),
          copies: fc.constantFrom(1, 1, 1, 2),
        }),
        { maxLength: 4 },
      ),
      corrected: fc.array(fc.record({ place: fc.nat(), amount: fc.constantFrom(1, 7) }), { maxLength: 1 }),
      removed: fc.array(fc.nat(), { maxLength: 1 }),
      runs: fc.array(fc.constantFrom(0, 0, 0, 1, 9), { maxLength: 2 }),
    }),
    { minLength: 2, maxLength: 14 },
  );

  /** The log after each day of its life: only the days of the look-back change. */
  function replay(stream: readonly Day[]): { today: number; orders: Order[]; runs: readonly number[] }[] {
    let orders: Order[] = [{ id: 0, customer: "a", day: 0, hour: 12, amount: 3 }];
    let id = 0;
    return stream.map(({ orders: added, corrected, removed, runs }, index) => {
      const today = index * 2 + 1;
      for (const { late, copies, ...order } of added) {
        const day = late > LATE_DAYS ? null : today - late;
        id += 1;
        for (let copy = 0; copy < copies; copy += 1) orders.push({ ...order, id, day });
      }
      const recent = orders.filter(({ day }) => day !== null && day >= today - LATE_DAYS + 1);
      const at = (place: number): Order | undefined => recent[place % Math.max(1, recent.length)];
      for (const { place, amount } of corrected) {
        const changed = at(place);
        orders = orders.map((order) => (order === changed ? { ...order, amount } : order));
      }
      for (const place of removed) {
        const gone = at(place);
        orders = orders.filter((order) => order !== gone || order.id === 0);
      }
      return { today, orders: [...orders], runs };
    });
  }

  it("makes the tables that a read of all orders makes: late, corrected, removed and doubled orders, and earlier run dates", async () => {
    let narrow = 0;
    await fc.assert(
      fc.asyncProperty(days, async (stream) => {
        await clear(incremental);
        for (const { today, orders, runs } of replay(stream)) {
          for (const back of runs) {
            const run_date = dateOf(Math.max(1, today + 1 - back));
            const { since, failures } = await features(incremental, orders, run_date);
            if (since > FIRST_DAY) narrow += 1;
            await clear(full);
            const expected = await features(full, orders, run_date, { full_refresh: "on" });
            assert.deepEqual(failures, expected.failures);
            assert.deepEqual(await tablesOf(incremental, run_date), await tablesOf(full, run_date));
          }
        }
      }),
      { numRuns: 4, endOnFailure: true },
    );
    assert.ok(narrow > 0, "some runs read only what is new");
  });

  const order = (id: number, day: number, amount = 10): Order => ({
    id,
    customer: `c${id}`,
    day,
    hour: 20,
    amount,
  });
  const warned = ({ warnings }: Result): string =>
    warnings.filter((warning) => warning.startsWith("old_orders_are_unchanged")).join("\n");

  it("reads from the look-back before the last order, or before an earlier run date", async () => {
    await clear(incremental);
    const orders = [order(1, 0), order(2, 40), order(3, 60)];
    assert.equal((await features(incremental, orders, dateOf(61))).since, FIRST_DAY, "the first run");
    const next = await features(incremental, orders, dateOf(61));
    assert.equal(next.since, dateOf(60 - LATE_DAYS));
    assert.deepEqual(
      [next.rows["rfm.checked_orders"], next.rows["rfm.purchases"]],
      [1, 1],
      "one of three orders",
    );
    assert.equal((await features(incremental, orders, dateOf(90))).since, dateOf(60 - LATE_DAYS));
    assert.equal((await features(incremental, orders, dateOf(50))).since, dateOf(50 - LATE_DAYS));
    for (const more of [{ full_refresh: "on" }, { shop_time_zone: "UTC" }, { refunds: "net" }])
      assert.equal(
        (await features(incremental, orders, dateOf(61), more)).since,
        FIRST_DAY,
        JSON.stringify(more),
      );
  });

  it("reads all orders after a read that broke off", async () => {
    await clear(incremental);
    const orders = [order(1, 0), order(2, 60)];
    await features(incremental, orders, dateOf(61));
    const run = { ...runSettings.parse(settings), run_id: "broken", run_date: dateOf(61), step: "features" };
    await startOrderRead(incremental, graph, actionsOfStep(graph, "features"), run);
    assert.equal((await features(incremental, orders, dateOf(61))).since, FIRST_DAY);
  });

  it("warns, by month and with the remedy, of older orders that changed, and a full refresh reads them", async () => {
    await clear(incremental);
    const orders = [order(1, 0), order(2, 1), order(3, 40), order(4, 60)];
    await features(incremental, orders, dateOf(61));
    assert.equal(warned(await features(incremental, orders, dateOf(61))), "");
    const changed = [order(1, 0, 12), order(3, 40), order(5, 41), order(4, 60)];
    const result = await features(incremental, changed, dateOf(61));
    assert.deepEqual(result.failures, []);
    assert.match(warned(result), /npm start: --full-refresh/);
    assert.match(warned(result), /ordered_in 2024-01, orders_read 2, orders_in_log 1, change_of_amounts -8/);
    assert.match(warned(result), /ordered_in 2024-02, orders_read 1, orders_in_log 2, change_of_amounts 10/);
    assert.equal(warned(await features(incremental, changed, dateOf(61), { full_refresh: "on" })), "");
    await clear(full);
    await features(full, changed, dateOf(61));
    assert.deepEqual(await tablesOf(incremental, dateOf(61)), await tablesOf(full, dateOf(61)));
  });
});
