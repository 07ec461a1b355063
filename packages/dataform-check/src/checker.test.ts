import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqlDir } from "../../../local/runtime/local-stack.ts";
import { type Checked, SqlChecker, tablesFile, tablesOf } from "./checker.ts";
import { compile } from "./dataform.ts";

describe("check of the SQL project", () => {
  let folder: string;
  let checker: SqlChecker;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "sql-"));
    cpSync(sqlDir, folder, { recursive: true });
    checker = await SqlChecker.start(folder);
  });
  afterEach(async () => {
    await checker.close();
    rmSync(folder, { recursive: true });
  });

  const check = (): Promise<Checked> => checker.check(compile(folder));
  const change = (file: string, from: string, to: string): void => {
    const path = join(folder, "definitions", file);
    const text = readFileSync(path, "utf8");
    assert.ok(text.includes(from), `${file} has ${from}`);
    writeFileSync(path, text.replace(from, to));
  };

  it("finds nothing wrong, and sql/tables.json to be what the project makes", async () => {
    const graph = compile(folder);
    const checked = await checker.check(graph);
    assert.deepEqual(checked.problems, []);
    assert.deepEqual(
      JSON.parse(readFileSync(tablesFile(sqlDir), "utf8")),
      tablesOf(graph, checked),
      "The SQL project's tables have changed. If they should: npm run tables, and look at the difference.",
    );
  });

  const breaks: [what: string, file: string, from: string, to: string, problem: RegExp][] = [
    [
      "an unknown column",
      "features/customer_features.sqlx",
      "h.frequency,",
      "h.frequenzy,",
      /customer_features\.sqlx:28:5: Name frequenzy not found inside h\n {2} {2}h\.frequenzy,\n {2} {4}\^$/,
    ],
    [
      "a wrong type",
      "staging/purchases.sqlx",
      "SUM(amount_cents)",
      "SUM(order_id)",
      /purchases\.sqlx:15:3: No matching signature for aggregate function SUM for argument type.*STRING[\s\S]*\n {4}SUM\(order_id\)/,
    ],
    [
      "an ambiguous name",
      "marts/rfm.sqlx",
      "f.customer_id,",
      "customer_id,",
      /rfm\.sqlx:32:3: Column name customer_id is ambiguous\n {4}customer_id,\n {4}\^$/,
    ],
    [
      "a wrong type inside a script",
      "features/customer_history.sqlx",
      '${quintile("frequency", "sample")}',
      '${quintile("frequenzy", "sample")}',
      /customer_history\.sqlx:114:3: Unrecognized name: frequenzy; Did you mean frequency\?/,
    ],
    ["a column without a name", "staging/purchases.sqlx", " AS value_cents", "", /Column 3 has no name/],
    ["two columns of one name", "staging/purchases.sqlx", "AS value_cents", "AS purchased_on", /Two columns/],
    ["a syntax error", "checks/rfm_keys.sqlx", "GROUP BY", "GROUP", /rfm_keys\.sqlx:17:3: Syntax error/],
  ];
  for (const [what, file, from, to, problem] of breaks) {
    it(`says file, line and column of ${what}`, async () => {
      change(file, from, to);
      const { problems } = await check();
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, problem);
    });
  }

  it("shows all that is wrong, and tells what was not looked at for it", async () => {
    change("features/holdout.sqlx", "h.mean_value", "h.mean");
    change("checks/rfm_keys.sqlx", "f.run_date = @run_date", "f.run_date = @run");
    change("features/customer_features.sqlx", "h.frequency", "h.frequenzy");
    const { problems, waiting } = await check();
    assert.deepEqual(
      [problems.length, waiting.map(({ target }) => target.name).sort()],
      [2, ["customer_features_keys", "customer_scores_keys", "rfm", "rfm_keys", "rfm_segments"]],
    );
    change("features/customer_features.sqlx", "h.frequenzy", "h.frequency");
    assert.equal((await check()).problems.length, 2, "the one that had waited is wrong too");
  });

  it("looks anew at what changed, and at what reads it only if its columns did", async () => {
    const names = ({ changed }: Checked): string[] => changed.map(({ target }) => target.name).sort();
    assert.equal(names(await check()).length, compile(folder).actions.length);
    assert.deepEqual(names(await check()), []);
    change("features/value_statistics.sqlx", "value_count > 0", "value_count > 1");
    assert.deepEqual(names(await check()), ["value_statistics"]);
    change("staging/stg_orders.sqlx", "order_id,\n", "order_id || '' AS order_id, 1 AS more,\n");
    assert.deepEqual(names(await check()), [
      "orders_before_run_date",
      "purchases",
      "run_calendar",
      "stg_orders",
    ]);
  });

  it("wants a type for each column of a source", async () => {
    change("sources.js", ', tags: ["FLOAT64"]', "");
    await assert.rejects(check(), /Column amount of the source raw\.orders has no type/);
  });
});
