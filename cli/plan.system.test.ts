import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectDir, sqlDir } from "../lib/project.ts";

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

  it("shows nothing after a run, and then what an edit changes: models, columns, rows and values", () => {
    assert.equal(run("sql", "--run-date", "1997-10-01").code, 0);
    assert.match(run("plan").output, /the last run, of 1997-10-01: nothing changed\.\n$/);

    cpSync(sqlDir, sql, { recursive: true });
    edit("features/segments.sqlx", '"Champions"', '"Best of all"');
    edit(
      "marts/rfm.sqlx",
      "  f.m_score,",
      "  CAST(f.m_score AS STRING) AS m_score,\n  f.recency_days / 7 AS recency_weeks,",
    );
    const { code, output } = run("plan", "--sql-dir", sql, "--strict");
    assert.equal(code, 1, output);
    assert.match(output, /~ rfm\.segments +changed/);
    assert.match(output, / {4}mlops_mkt\.rfm_segments +affected/);
    assert.doesNotMatch(output, /customer_history|purchases/);
    assert.match(output, /~ mlops_mkt\.rfm\.m_score +INT64 -> STRING +BREAKING/);
    assert.match(output, /\+ mlops_mkt\.rfm\.recency_weeks +FLOAT64 *\n/);
    assert.match(output, /mlops_mkt\.rfm +│ customer_id +│ +2,357 │ +2,357 │ +0 │ +0 │ +335 │/);
    assert.match(output, /mlops_mkt\.rfm\.segment differs in rows: \d+\n +\w+: Champions -> Best of all/);
    // The tables of the commit are created in the copy first.
    assert.match(
      run("plan", "--sql-dir", sql, "--against", "HEAD").output,
      /HEAD:[\s\S]*segment differs in rows: 335/,
    );
    // The warehouse did not change.
    assert.match(run("plan").output, /nothing changed/);
    const { schema, data } = JSON.parse(run("plan", "--sql-dir", sql, "--json").output);
    assert.equal(schema.length, 2);
    assert.deepEqual(data.failures, []);
  });

  it("shows an assertion that would fail, and the place of a query that is not valid", () => {
    edit("features/segments.sqlx", '5, 5, 4, 5, "Rew', '5, 5, 5, 5, "Rew');
    assert.match(run("plan", "--sql-dir", sql).output, /An assertion would fail: segments_cover_scores/);
    edit("marts/rfm.sqlx", "f.recency_days,", "f.recency,");
    const { code, output } = run("plan", "--sql-dir", sql);
    assert.equal(code, 1);
    assert.match(output, /rfm\.sqlx:\d+:\d+: .*recency/);
  });

  it("compares with a commit, and reports one that does not exist", () => {
    assert.match(run("plan", "--against", "HEAD").output, /Compared with HEAD:/);
    const { code, output } = run("plan", "--against", "nosuch");
    assert.equal(code, 1);
    assert.match(output, /--against nosuch: .*\nUse a commit, branch or tag/);
    assert.match(
      run("plan", "--estimate", "my-project").output,
      /--estimate is my-project; allowed is bigquery:/,
    );
  });
});
