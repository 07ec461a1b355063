import assert from "node:assert/strict";
import { config, TestProject } from "../test/project.ts";
import { type Checked, SqlChecker } from "./checker.ts";
import { compile, type Graph } from "./dataform.ts";
import { TestDuckDb } from "./duckdb.ts";
import { compareRows } from "./row-comparison.ts";
import { runUnitTest, type UnitTest, unitTestsOf } from "./unit-tests.ts";

describe("unit tests", () => {
  const project = new TestProject();
  let graph: Graph;
  let checker: SqlChecker;
  let duckdb: TestDuckDb;
  let checked: Checked;
  let test: UnitTest;
  before(async () => {
    project.write(
      "definitions/doubled.sqlx",
      'config { type: "table" }\nSELECT `shop`.`rfm`.double(amount) AS twice FROM ${ref("orders")} WHERE DATE(ordered_at) < @run_date',
    );
    project.write(
      "definitions/doubled.test.yaml",
      `- name: calls a routine, with another run date
  parameters: { run_date: 2030-01-01 }
  given: { orders: [{ amount: 1.5, ordered_at: 2029-12-31T00:00:00Z }, { amount: 1 }] }
  expect: [{ twice: 3 }]
`,
    );
    graph = compile(project.dir);
    checker = await SqlChecker.start(project.dir, config);
    duckdb = await TestDuckDb.open(config.routines, graph.home);
    checked = await checker.check(graph);
    test = unitTestsOf(project.dir, graph).find(({ action }) => action.target.name === "purchases")!;
  });
  after(async () => {
    await checker.close();
    duckdb.close();
    project.remove();
  });
  const run = (each: UnitTest): Promise<string[]> =>
    runUnitTest(each, graph, checked.columns, { checker, duckdb });

  it("pass in both readers, and in DuckDB alone when they call a routine", async () => {
    const tests = unitTestsOf(project.dir, graph);
    assert.deepEqual(tests.map(({ action }) => action.target.name).sort(), ["doubled", "purchases"]);
    for (const each of tests) assert.deepEqual(await run(each), []);
    const doubled = tests.find(({ action }) => action.target.name === "doubled")!;
    assert.match((await run({ ...doubled, expect: [] })).join(), /fails in DuckDB \(expected → actual\)/);
  });

  it("show rows that differ, that are missing and that are too many, for both readers", async () => {
    const given = {
      orders: [...test.given.orders!, { customer_id: "b", ordered_at: "2024-01-03T00:00:00Z", amount: 1 }],
    };
    const [difference, ...others] = await run({
      ...test,
      given,
      expect: [
        { ...test.expect[0], value: 4 },
        { customer_id: "nobody", purchased_on: "1999-01-01", value: 8 },
      ],
    });
    assert.deepEqual(others, []);
    assert.match(difference!, /fails in DuckDB and GoogleSQL's reference evaluator/);
    assert.match(difference!, /differs +│ a +│ 2024-01-01 +│ 4 → 3\.5/);
    assert.match(difference!, /missing +│ nobody +│ 1999-01-01 +│ 8 /);
    assert.match(difference!, /too many +│ b +│ 2024-01-03 +│ 1 /);
  });

  it("compare rows in any order and numbers without their last digits, and find every other difference", () => {
    const row = { a: 0.1 + 0.2, b: null };
    const other = { a: 1, b: "x" };
    assert.equal(compareRows([row, other], [other, { a: 0.3, b: null }], ["a", "b"]), undefined);
    for (const [expected, actual] of [
      [[row], [row, row]],
      [[row, row], [row]],
      [[row], [{ ...row, a: 0.3000001 }]],
      [[row], [{ ...row, b: "" }]],
      [[{ a: Number.NaN }], [{ a: 0 }]],
      [[{ a: Number.POSITIVE_INFINITY }], [{ a: 1 }]],
    ] as const)
      assert.notEqual(compareRows(expected, actual, ["a", "b"]), undefined);
  });

  it("name a table, column or parameter that the model does not have, and what is allowed", async () => {
    for (const [change, message] of [
      [{ given: { order: [] } }, /given has order; allowed are orders/],
      [{ given: { orders: [{ customer: "a" }] } }, /given orders has customer; allowed are order_id/],
      [{ expect: [{ amount: 1 }] }, /expect has amount; allowed are customer_id, purchased_on, value/],
      [{ parameters: { run_day: "2024-01-01" } }, /parameters has run_day; allowed are run_date/],
    ] as const)
      await assert.rejects(run({ ...test, ...change } as UnitTest), message);
  });

  it("name a file that is not a unit test, and the place in it", () => {
    for (const [name, text, message] of [
      [
        "history",
        "- name: x\n  expects: []",
        /history\.test\.yaml: [\s\S]*Unrecognized key: "expects"[\s\S]*at \[0\]\.expect/,
      ],
      ["history", "- name: [", /history\.test\.yaml: /],
      ["histori", "- name: x\n  expect: []", /there is no model histori/],
    ] as const) {
      const broken = new TestProject();
      broken.write(`definitions/${name}.test.yaml`, text);
      assert.throws(() => unitTestsOf(broken.dir, graph), message);
      broken.remove();
    }
  });
});
