import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { projectDir, sqlDir } from "../lib/project.ts";
import { nameOf } from "../packages/dataform-check/src/checker.ts";
import type { Action } from "../packages/dataform-check/src/dataform.ts";
import { changesOf, schemaChanges } from "../packages/dataform-check/src/graph-changes.ts";
import { type RowDiff, rowDiff, snapshot } from "../packages/dataform-check/src/row-diff.ts";

const target = (name: string) => ({ project: "w", dataset: "d", name });

describe("changesOf", () => {
  const action = (name: string, query: string, ...dependencies: string[]): Action => ({
    kind: "model",
    target: target(name),
    materialization: "view",
    query,
    partitionBy: undefined,
    clusterBy: [],
    tags: [],
    description: "",
    columns: {},
    dependencies: dependencies.map(target),
    file: `${name}.sqlx`,
  });
  const names = (actions: readonly Action[]): string[] => actions.map((each) => nameOf(each.target));
  const before = [
    action("a", "SELECT 1 AS x"),
    action("b", "SELECT x FROM a", "a"),
    action("c", "SELECT x FROM b", "b"),
    action("d", "SELECT 2 AS y"),
  ];

  it("tells new, changed and gone actions, and what depends on them", () => {
    const after = [action("a", "SELECT 2 AS x"), ...before.slice(1, 3), action("e", "SELECT 3 AS z")];
    const { added, changed, removed, affected } = changesOf(before, after);
    assert.deepEqual([added, changed, removed, affected].map(names), [
      ["d.e"],
      ["d.a"],
      ["d.d"],
      ["d.b", "d.c"],
    ]);
  });

  it("takes white space, comments and descriptions for no change, and a string's white space for one", () => {
    const same = [{ ...action("a", "SELECT\n  1 AS x -- one"), description: "new" }, ...before.slice(1)];
    assert.deepEqual(Object.values(changesOf(before, same)).flat(), []);
    const [one, other] = [[action("a", "SELECT ' '")], [action("a", "SELECT '  '")]];
    assert.deepEqual(names(changesOf(one, other).changed), ["d.a"]);
  });

  it("takes another way to keep the table for a change", () => {
    const kept = [{ ...before[0]!, materialization: "table" as const }, ...before.slice(1)];
    assert.deepEqual(names(changesOf(before, kept).changed), ["d.a"]);
  });
});

describe("schemaChanges", () => {
  it("tells columns that are new, gone or of another type; the latter two break readers", () => {
    const [one, other] = [
      new Map([
        [
          "d.t",
          [
            { name: "a", type: "INT64" },
            { name: "b", type: "INT64" },
            { name: "c", type: "DATE" },
          ],
        ],
      ]),
      new Map([
        [
          "d.t",
          [
            { name: "c", type: "DATE" },
            { name: "a", type: "STRING" },
            { name: "n", type: "BOOL" },
          ],
        ],
        ["d.new", [{ name: "a", type: "STRING" }]],
      ]),
    ];
    assert.deepEqual(schemaChanges(one, other), [
      { table: "d.t", column: "a", before: "INT64", after: "STRING", breaking: true },
      { table: "d.t", column: "b", before: "INT64", breaking: true },
      { table: "d.t", column: "n", after: "BOOL", breaking: false },
    ]);
  });
});

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

  it("pairs rows by the columns that name them, and shows the values", async () => {
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
        { column: "v", rows: 1, examples: [{ key: "a", before: null, after: "1.5" }] },
      ],
    });
  });

  it("finds a key of several columns, the likely ones first", async () => {
    const rows = "SELECT 1 AS a, g AS b, g % 2 AS c, 1 AS v FROM range(4) AS r(g)";
    assert.deepEqual((await diff(rows, rows, ["c"])).key, ["c", "b"]);
    const pairs = "SELECT g // 2 AS a, g % 2 AS b, 0 AS v FROM range(4) AS r(g)";
    assert.deepEqual((await diff(pairs, pairs)).key, ["a", "b"]);
  });

  it("counts rows that nothing names as removed and added", async () => {
    const found = await diff(
      "SELECT 1 AS a UNION ALL SELECT 1",
      "SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 2",
    );
    assert.deepEqual([found.key, found.added, found.removed, found.changed], [[], 2, 1, 0]);
  });

  it("takes numbers for the same that the order of a sum makes different", async () => {
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

  it("looks at one partition only, and at columns of one type", async () => {
    const found = await diff(
      "SELECT g AS id, g AS day, g AS v, 1 AS w FROM range(3) AS r(g)",
      "SELECT g AS id, g AS day, -g AS v, 'x' AS w FROM range(3) AS r(g)",
      ["id"],
      "day = 2",
    );
    assert.deepEqual([found.before, found.changed, found.columns.map(({ column }) => column)], [1, 1, ["v"]]);
  });
});

