// biome-ignore-all lint/suspicious/noTemplateCurlyInString: .sqlx files have them
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "dataform-check/dataform";
import { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import type { Model, Parameters } from "../../contracts/warehouse.ts";
import { createLogger } from "../../lib/log.ts";
import { actionsOfStep, compileToRun, type Result, runActions } from "./runner.ts";

const log = createLogger({ component: "test" }, "silent");
const parameters: Parameters = {
  run_date: { type: "DATE", value: "2024-01-01" },
  most: { type: "INT64", value: 2 },
};

describe("SQL runner", () => {
  let folder: string;
  let warehouse: DuckDbWarehouse;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "runner-"));
    warehouse = await DuckDbWarehouse.open(join(folder, "warehouse.duckdb"));
  });
  afterEach(async () => {
    await warehouse.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs a project of these files (name: config and query). */
  async function run(files: Record<string, string>, on: DuckDbWarehouse = warehouse): Promise<Result> {
    mkdirSync(join(folder, "definitions"), { recursive: true });
    writeFileSync(
      join(folder, "workflow_settings.yaml"),
      "defaultProject: shop\ndefaultDataset: rfm\ndefaultLocation: EU\n",
    );
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(folder, "definitions", `${name}.sqlx`), text);
    const { actions } = compile(folder, { project: warehouse.project });
    return await runActions(on, folder, actions, parameters, log);
  }
  const numbers =
    'config { type: "table" } SELECT n, n > 3 AS large FROM UNNEST([1, 2, 3, 4, 5, 6, 7, 8]) AS n';
  const checkOf = (condition: string, tags = '"x"'): string =>
    `config { type: "assertion", tags: [${tags}], description: "Numbers are small." }
SELECT n FROM \${ref("numbers")} WHERE ${condition} -- the largest first
ORDER BY n DESC -- in a comment`;

  it("creates the models in the order of their dependencies and returns the rows of the tables", async () => {
    const result = await run({
      a: 'config { type: "table" } SELECT COUNT(*) AS n FROM ${ref("b")} WHERE run_date = @run_date',
      b: 'config { type: "incremental", bigquery: { partitionBy: "run_date" } } SELECT @run_date AS run_date, n FROM ${ref("c")}',
      c: 'config { type: "view" } SELECT n FROM ${ref("numbers")}',
      numbers,
      l: 'config { type: "incremental", tags: ["append"] } SELECT 1 AS n',
    });
    assert.deepEqual(result.rows, { "rfm.numbers": 8, "rfm.b": 8, "rfm.a": 1 });
    assert.deepEqual(await warehouse.query("SELECT n FROM rfm.a"), [{ n: 8 }]);
    assert.deepEqual([result.checks, result.failures, result.warnings], [[], [], []]);
  });

  it("creates independent models at the same time", async () => {
    let running = 0;
    let most = 0;
    const slow = Object.create(warehouse, {
      materialize: {
        value: async (model: Model, given: Parameters) => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 20));
          running -= 1;
          return model.target.name === "c" && most < 2
            ? assert.fail()
            : { rows: given === parameters ? 1 : 0, bytesBilled: 5 };
        },
      },
    });
    const of = (query: string): string => `config { type: "table" } ${query}`;
    const result = await run(
      { a: of("SELECT 1"), b: of("SELECT 1"), c: of('SELECT * FROM ${ref("a")}, ${ref("b")}') },
      slow,
    );
    assert.equal(most, 2);
    assert.equal(result.bytesBilled, 15);
  });

  it("reports an assertion that does not hold, with rows, and checks the others", async () => {
    const result = await run({
      numbers,
      small: checkOf("n > @most"),
      few: checkOf("n > 7"),
      holds: checkOf("n > 8"),
    });
    const sentence = (name: string, rows: string): string =>
      `${name} does not hold: Numbers are small. Found: ${rows}.`;
    assert.deepEqual(result.failures.toSorted(), [
      sentence("few", "n 8"),
      sentence("small", "n 8; n 7; n 6; and 3 more"),
    ]);
    assert.deepEqual(result.warnings, []);
    const checks = result.checks.toSorted((a, b) => a.check_name.localeCompare(b.check_name));
    assert.deepEqual(
      checks.map(({ check_name, severity, failed_rows }) => [check_name, severity, failed_rows]),
      [
        ["few", "error", 1],
        ["holds", "error", 0],
        ["small", "error", 6],
      ],
    );
    assert.equal(checks[0]!.description, "Numbers are small.");
  });

  it("separates warnings from failures", async () => {
    const result = await run({ numbers, small: checkOf("n > 7", '"warning"') });
    assert.deepEqual(result.failures, []);
    assert.match(result.warnings.join(), /^small does not hold/);
    assert.deepEqual(
      result.checks.map(({ severity }) => severity),
      ["warning"],
    );
  });

  it("creates what does not depend on a broken model, and nothing that does", async () => {
    const broken = 'config { type: "table" } SELECT nothing FROM ${ref("numbers")}';
    const files = {
      numbers,
      broken,
      below: 'config { type: "table" } SELECT * FROM ${ref("broken")}',
      other: numbers,
      later: 'config { type: "table" } SELECT * FROM ${ref("other")}',
    };
    await assert.rejects(run(files), { name: "UserError", message: /broken\.sqlx/ });
    const made = await warehouse.withConnection(async (connection) =>
      (await connection.runAndReadAll("SELECT table_name FROM duckdb_tables() ORDER BY 1")).getRows().flat(),
    );
    assert.deepEqual(made, ["later", "numbers", "other"]);
  });

  describe("reports file, line and column, and shows the place with a caret", () => {
    const head = 'config { type: "view" }\n';
    const cases: [string, string, RegExp][] = [
      ["of a syntax error", `${head}SELECT 1 AS a,\n  (2 + AS ▼b`, /RParen/],
      ["of an unknown column", `${head}SELECT\n  x.n, x.▼wrong FROM \${ref("numbers")} AS x`, /wrong/],
      [
        "of an unknown column after ${ref()}",
        `${head}SELECT 1 FROM \${ref("numbers")} AS x WHERE ▼wrong > 1`,
        /wrong/,
      ],
      [
        "of an unknown function",
        `${head}SELECT n,\n  ▼no_function(n) FROM \${ref("numbers")}`,
        /no_function/,
      ],
      ["of a parameter without a value", `${head}SELECT '@nobody', ▼@nobody`, /@nobody/],
      [
        "in an assertion, on its first line, too",
        `config { type: "assertion" } SELECT ▼wrong FROM \${ref("numbers")}`,
        /wrong/,
      ],
    ];
    for (const [what, marked, message] of cases) {
      it(what, async () => {
        const source = marked.replace("▼", "");
        const before = marked.slice(0, marked.indexOf("▼")).split("\n");
        const [line, column] = [before.length, before.at(-1)!.length];
        await assert.rejects(run({ numbers, bad: source }), (error: Error) => {
          assert.equal(error.name, "UserError", error.stack);
          const lines = error.message.split("\n");
          const file = join(folder, "definitions", "bad.sqlx");
          assert.ok(lines[0]!.startsWith(`${file}:${line}:${column + 1}: `), error.message);
          assert.match(lines[0]!, message);
          assert.deepEqual(lines.slice(-2), [
            `  ${source.split("\n")[line - 1]}`,
            `  ${" ".repeat(column)}^`,
          ]);
          return true;
        });
      });
    }
  });

  it("selects the actions of a step by its tag", () => {
    mkdirSync(join(folder, "definitions"));
    writeFileSync(
      join(folder, "workflow_settings.yaml"),
      "defaultProject: p\ndefaultDataset: d\ndefaultLocation: EU\n",
    );
    writeFileSync(
      join(folder, "definitions/a.sqlx"),
      'config { type: "view", tags: ["features", "x"] } SELECT 1',
    );
    writeFileSync(join(folder, "definitions/b.sqlx"), 'config { type: "view", tags: ["feature"] } SELECT 1');
    assert.deepEqual(
      actionsOfStep(compile(folder), "feature").map(({ target }) => target.name),
      ["b"],
    );
  });

  it("refuses a project with operations, which it can't run, and takes one with a disabled action", () => {
    mkdirSync(join(folder, "definitions"));
    writeFileSync(join(folder, "workflow_settings.yaml"), "defaultProject: p\ndefaultDataset: d\n");
    writeFileSync(
      join(folder, "definitions/a.sqlx"),
      'config { type: "view" } SELECT 1 post_operations { SELECT 2 }',
    );
    assert.throws(() => compileToRun(folder, {}), {
      name: "UserError",
      message: /a\.sqlx: post_operations are not/,
    });
    writeFileSync(
      join(folder, "definitions/a.sqlx"),
      'config { type: "view", disabled: true } SELECT broken',
    );
    assert.deepEqual(compileToRun(folder, {}).actions, []);
  });
});
