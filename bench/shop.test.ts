import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { fitBgNbd } from "../jobs/clv/bg-nbd-fit.ts";
import { columnsOf } from "../test/columns.ts";
import { writeShop } from "./shop.ts";

describe("a simulated shop", () => {
  const folder = mkdtempSync(join(tmpdir(), "shop-"));
  after(() => rmSync(folder, { recursive: true }));

  async function query(customers: number, sql: string, seed?: number): Promise<Record<string, number>[]> {
    const file = join(folder, "shop.parquet");
    await writeShop(customers, file, seed);
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
      date_diff('week', MIN(ordered_at), MAX(ordered_at)) AS weeks
    FROM ORDERS`;

  it("is the same for the same seed, and another for another", async () => {
    const [one] = await query(500, figures);
    assert.deepEqual(await query(500, figures), [one]);
    assert.notDeepEqual(await query(500, figures, 2), [one]);
    assert.equal(one?.ids, one?.orders);
    assert.equal(one?.customers, 500);
  });

  it("has customers who arrive over the whole period and behave as BG/NBD says", async () => {
    const rows = await query(
      20_000,
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
});
