import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Catalog, GoogleSqlAnalyzer } from "./googlesql-analyzer.ts";
import { typeMessage, typeName } from "./googlesql-values.ts";
import type { QueryError } from "./query.ts";

const table = (name: string, columns: Record<string, string>, dataset = "d", project = "my-shop") => ({
  target: { project, dataset, name },
  columns: Object.entries(columns).map(([column, type]) => ({ name: column, type })),
});
const orders = table("orders", { id: "STRING", at: "TIMESTAMP", on: "DATE", amount: "FLOAT64", n: "INT64" });
const double = { name: "double", parameters: [{ name: "x", type: "FLOAT64" }], returns: "FLOAT64" } as const;
const catalog: Catalog = {
  tables: [orders, table("customers", { id: "STRING", tags: "ARRAY<STRING>" })],
  routines: [double],
  home: { project: "my-shop", dataset: "d" },
};

describe("GoogleSQL's analyzer", () => {
  let analyzer: GoogleSqlAnalyzer;
  before(async () => {
    analyzer = await GoogleSqlAnalyzer.start();
  });
  after(() => analyzer.close());

  const columnsOf = async (query: string): Promise<string[]> =>
    (await analyzer.analyze(query, catalog, { run_date: { type: "DATE" } })).columns.map(
      ({ name, type }) => `${name} ${type}`,
    );

  it("returns the columns of a query with their types", async () => {
    assert.deepEqual(
      await columnsOf(
        "SELECT id, DATE(`at`) < @run_date AS early, n / 2 AS half, [STRUCT(n AS n, `on` AS day)] AS parts FROM `my-shop.d.orders`",
      ),
      ["id STRING", "early BOOL", "half FLOAT64", "parts ARRAY<STRUCT<n INT64, day DATE>>"],
    );
  });

  it("resolves a path in one pair of backticks or several, and a column by its table's name", async () => {
    for (const path of ["`my-shop.d.orders`", "`my-shop`.`d`.`orders`"])
      assert.deepEqual(await columnsOf(`SELECT orders.n FROM ${path}`), ["n INT64"]);
  });

  it("converts type names to messages and back", () => {
    for (const type of ["INT64", "ARRAY<STRING>", "STRUCT<a INT64, b ARRAY<STRUCT<c DATE, d FLOAT64>>>"])
      assert.equal(typeName(typeMessage(type)), type);
    assert.throws(() => typeMessage("INTEGER"), /"INTEGER" is not a GoogleSQL type/);
  });

  it("knows the routines and the types of their parameters", async () => {
    assert.deepEqual(await columnsOf("SELECT `my-shop`.`d`.double(n) AS twice FROM `my-shop.d.orders`"), [
      "twice FLOAT64",
    ]);
    await assert.rejects(columnsOf("SELECT `my-shop`.`d`.double('a')"), /No matching signature.*DOUBLE/);
  });

  const wrong: [what: string, query: string, message: RegExp, line: number, column: number][] = [
    ["an unknown column", "SELECT\n  idd\nFROM `my-shop.d.orders`", /name: idd; Did you mean id\?/, 2, 3],
    ["letters of several bytes and tabs", "SELECT\t'ü😀', idd FROM `my-shop.d.orders`", /idd/, 1, 15],
    ["a place after a path", "SELECT id FROM `my-shop.d.orders` WHERE idd = 1", /idd/, 1, 41],
    [
      "an ambiguous name",
      "SELECT id FROM `my-shop.d.orders` AS o CROSS JOIN `my-shop.d.customers` AS c",
      /ambiguous/,
      1,
      8,
    ],
    ["a wrong type", "SELECT id + n FROM `my-shop.d.orders`", /STRING, INT64/, 1, 8],
    [
      "an unknown table",
      "SELECT 1 FROM `my-shop.d.order`",
      /Table not found.*Did you mean my-shop.d.orders/,
      1,
      15,
    ],
    ["a parameter that is not declared", "SELECT @nobody", /nobody/, 1, 8],
    ["a syntax error", "SELECT 1 =", /end of statement/, 1, 11],
    ["what BigQuery does not have", "SELECT [1] = [1]", /Equality is not defined/, 1, 8],
  ];
  for (const [what, query, message, line, column] of wrong) {
    it(`names the place of ${what}`, async () => {
      await assert.rejects(columnsOf(query), (error: QueryError) => {
        assert.match(error.message, message);
        assert.deepEqual(error.position, { line, column });
        return true;
      });
    });
  }

  it("returns the resolved tree with the full names of tables", async () => {
    const { statement } = await analyzer.analyze("SELECT id FROM `my-shop.d.orders`", catalog);
    assert.match(JSON.stringify(statement), /"full_name":"my-shop\.d\.orders"/);
  });

  it("evaluates a query on given rows, with values of every type in and out", async () => {
    const rows = [
      { id: "ü", at: "1969-12-31T23:59:59.5Z", on: "1969-12-31", amount: Number.POSITIVE_INFINITY, n: -7 },
      { id: null, at: "2024-02-29T12:00:00.000001Z", on: "2024-02-29", amount: Number.NaN, n: 2 ** 53 },
    ];
    const given: Catalog = { ...catalog, tables: [{ ...orders, rows }] };
    assert.deepEqual(
      await analyzer.evaluate("SELECT *, [n] AS list FROM `my-shop.d.orders` ORDER BY n", given),
      rows.map((row) => ({ ...row, list: [row.n] })),
    );
    assert.deepEqual(
      await analyzer.evaluate("SELECT @d AS d", given, { d: { type: "DATE", value: "2024-01-01" } }),
      [{ d: "2024-01-01" }],
    );
    assert.deepEqual(await analyzer.evaluate("SELECT COUNT(*) AS n FROM `my-shop.d.orders`", catalog), [
      { n: 0 },
    ]);
  });

  it("evaluates the SQL stub of a routine, and fails without one", async () => {
    const query = "SELECT `my-shop`.`d`.double(n + 1) AS twice FROM UNNEST([1, 2]) AS n";
    assert.deepEqual(await analyzer.evaluate(query, { ...catalog, sqlStubs: { double: "x * 2.0" } }), [
      { twice: 4 },
      { twice: 6 },
    ]);
    await assert.rejects(analyzer.evaluate(query, catalog), /double has no evaluator/);
  });

  it("reports a platform without an analyzer", async () => {
    await assert.rejects(GoogleSqlAnalyzer.start("win32", "x64"), {
      name: "UserError",
      message: /no GoogleSQL analyzer for win32-x64/,
    });
  });

  for (const ending of [
    "process.exit(0)",
    "process.kill(process.pid, 'SIGKILL')",
    "0",
    "await analyzer.close()",
  ]) {
    it(`stops with its process and leaves no files: ${ending}`, async () => {
      const module = new URL("./googlesql-analyzer.ts", import.meta.url).href;
      const script = `import { readdirSync, readlinkSync } from "node:fs";
        import { tmpdir } from "node:os";
        const before = new Set(readdirSync(tmpdir()));
        const { GoogleSqlAnalyzer } = await import(${JSON.stringify(module)});
        const analyzer = await GoogleSqlAnalyzer.start();
        console.log(tmpdir() + "/" + readdirSync(tmpdir()).find((name) => name.startsWith("googlesql-") && !before.has(name)));
        ${ending}`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
      let folder = "";
      child.stdout.on("data", (chunk) => {
        folder += chunk;
      });
      await once(child, "close");
      assert.match(folder, /googlesql-\w+\n/);
      for (let wait = 0; wait < 100 && existsSync(folder.trim()); wait += 1) await sleep(50);
      assert.ok(!existsSync(folder.trim()), "the server removes the folder of its socket when it stops");
    });
  }
});
