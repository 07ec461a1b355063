import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqlDir } from "../../../local/runtime/local-stack.ts";
import { compile } from "./dataform.ts";
import { lint, RULES, type Rule } from "./linter.ts";

describe("lint", () => {
  const folder = mkdtempSync(join(tmpdir(), "lint-"));
  after(() => rmSync(folder, { recursive: true }));
  let projects = 0;

  /** What is found in the project with this file among the others. */
  async function findings(file: string, text: string): Promise<{ rule: Rule; text: string }[]> {
    projects += 1;
    const copy = join(folder, `sql-${projects}`);
    cpSync(sqlDir, copy, { recursive: true });
    writeFileSync(join(copy, "definitions", file), text);
    return await lint(compile(copy), copy);
  }
  const model = (query: string, config = ""): string =>
    `config { type: "view", tags: ["features"], description: "d"${config} }\n\n${query}`;
  const mart = (query: string): string => model(query, ', columns: { run_date: "r", customer_id: "c" }');

  it("finds nothing in the project", async () => {
    assert.deepEqual(await lint(compile(sqlDir), sqlDir), []);
  });

  /** A rule, the file, a query that breaks it with where and what is told, and one that keeps it. */
  const cases: [Rule, string, string, RegExp, string][] = [
    [
      "mart-columns",
      "marts/m.sqlx",
      mart('SELECT * FROM ${ref("segments")}'),
      /m\.sqlx:3:8: a mart selects \*.*\n.*\n {9}\^\n {2}Name its columns: run_date, customer_id\./,
      mart(
        'WITH s AS (SELECT * FROM ${ref("segments")}) SELECT @run_date AS run_date, COUNT(*) AS customer_id FROM s',
      ),
    ],
    [
      "mart-columns",
      "marts/m.sqlx",
      mart(
        'SELECT segment AS run_date FROM ${ref("segments")} UNION ALL SELECT s.* FROM ${ref("segments")} AS s',
      ),
      /m\.sqlx:3:\d+: a mart selects \*/,
      mart(
        'SELECT segment AS run_date FROM ${ref("segments")} UNION ALL SELECT advice FROM ${ref("segments")}',
      ),
    ],
    [
      "partition-filter",
      "features/m.sqlx",
      model('SELECT\n  x\nFROM ${ref("customer_history")} AS h\nWHERE h.sample = "production"'),
      /m\.sqlx:5:6: warehouse\.rfm\.customer_history is read without .*\n.*\n {7}\^\n {2}Add to WHERE or ON: h\.run_date = @run_date/,
      model(
        'SELECT x FROM ${ref("customer_history")} AS h WHERE h.sample = "production" AND h.run_date = @run_date',
      ),
    ],
    [
      "partition-filter", // A condition of one of two, one on a column, and one that is denied do not prune.
      "features/m.sqlx",
      model('SELECT x FROM ${ref("customer_history")} WHERE x > 1 OR run_date = @run_date'),
      /partition-filter/,
      model('SELECT x FROM ${ref("customer_history")} WHERE (x > 1 AND @run_date >= run_date)'),
    ],
    [
      "partition-filter",
      "features/m.sqlx",
      model(
        'SELECT f.segment FROM ${ref("customer_features")} AS f JOIN ${ref("customer_history")} AS h ON h.run_date = f.run_date AND h.customer_id = f.customer_id WHERE f.run_date = @run_date',
      ),
      /customer_history is read/,
      model(
        'SELECT f.segment FROM ${ref("customer_features")} AS f JOIN ${ref("customer_history")} AS h ON h.run_date = @run_date AND h.customer_id = f.customer_id WHERE f.run_date BETWEEN DATE_SUB(@run_date, INTERVAL 7 DAY) AND @run_date',
      ),
    ],
    [
      "partition-filter",
      "features/m.sqlx",
      model('SELECT x FROM ${ref("customer_history")} WHERE run_date NOT IN (@run_date)'),
      /customer_history is read/,
      model('SELECT x FROM ${ref("customer_history")} WHERE run_date IN (@run_date)'),
    ],
    [
      "join-key",
      "features/m.sqlx",
      model('SELECT s.segment\nFROM ${ref("segments")} AS s, ${ref("purchases")} AS p'),
      /m\.sqlx:4:\d+: p is joined without a key.*\n.*\n +\^\n.*CROSS JOIN/,
      model('SELECT s.segment FROM ${ref("segments")} AS s CROSS JOIN ${ref("purchases")} AS p'),
    ],
    [
      "join-key",
      "features/m.sqlx",
      model(
        'SELECT s.segment FROM ${ref("segments")} AS s JOIN ${ref("purchases")} AS p ON p.value_cents = 1',
      ),
      /p is joined without a key/,
      model(
        'SELECT s.segment FROM ${ref("segments")} AS s JOIN ${ref("purchases")} AS p ON p.value_cents = s.position',
      ),
    ],
    [
      "join-key",
      "features/m.sqlx",
      model('SELECT s.segment FROM ${ref("segments")} AS s JOIN (SELECT 1 AS one) AS o ON TRUE'),
      /o is joined without a key/,
      model(
        'SELECT s.segment FROM ${ref("segments")} AS s JOIN ${ref("segments")} AS o USING (segment), UNNEST([1]) AS n',
      ),
    ],
    [
      "run-date",
      "features/m.sqlx",
      model("SELECT\n  current_date AS d"),
      /m\.sqlx:4:3: CURRENT_DATE is another one tomorrow.*\n.*\n {4}\^\n {2}Write @run_date/,
      model("SELECT @run_date AS d, 'current_date' AS s"),
    ],
    [
      "run-date",
      "features/m.sqlx",
      model("SELECT customer_id FROM ${ref('purchases')} WHERE purchased_on < '2024-01-01'"),
      /a date is written in the query/,
      model("SELECT customer_id FROM ${ref('purchases')} WHERE purchased_on < @run_date -- not '2024-01-01'"),
    ],
    [
      "run-date",
      "features/m.sqlx",
      model("SELECT DATE(2024, 1, 1) AS d"),
      /a date is written in the query/,
      model("SELECT DATE(purchased_on) AS d FROM ${ref('purchases')}"),
    ],
    [
      "description",
      "features/m.sqlx",
      'config { type: "view", tags: ["features"] }\nSELECT 1 AS one',
      /m\.sqlx: rfm\.m has no description \(description\)\n {2}Say what a row/,
      model("SELECT 1 AS one"),
    ],
    [
      "description",
      "marts/m.sqlx",
      mart("SELECT @run_date AS run_date,\n  1 AS ones"),
      /m\.sqlx:4:8: column ones of a mart has no description.*\n.*\n {9}\^\n.*ones: "…"/,
      mart("SELECT @run_date AS run_date, 'c' AS customer_id"),
    ],
    [
      "description",
      "other_sources.js",
      'declare({ database: "p", schema: "raw", name: "refunds" });',
      /other_sources\.js:1:1: the source raw\.refunds has no description/,
      'declare({ database: "p", schema: "raw", name: "refunds", description: "d" });',
    ],
    [
      "lint-ignore",
      "features/m.sqlx",
      model("SELECT 1 AS one -- lint-ignore run-date: it was so"),
      /m\.sqlx:3:\d+: nothing to excuse: run-date is kept here/,
      model("SELECT CURRENT_DATE() AS today -- lint-ignore run-date: a clock is what it is about"),
    ],
    [
      "lint-ignore",
      "features/m.sqlx",
      model("SELECT\n  -- lint-ignore run-date:\n  CURRENT_DATE() AS today"),
      /an excuse without a rule or a reason/,
      model("SELECT\n  -- lint-ignore run-date: a clock is what it is about\n  CURRENT_DATE() AS today"),
    ],
  ];
  for (const [rule, file, broken, told, kept] of cases) {
    it(`${rule}: ${broken.split("\n").slice(1).join(" ").trim()}`, async () => {
      const found = await findings(file, broken);
      assert.ok(
        found.some((finding) => finding.rule === rule && told.test(finding.text)),
        JSON.stringify(found, null, 2),
      );
      assert.deepEqual(await findings(file, kept), []);
    });
  }

  it("has both cases for every rule", () => {
    assert.deepEqual(new Set(cases.map(([rule]) => rule)), new Set(Object.keys(RULES)));
  });

  it("points at the right place behind letters that JavaScript counts twice", async () => {
    const [found] = await findings("features/m.sqlx", model("SELECT '🛒🛒' AS cart, CURRENT_DATE() AS d"));
    assert.match(found!.text, /m\.sqlx:3:24: CURRENT_DATE/);
  });

  it("tells the place of a query that it can't read", async () => {
    await assert.rejects(findings("features/m.sqlx", model("SELECT\n  (1 AS one")), /m\.sqlx:4:\d+: /);
  });

  it("would find what the excuses of the project excuse", async () => {
    const file = "staging/rejected_orders.sqlx";
    const text = readFileSync(join(sqlDir, "definitions", file), "utf8").replace(/ +-- lint-ignore.*\n/, "");
    assert.deepEqual(
      (await findings(file, text)).map(({ rule }) => rule),
      ["run-date"],
    );
  });
});
