import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { fitBgNbd } from "../jobs/clv/bg-nbd-fit.ts";
import { columnsOf } from "../test/columns.ts";
import { type Shop, writeShop } from "./shop.ts";

describe("a simulated shop", () => {
  const folder = mkdtempSync(join(tmpdir(), "shop-"));
  after(() => rmSync(folder, { recursive: true }));

  async function query(shop: Shop, sql: string): Promise<Record<string, number>[]> {
    const file = join(folder, "shop.parquet");
    await writeShop(shop, file);
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(sql.replace("ORDERS", `'${file}'`));
    const rows = reader.getRowObjectsJson();
    connection.closeSync();
    instance.closeSync();
    return rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)])),
    );
  }

  const figures = `
    SELECT COUNT(*) AS orders, COUNT(DISTINCT order_id) AS ids, COUNT(DISTINCT customer_id) AS customers,
      SUM(amount) AS revenue, SUM(hash(order_id, customer_id, ordered_at, amount) % 1000) AS content,
      COUNT_IF(amount < 0) AS refunds, MAX(amount) AS largest,
      date_diff('week', MIN(ordered_at), MAX(ordered_at)) AS weeks
    FROM ORDERS`;

  it("is the same for the same seed, and another for another", async () => {
    const [one] = await query({ customers: 500 }, figures);
    assert.deepEqual(await query({ customers: 500 }, figures), [one]);
    assert.notDeepEqual(await query({ customers: 500, seed: 2 }, figures), [one]);
    assert.equal(one?.ids, one?.orders);
    assert.equal(one?.customers, 500);
  });

  it("has customers who arrive over the whole period and behave as BG/NBD says", async () => {
    const rows = await query(
      { customers: 20_000 },
      `SELECT COUNT(*) - 1 AS x, date_diff('second', MIN(ordered_at), MAX(ordered_at)) / 604800 AS "tX",
         date_diff('second', MIN(ordered_at), TIMESTAMP '2023-01-01' + INTERVAL 156 WEEK) / 604800 AS "T", 1 AS customers
       FROM ORDERS GROUP BY customer_id`,
    );
    const early = rows.filter(({ T }) => T! > 78).length;
    assert.ok(Math.abs(early / rows.length - 0.5) < 0.02, `${early}`);
    const { parameters, standardErrors, converged } = fitBgNbd(
      columnsOf(["x", "tX", "T", "customers"], rows as never),
    );
    assert.ok(converged);
    const truth = { r: 0.9, alpha: 8, a: 0.8, b: 4 };
    for (const name of ["r", "alpha", "a", "b"] as const) {
      const deviations = (parameters[name] - truth[name]) / standardErrors[name];
      assert.ok(Math.abs(deviations) < 3.5, `${name} is ${deviations} standard errors off`);
    }
  });

  it("has refunds, a season and a heavy tail when asked", async () => {
    const [plain] = await query({ customers: 3000 }, figures);
    assert.equal(plain?.refunds, 0);
    const [refunded] = await query({ customers: 3000, refunds: 0.1 }, figures);
    assert.ok(Math.abs(refunded!.refunds! / refunded!.orders! - 0.1 / 1.1) < 0.02, `${refunded?.refunds}`);
    const [heavy] = await query({ customers: 3000, heavyTail: true }, figures);
    assert.ok(heavy!.largest! > 2 * plain!.largest!, `${heavy?.largest} ${plain?.largest}`);
    const byHalfYear = await query(
      { customers: 3000, seasonality: 0.9 },
      `SELECT COUNT(*) AS orders FROM ORDERS
       GROUP BY date_diff('day', TIMESTAMP '2023-01-01', ordered_at) % 364 < 182 ORDER BY 1`,
    );
    assert.ok(byHalfYear[1]!.orders! > 1.3 * byHalfYear[0]!.orders!, JSON.stringify(byHalfYear));
  });
});
