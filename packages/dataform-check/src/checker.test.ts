// biome-ignore-all lint/suspicious/noTemplateCurlyInString: .sqlx files have them
import assert from "node:assert/strict";
import { config, TestProject } from "../test/project.ts";
import { type Checked, SqlChecker } from "./checker.ts";
import type { Config } from "./config.ts";
import { compile } from "./dataform.ts";
import { tablesText } from "./tables-file.ts";

describe("SqlChecker", () => {
  let project: TestProject;
  let checker: SqlChecker;
  before(async () => {
    project = new TestProject();
    checker = await SqlChecker.start(project.dir, config);
  });
  afterEach(() => project.restore());
  after(async () => {
    await checker.close();
    project.remove();
  });
  const check = (): Promise<Checked> => checker.check(compile(project.dir));
  const checkWith = (other: Config): Promise<Checked> =>
    SqlChecker.check(project.dir, other, compile(project.dir));
  const names = ({ notAnalyzed }: Checked): string[] =>
    notAnalyzed.map(({ action }) => action.target.name).sort();

  it("finds no problem in a valid project, and returns its columns and tables", async () => {
    const graph = compile(project.dir);
    const checked = await checker.check(graph);
    assert.deepEqual([checked.problems, checked.notAnalyzed], [[], []]);
    assert.deepEqual(checked.columns.get("shop.rfm.purchases"), [
      { name: "customer_id", type: "STRING" },
      { name: "purchased_on", type: "DATE" },
      { name: "value", type: "FLOAT64" },
    ]);
    assert.deepEqual(JSON.parse(tablesText(graph, checked))[0], {
      dataset: "rfm",
      name: "customers",
      description: "What others read.",
      partitionBy: "run_date",
      clusterBy: [],
      columns: [
        { name: "run_date", type: "DATE", description: "Run date." },
        { name: "customer_id", type: "STRING", description: "Customer." },
        { name: "segment", type: "STRING", description: "Segment." },
      ],
    });
  });

  const PURCHASES = "definitions/staging/purchases.sqlx";
  const CUSTOMERS = "definitions/marts/customers.sqlx";
  const breaks: [what: string, file: string, from: string, to: string, problem: RegExp][] = [
    [
      "an unknown column",
      CUSTOMERS,
      "  h.customer_id",
      "  h.customer",
      /customers\.sqlx:10:5: Name customer not found inside h\n {2} {2}h\.customer,\n {2} {4}\^$/,
    ],
    [
      "a wrong type",
      PURCHASES,
      "SUM(amount)",
      "SUM(order_id)",
      /purchases\.sqlx:9:3: No matching signature for aggregate function SUM for argument type.*STRING[\s\S]*\n {4}SUM\(order_id\)/,
    ],
    [
      "an ambiguous name",
      CUSTOMERS,
      "AS h\n",
      'AS h\n  JOIN ${ref("history")} AS g ON g.customer_id = h.customer_id AND frequency = 1\n',
      /customers\.sqlx:14:\d+: Column name frequency is ambiguous/,
    ],
    [
      "an error inside a script",
      "definitions/features/history.sqlx",
      'rank("frequency")',
      'rank("frequenzy")',
      /history\.sqlx:23:3: Unrecognized name: frequenzy; Did you mean frequency\?/,
    ],
    ["a column without a name", PURCHASES, " AS value", "", /purchases\.sqlx: Column 3 has no name/],
    [
      "two columns with one name",
      CUSTOMERS,
      "  s.segment",
      "  s.segment AS customer_id",
      /Two columns have the name customer_id/,
    ],
    [
      "a syntax error",
      "definitions/checks/customers_keys.sqlx",
      "GROUP BY",
      "GROUP",
      /customers_keys\.sqlx:10:3: Syntax error/,
    ],
    [
      "a function that differs in DuckDB",
      PURCHASES,
      "  customer_id,",
      "  UPPER(customer_id) AS customer_id,",
      /UPPER\(s\) does not give the same result in DuckDB\. Use LOWER/,
    ],
  ];
  for (const [what, file, from, to, problem] of breaks) {
    it(`reports file, line and column of ${what}`, async () => {
      project.change(file, from, to);
      const { problems } = await check();
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, problem);
    });
  }

  it("reports all problems, and which queries are not analyzed because of them", async () => {
    project.change("definitions/features/history.sqlx", "COUNT(*)", "COUNT(x)");
    project.change("definitions/features/segments.sqlx", "'best'", "best");
    const checked = await check();
    assert.equal(checked.problems.length, 2);
    assert.deepEqual(names(checked), ["customers", "customers_keys"]);
    assert.match(checked.notAnalyzed[0]!.why, /rfm\.(history|segments) is not valid/);
    project.change(CUSTOMERS, "SELECT", "SELEC");
    assert.match((await check()).problems[2]!, /customers\.sqlx:8:1: Syntax error/);
  });

  it("analyzes only what changed since the last check, and what reads other columns because of it", async () => {
    await using other = await SqlChecker.start(project.dir, { parameters: config.parameters! });
    const changed = async (): Promise<string[]> =>
      (await other.check(compile(project.dir))).changed.map(({ target }) => target.name).sort();
    assert.equal((await changed()).length, 5);
    assert.deepEqual(await changed(), []);
    project.change(PURCHASES, "SUM(amount)", "MAX(amount)");
    assert.deepEqual(await changed(), ["purchases"]);
    project.change(PURCHASES, "SUM(amount)", "COUNT(*)");
    assert.deepEqual(await changed(), ["history", "purchases"]);
  });

  describe("a source without column types", () => {
    const source = (columns: string): void =>
      project.write(
        "definitions/sources.js",
        `declare({ schema: "raw", name: "orders", columns: ${columns} });`,
      );

    it("leaves the queries that read it with a syntax check, and names the reason", async () => {
      source("{}");
      project.change("definitions/checks/customers_keys.sqlx", "GROUP BY", "GROUP");
      const checked = await check();
      assert.deepEqual(names(checked), ["customers", "history", "purchases"]);
      assert.equal(
        checked.notAnalyzed[0]!.why,
        "the source raw.orders declares no column types (definitions/sources.js)",
      );
      assert.deepEqual(checked.problems.length, 1);
      assert.ok(checked.columns.has("shop.rfm.segments"), "what reads no source is analyzed");
    });

    it("can get them from the configuration", async () => {
      source("{}");
      const orders = { customer_id: "STRING", ordered_at: "TIMESTAMP", amount: "FLOAT64" };
      const checked = await checkWith({ ...config, sources: { "shop.raw.orders": orders } });
      assert.deepEqual([checked.problems, checked.notAnalyzed], [[], []]);
    });

    it("is an error when it declares some types, or a type that does not exist", async () => {
      source('{ customer_id: { tags: ["STRING"] }, amount: "Amount." }');
      await assert.rejects(check(), {
        name: "UserError",
        message: /Column amount of the source raw\.orders has no type/,
      });
      source('{ customer_id: { tags: ["STRING"] }, amount: { tags: ["MONEY"] } }');
      await assert.rejects(check(), { message: /"MONEY" is not a GoogleSQL type/ });
    });
  });

  it("does not analyze what reads a disabled action, an undeclared table or an operation, or uses pipe syntax", async () => {
    project.write("definitions/off.sqlx", 'config { type: "table", disabled: true } SELEC');
    project.write(
      "definitions/op.sqlx",
      'config { type: "operations", hasOutput: true } CREATE TABLE x AS SELECT 1',
    );
    project.write("definitions/a.sqlx", 'config { type: "view" } SELECT * FROM ${ref("off")}');
    project.write("definitions/b.sqlx", 'config { type: "view" } SELECT * FROM ${ref("op")}');
    project.write("definitions/c.sqlx", 'config { type: "view" } SELECT * FROM `shop.other.t`');
    project.write("definitions/d.sqlx", 'config { type: "view" } FROM ${ref("segments")} |> SELECT segment');
    const checked = await check();
    assert.deepEqual(checked.problems, []);
    assert.deepEqual(
      Object.fromEntries(checked.notAnalyzed.map(({ action, why }) => [action.target.name, why])),
      {
        a: "rfm.off is disabled",
        b: "rfm.op is not a SELECT (operation)",
        c: "the table shop.other.t is not declared",
        d: "rfm.d uses pipe syntax, which the analyzer does not know",
      },
    );
  });

  describe("what BigQuery refuses, and the analyzer and DuckDB accept", () => {
    const query = (text: string, type = "view"): void =>
      project.write(
        "definitions/refused.sqlx",
        `config { type: "${type}" }\nSELECT h.score FROM \${ref("history")} AS h\n${text}`,
      );
    const SEGMENTS = '${ref("segments")} AS s';
    const ORDERS = '${ref("orders")} AS o';
    for (const [wrong, message, column] of [
      [`LEFT JOIN ${SEGMENTS} ON s.position >= h.score`, "a LEFT JOIN .*outer-join-equality", 1],
      [
        `LEFT JOIN ${SEGMENTS} ON s.position = h.score OR s.segment = h.customer_id`,
        "a LEFT JOIN .*outer-join-equality",
        1,
      ],
      [`RIGHT JOIN ${SEGMENTS} ON h.score > 1`, "a RIGHT JOIN .*outer-join-equality", 1],
      [`FULL JOIN ${SEGMENTS} ON s.position = h.score + s.position`, "a FULL JOIN .*outer-join-equality", 1],
      [
        `JOIN ${SEGMENTS} ON s.position = h.score AND h.customer_id IN (SELECT o.customer_id FROM ${ORDERS})`,
        "a subquery .*join-subquery",
        1,
      ],
      ["WHERE h.run_date = @run_date", "the parameter @run_date .*view-parameter", 20],
      [
        `WHERE EXISTS (SELECT 1 FROM ${ORDERS} WHERE o.amount > h.score)`,
        "this correlated subquery: no condition is an equality",
        7,
      ],
      [
        `WHERE h.score < (SELECT SUM(o.amount) FROM ${ORDERS} WHERE o.customer_id = h.customer_id OR h.score = 1)`,
        "this correlated subquery: no condition is an equality",
        17,
      ],
      [
        `WHERE h.score < (SELECT o.amount FROM ${ORDERS} WHERE o.customer_id = h.customer_id LIMIT 1)`,
        "this correlated subquery: it has LIMIT",
        17,
      ],
    ] as const) {
      it(`is a problem: ${wrong}`, async () => {
        query(wrong);
        const { problems } = await check();
        assert.match(
          problems[0] ?? "",
          new RegExp(`refused\\.sqlx:3:${column}: BigQuery refuses ${message}.*\\)\\n`),
        );
      });
    }
    for (const right of [
      `LEFT JOIN ${SEGMENTS} ON s.position = h.score AND s.segment > h.customer_id`,
      `FULL JOIN ${SEGMENTS} ON CAST(s.position AS FLOAT64) = h.score + 0.5`,
      'LEFT JOIN ${ref("history")} AS s USING (customer_id)',
      `LEFT JOIN ${SEGMENTS} ON TRUE`,
      `JOIN ${SEGMENTS} ON s.position > h.score`,
      "LEFT JOIN UNNEST([1, 2]) AS s ON s > h.score",
      `JOIN ${SEGMENTS} ON s.position = h.score AND s.position IN (1, 2)`,
      `WHERE h.customer_id IN (SELECT o.customer_id FROM ${ORDERS} WHERE o.amount > h.score)`,
      `WHERE EXISTS (SELECT 1 FROM ${ORDERS} WHERE o.customer_id = h.customer_id AND o.amount > h.score LIMIT 1)`,
      `WHERE h.score < (SELECT SUM(o.amount) FROM ${ORDERS} WHERE o.customer_id = h.customer_id)`,
      `WHERE h.score < (SELECT MAX(o.amount) FROM ${ORDERS})`,
      "WHERE EXISTS (SELECT 1 FROM UNNEST([1, 2]) AS n WHERE n > h.score)",
    ]) {
      it(`is no problem: ${right}`, async () => {
        query(right);
        assert.deepEqual((await check()).problems, []);
      });
    }

    it("has no parameter in a view; tables and assertions can use it", async () => {
      for (const type of ["table", "assertion"]) {
        query("WHERE h.run_date = @run_date", type);
        assert.deepEqual((await check()).problems, []);
      }
    });

    it("is reported by the analyzer when LIMIT is an expression", async () => {
      query("LIMIT 1 + 1");
      assert.match((await check()).problems[0] ?? "", /refused\.sqlx:3:9: Syntax error/);
    });
  });
});
