import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { temporaryWarehouse } from "../test/temporary-warehouse.ts";
import type { DuckDbWarehouse } from "./duckdb.ts";
import { readParquet, writeParquet } from "./parquet.ts";

describe("Parquet files", () => {
  let warehouse: DuckDbWarehouse;
  const folder = temporaryWarehouse((opened) => {
    warehouse = opened;
  });
  const url = (path: string): string => pathToFileURL(join(folder, path)).href;

  it("of the warehouse are read: whole numbers and sums as numbers, null as null", async () => {
    const sql = "SELECT 'ä' AS id, 3 AS n, SUM(4) AS total, 0.5 AS share, CAST(NULL AS FLOAT64) AS none";
    await warehouse.exportParquet(sql, {}, url("exported"));
    assert.deepEqual(await readParquet(url("exported"), ["none", "id", "n", "total", "share"]), [
      { none: null, id: "ä", n: 3, total: 4, share: 0.5 },
    ]);
  });

  it("are read by the warehouse as they were written", async () => {
    const columns = [
      { name: "id", type: "STRING" },
      { name: "n", type: "INT64" },
      { name: "share", type: "DOUBLE", nullable: true },
    ] as const;
    const rows = [
      { id: "a", n: 1, share: 0.25 },
      { id: "b", n: 2, share: null },
    ];
    for (const [name, written] of [
      ["some", rows],
      ["none", []],
    ] as const) {
      await writeParquet(url(`${name}/part-0.parquet`), columns, written);
      assert.deepEqual(await readParquet(url(name), ["id", "n", "share"]), written);
      const read = await warehouse.withConnection(
        async (connection) =>
          await connection.runAndReadAll(
            `SELECT * REPLACE (CAST(n AS INTEGER) AS n) FROM '${join(folder, name)}/*.parquet'`,
          ),
      );
      assert.deepEqual(read.columnNames(), ["id", "n", "share"]);
      assert.deepEqual(read.getRowObjects(), written);
    }
  });

  it("that are missing, or lack a column, are named", async () => {
    await assert.rejects(readParquet(url("nothing"), ["id"]), /nothing has no Parquet files/);
    await assert.rejects(readParquet(url("some"), ["id", "age"]), {
      message: /some have no column age\./,
      remedy: "They have: id, n, share.",
    });
  });
});
