import assert from "node:assert/strict";
import { type ColumnLineage, columnLineage } from "./column-lineage.ts";
import { GoogleSqlAnalyzer } from "./googlesql-analyzer.ts";

describe("columnLineage", function () {
  this.timeout(60_000);
  let analyzer: GoogleSqlAnalyzer;
  before(async () => {
    analyzer = await GoogleSqlAnalyzer.start();
  });
  after(() => analyzer.close());

  const table = (name: string, ...columns: string[]) => ({
    target: { project: "w", dataset: "d", name },
    columns: columns.map((column) => ({ name: column, type: column.startsWith("s") ? "STRING" : "INT64" })),
  });
  const tables = [table("t", "a", "b", "s1"), table("u", "a", "c")];

  /** Each column as `table.column through expression < expression` lines. */
  async function lineageOf(query: string): Promise<Record<string, string[]>> {
    const analysis = await analyzer.analyze(query, { tables }, { p: { type: "INT64" } });
    const text = ({ expression, inputs }: ColumnLineage): string[] =>
      inputs.length === 0
        ? [`${expression}`]
        : inputs.map(({ table, column, through }) =>
            [`${table.replace("w.d.", "")}.${column}`, ...through].join(" < "),
          );
    return Object.fromEntries(columnLineage(query, analysis).map((column) => [column.name, text(column)]));
  }

  const cases: Record<string, [string, Record<string, string[]>]> = {
    "columns passed on under other names": [
      "SELECT a AS x, t.b FROM `w.d.t` AS t",
      { x: ["t.a"], b: ["t.b"] },
    ],
    "expressions, and columns without inputs": [
      "SELECT a +\n  b AS x, @p AS p, COUNT(*) AS n FROM `w.d.t` GROUP BY x",
      { x: ["t.a < a + b", "t.b < a + b"], p: ["@p"], n: ["COUNT(*)"] },
    ],
    "CTEs, through each of their expressions": [
      "WITH c AS (SELECT s1, SUM(LENGTH(s1) + b) AS n FROM `w.d.t` GROUP BY s1) SELECT s1, n * 2 AS twice FROM c",
      {
        s1: ["t.s1"],
        twice: ["t.s1 < n * 2 < SUM(LENGTH(s1) + b)", "t.b < n * 2 < SUM(LENGTH(s1) + b)"],
      },
    ],
    "joins, without filters and join conditions": [
      "SELECT u.c, IFNULL(t.b, 0) AS b FROM `w.d.t` AS t LEFT JOIN `w.d.u` AS u ON u.a = t.a WHERE t.s1 = 's'",
      { c: ["u.c"], b: ["t.b < IFNULL(t.b, 0)"] },
    ],
    "windows, with PARTITION BY and ORDER BY": [
      "SELECT 1 + SUM(a * 2) OVER (PARTITION BY s1 ORDER BY b) AS r FROM `w.d.t`",
      {
        r: ["a", "s1", "b"].map(
          (column) =>
            `t.${column} < 1 + SUM(a * 2) OVER (PARTITION BY s1 ORDER BY b) < SUM(a * 2) OVER (PARTITION BY s1 ORDER BY b)`,
        ),
      },
    ],
    "windows without arguments": [
      "SELECT RANK() OVER (ORDER BY b DESC) AS r FROM `w.d.t`",
      { r: ["t.b < RANK() OVER (ORDER BY b DESC)"] },
    ],
    "set operations, by place": [
      "SELECT a AS x, 1 AS y FROM `w.d.t` UNION ALL SELECT c, a FROM `w.d.u`",
      { x: ["t.a", "u.c"], y: ["u.a"] },
    ],
    "subqueries and arrays": [
      "SELECT (SELECT c FROM `w.d.u` LIMIT 1) AS x, e + 1 AS y FROM `w.d.t` CROSS JOIN UNNEST([b]) AS e",
      { x: ["u.c < (SELECT c FROM `w.d.u` LIMIT 1)"], y: ["t.b < e + 1"] },
    ],
    "text with letters of several bytes before": [
      "SELECT 'ä🛒' AS s, a * 2 AS x FROM `w.d.t`",
      { s: ["'ä🛒'"], x: ["t.a < a * 2"] },
    ],
  };
  for (const [name, [query, expected]] of Object.entries(cases)) {
    it(`follows ${name}`, async () => {
      assert.deepEqual(await lineageOf(query), expected);
    });
  }
});