describe("npm run plan", function () {
  this.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), "plan-test-"));
  after(() => rmSync(folder, { recursive: true }));
  const sql = join(folder, "sql");
  const run = (script: string, ...args: string[]): { code: number | null; output: string } => {
    const orders = [
      "--orders",
      join(projectDir, "data", "cdnow-sample.csv.gz"),
      "--data-dir",
      join(folder, "data"),
    ];
    const path = join(projectDir, "cli", `${script}.ts`);
    const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args, ...orders], {
      encoding: "utf8",
    });
    return { code: status, output: stdout + stderr };
  };
  const edit = (file: string, from: string, to: string): void => {
    const path = join(sql, "definitions", file);
    const text = readFileSync(path, "utf8");
    assert.ok(text.includes(from));
    writeFileSync(path, text.replace(from, to));
  };

  it("says what to do when there was no run", () => {
    const { code, output } = run("plan");
    assert.equal(code, 1);
    assert.match(output, /There has been no run[\s\S]*npm start or npm run sql/);
  });

  it("finds nothing after a run, and then what an edit changes: models, columns, rows and values", () => {
    assert.equal(run("sql", "--run-date", "1997-10-01").code, 0);
    assert.match(run("plan").output, /the last run, of 1997-10-01: nothing has changed\.\n$/);

    cpSync(sqlDir, sql, { recursive: true });
    edit("features/segments.sqlx", '"Champions"', '"Best of all"');
    edit(
      "marts/rfm.sqlx",
      "  f.m_score,",
      "  CAST(f.m_score AS STRING) AS m_score,\n  f.recency_days / 7 AS recency_weeks,",
    );
    const { code, output } = run("plan", "--sql-dir", sql, "--strict");
    assert.equal(code, 1, output);
    assert.match(output, /~ rfm\.segments +has changed/);
    assert.match(output, / {4}mlops_mkt\.rfm_segments +depends on them/);
    assert.doesNotMatch(output, /customer_history|purchases/);
    assert.match(output, /~ mlops_mkt\.rfm\.m_score +INT64 -> STRING +BREAKING/);
    assert.match(output, /\+ mlops_mkt\.rfm\.recency_weeks +FLOAT64 *\n/);
    assert.match(output, /mlops_mkt\.rfm +│ customer_id +│ +2,357 │ +2,357 │ +0 │ +0 │ +335 │/);
    assert.match(output, /mlops_mkt\.rfm\.segment differs in rows: \d+\n +\w+: Champions -> Best of all/);
    // A commit's tables are made in the copy first.
    assert.match(
      run("plan", "--sql-dir", sql, "--against", "HEAD").output,
      /HEAD:[\s\S]*segment differs in rows: 335/,
    );
    // The warehouse is as it was.
    assert.match(run("plan").output, /nothing has changed/);
    const { schema, data } = JSON.parse(run("plan", "--sql-dir", sql, "--json").output);
    assert.equal(schema.length, 2);
    assert.deepEqual(data.failures, []);
  });

  it("tells an assertion that would fail, and a query that is wrong with its place", () => {
    edit("features/segments.sqlx", '5, 5, 4, 5, "Rew', '5, 5, 5, 5, "Rew');
    assert.match(run("plan", "--sql-dir", sql).output, /An assertion would fail: segments_cover_scores/);
    edit("marts/rfm.sqlx", "f.recency_days,", "f.recency,");
    const { code, output } = run("plan", "--sql-dir", sql);
    assert.equal(code, 1);
    assert.match(output, /rfm\.sqlx:\d+:\d+: .*recency/);
  });

  it("compares with a commit, too, and says when there is none", () => {
    assert.match(run("plan", "--against", "HEAD").output, /Compared with HEAD:/);
    const { code, output } = run("plan", "--against", "nosuch");
    assert.equal(code, 1);
    assert.match(output, /--against nosuch: .*\nGive a commit, branch or tag/);
    assert.match(
      run("plan", "--estimate", "my-project").output,
      /--estimate is my-project; allowed is bigquery:/,
    );
  });
});
