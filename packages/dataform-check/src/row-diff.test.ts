import assert from "node:assert/strict";
import { DuckDBInstance } from "@duckdb/node-api";
import { type RowDiff, rowDiff, snapshot } from "./row-diff.ts";

const target = (name: string) => ({ project: "w", dataset: "d", name });

describe("rowDiff", () => {
  /** The difference between two queries' rows. */
  async function diff(
    before: string,
    after: string,
    likelyKey: string[] = [],
    partition?: string,
  ): Promise<RowDiff> {
    const connection = await (await DuckDBInstance.create()).connect();
    await connection.run(`CREATE SCHEMA d; CREATE TABLE d.t AS ${before}`);
    await snapshot(connection, target("t"));
    await connection.run(`CREATE OR REPLACE TABLE d.t AS ${after}`);
    return await rowDiff(connection, target("t"), likelyKey, partition);
  }

  it("pairs rows by their key, and shows the values", async () => {
    const found = await diff(
      "SELECT * FROM (VALUES ('a', 1, NULL), ('b', 2, 2.5), ('c', 3, 3)) AS t(id, n, v)",
      "SELECT * FROM (VALUES ('a', 1, 1.5), ('b', 5, 2.5), ('d', 3, 3)) AS t(id, n, v)",
    );
    assert.deepEqual(found, {
      table: "d.t",
      key: ["id"],
      before: 3,
      after: 3,
      added: 1,
      removed: 1,
      changed: 2,
      columns: [
        { column: "n", rows: 1, examples: [{ key: "b", before: 2, after: 5 }] },
        { column: "v", rows: 1, examples: [{ key: "a", before: null, after: 1.5 }] },
      ],
    });
  });

  it("finds a key of several columns, the likely columns first", async () => {
    const rows = "SELECT 1 AS a, g AS b, g % 2 AS c, 1 AS v FROM range(4) AS r(g)";
    assert.deepEqual((await diff(rows, rows, ["c"])).key, ["c", "b"]);
    const pairs = "SELECT g // 2 AS a, g % 2 AS b, 0 AS v FROM range(4) AS r(g)";
    assert.deepEqual((await diff(pairs, pairs)).key, ["a", "b"]);
  });

  it("counts changed rows without a key as removed and added", async () => {
    const found = await diff(
      "SELECT 1 AS a UNION ALL SELECT 1",
      "SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 2",
    );
    assert.deepEqual([found.key, found.added, found.removed, found.changed], [[], 2, 1, 0]);
  });

  it("ignores differences that the order of a sum makes", async () => {
    const found = await diff(
      "SELECT 1 AS id, 0.1::DOUBLE + 0.2::DOUBLE AS v",
      "SELECT 1 AS id, 0.3::DOUBLE AS v",
    );
    assert.equal(found.changed, 0);
    assert.equal(
      (await diff("SELECT 1 AS id, 0.3::DOUBLE AS v", "SELECT 1 AS id, 0.3001::DOUBLE AS v")).changed,
      1,
    );
    assert.equal(
      (await diff("SELECT 1 AS id, NULL::DOUBLE AS v", "SELECT 1 AS id, 0::DOUBLE AS v")).changed,
      1,
    );
  });

  it("compares one partition, in columns of the same type", async () => {
    const found = await diff(
      "SELECT g AS id, g AS day, g AS v, 1 AS w FROM range(3) AS r(g)",
      "SELECT g AS id, g AS day, -g AS v, 'x' AS w FROM range(3) AS r(g)",
      ["id"],
      "day = 2",
    );
    assert.deepEqual([found.before, found.changed, found.columns.map(({ column }) => column)], [1, 1, ["v"]]);
  });
});
