import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDbWarehouse } from "../../../adapters/duckdb.ts";
import { routines } from "../../../jobs/clv/routines.ts";
import { sqlDir } from "../../../local/runtime/local-stack.ts";
import { type Checked, SqlChecker } from "./checker.ts";
import { compile } from "./dataform.ts";
import { rowDiff, runUnitTest, type UnitTest, unitTestsOf } from "./unit-tests.ts";

describe("unit tests of the SQL project", () => {
  const folder = mkdtempSync(join(tmpdir(), "sql-unit-tests-"));
  const graph = compile(sqlDir);
  const tests = unitTestsOf(sqlDir, graph);
  let warehouse: DuckDbWarehouse;
  let checker: SqlChecker;
  let checked: Checked;

  before(async () => {
    warehouse = await DuckDbWarehouse.open(join(folder, "warehouse.duckdb"), { routines });
    checker = await SqlChecker.start(sqlDir);
    checked = await checker.check(graph);
  });
  after(async () => {
    await checker.close();
    await warehouse.close();
    rmSync(folder, { recursive: true });
  });

  const run = (test: UnitTest): Promise<string[]> =>
    runUnitTest(test, graph, checked.columns, { warehouse, analyzer: checker.analyzer });

  for (const test of tests) {
    it(`${test.action.target.name}: ${test.name}`, async () => {
      const [difference] = await run(test);
      assert.equal(difference, undefined, difference);
    });
  }

  const purchases = tests.find(({ action }) => action.target.name === "purchases")!;

  it("shows rows that differ, that are missing and that are too many, for both readers", async () => {
    const [first, , third] = purchases.expect;
    const [difference, ...others] = await run({
      ...purchases,
      expect: [
        { ...first, value_cents: 351 },
        third!,
        { customer_id: "nobody", purchased_on: "1999-01-01", value_cents: 8 },
      ],
    });
    assert.deepEqual(others, []);
    assert.match(difference!, /not true in DuckDB and GoogleSQL's reference evaluator/);
    assert.match(difference!, /differs +│ a +│ 2024-01-01 +│ 351 → 350/);
    assert.match(difference!, /missing +│ nobody +│ 1999-01-01 +│ 8 /);
    assert.match(difference!, /too many +│ a +│ 2024-01-02 +│ 0 /);
  });

  it("finds any row that is there more or less often, and no difference between orders of rows or in a last digit", () => {
    const row = { a: 0.1 + 0.2, b: null };
    assert.equal(
      rowDiff(
        [row, { a: 1, b: "x" }],
        [
          { a: 1, b: "x" },
          { a: 0.3, b: null },
        ],
        ["a", "b"],
      ),
      undefined,
    );
    for (const [expected, actual] of [
      [[row], [row, row]],
      [[row, row], [row]],
      [[row], [{ ...row, a: 0.3000001 }]],
      [[row], [{ ...row, b: "" }]],
      [[{ a: Number.NaN }], [{ a: 0 }]],
      [[{ a: Number.POSITIVE_INFINITY }], [{ a: 1 }]],
    ] as const)
      assert.notEqual(rowDiff(expected, actual, ["a", "b"]), undefined);
  });

  it("names a table, column or parameter that the model does not have, and what is allowed", async () => {
    for (const [change, message] of [
      [{ given: { orders: [] } }, /given names orders; allowed are stg_orders/],
      [
        { given: { stg_orders: [{ customer: "a" }] } },
        /given stg_orders names customer; allowed are order_id/,
      ],
      [{ expect: [{ value: 1 }] }, /expect names value; allowed are customer_id, purchased_on, value_cents/],
      [{ parameters: { run_day: "2024-01-01" } }, /parameters names run_day; allowed are run_date/],
    ] as const)
      await assert.rejects(run({ ...purchases, ...change } as UnitTest), message);
  });

  it("names the file and the place of what is no unit test", () => {
    const project = mkdtempSync(join(tmpdir(), "sql-unit-tests-"));
    mkdirSync(join(project, "definitions"));
    for (const [name, text, message] of [
      ["rfm", "- name: x\n  expects: []", /rfm\.test\.yaml: 0\.expect: .*Unrecognized key: "expects"/s],
      ["rfm", "- name: [", /rfm\.test\.yaml: /],
      ["rfn", "- name: x\n  expect: []", /there is no model rfn/],
    ] as const) {
      writeFileSync(join(project, "definitions", `${name}.test.yaml`), text);
      assert.throws(() => unitTestsOf(project, graph), message);
      rmSync(join(project, "definitions", `${name}.test.yaml`));
    }
    rmSync(project, { recursive: true });
  });
});
