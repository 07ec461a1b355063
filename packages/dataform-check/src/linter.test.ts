// biome-ignore-all lint/suspicious/noTemplateCurlyInString: .sqlx files have them
import assert from "node:assert/strict";
import { config, TestProject } from "../test/project.ts";
import { SqlChecker } from "./checker.ts";
import { compile } from "./dataform.ts";
import { type Finding, lint, RULES, type Rule } from "./linter.ts";

describe("lint", () => {
  let checker: SqlChecker;
  let project: TestProject;
  before(async () => {
    project = new TestProject();
    checker = await SqlChecker.start(project.dir, { ...config, duckdb: false });
  });
  after(async () => {
    await checker.close();
    project.remove();
  });

  /** The findings in the project with this file below definitions. */
  async function findings(file: string, text: string): Promise<Finding[]> {
    project.write(`definitions/${file}`, text);
    try {
      const graph = compile(project.dir);
      return lint(graph, await checker.check(graph), project.dir, config);
    } finally {
      project.remove(`definitions/${file}`);
    }
  }
  const model = (query: string, more = ""): string =>
    `config { type: "table", description: "d"${more} }\n\n${query}`;
  const mart = (query: string): string => model(query, ', columns: { run_date: "r", customer_id: "c" }');

  it("finds nothing in a good project", async () => {
    const graph = compile(project.dir);
    assert.deepEqual(lint(graph, await checker.check(graph), project.dir, config), []);
  });

  /** A rule, a file, a query that breaks the rule, the finding, and a query that keeps the rule. */
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
        'SELECT segment AS run_date FROM ${ref("segments")} UNION ALL SELECT DISTINCT s.* EXCEPT (position) FROM ${ref("segments")} AS s',
      ),
      /m\.sqlx:3:\d+: a mart selects \*/,
      mart(
        'SELECT position * 2 AS run_date FROM ${ref("segments")} UNION ALL SELECT position FROM ${ref("segments")}',
      ),
    ],
    [
      "partition-filter",
      "m.sqlx",
      model('SELECT\n  score\nFROM ${ref("history")} AS h\nWHERE h.frequency = 1'),
      /m\.sqlx:5:6: shop\.rfm\.history is read without .*\n.*\n {7}\^\n {2}Compare h\.run_date with a constant/,
      model('SELECT score FROM ${ref("history")} AS h WHERE h.frequency = 1 AND h.run_date = @run_date'),
    ],
    [
      "partition-filter", // A condition of an OR selects no partitions.
      "m.sqlx",
      model('SELECT score FROM ${ref("history")} WHERE score > 1 OR run_date = @run_date'),
      /partition-filter/,
      model('SELECT score FROM ${ref("history")} WHERE (score > 1 AND @run_date >= run_date)'),
    ],
    [
      "partition-filter", // An OR selects partitions when all its conditions are about them.
      "m.sqlx",
      model('SELECT score FROM ${ref("history")} WHERE run_date >= @run_date OR score > 1'),
      /partition-filter/,
      model('SELECT score FROM ${ref("history")} WHERE (run_date >= @run_date OR run_date IS NULL)'),
    ],
    [
      "partition-filter",
      "m.sqlx",
      model(
        'SELECT c.segment FROM ${ref("customers")} AS c JOIN ${ref("history")} AS h ON h.run_date = c.run_date AND h.customer_id = c.customer_id WHERE c.run_date = @run_date',
      ),
      /history is read/,
      model(
        'SELECT c.segment FROM ${ref("customers")} AS c JOIN ${ref("history")} AS h ON h.run_date = @run_date AND h.customer_id = c.customer_id WHERE c.run_date BETWEEN DATE_SUB(@run_date, INTERVAL 7 DAY) AND @run_date',
      ),
    ],
    [
      "partition-filter",
      "m.sqlx",
      model('SELECT score FROM ${ref("history")} WHERE run_date NOT IN (@run_date)'),
      /history is read/,
      model('SELECT score FROM ${ref("history")} WHERE run_date IN (@run_date)'),
    ],
    [
      "partition-filter", // The filter of one read does not count for the other.
      "m.sqlx",
      model(
        'SELECT h.score FROM ${ref("history")} AS h JOIN ${ref("history")} AS g ON g.customer_id = h.customer_id WHERE g.run_date = @run_date',
      ),
      /Compare h\.run_date/,
      model('SELECT score FROM (SELECT * FROM ${ref("history")}) WHERE run_date = @run_date'),
    ],
    [
      "join-key",
      "m.sqlx",
      model('SELECT s.segment\nFROM ${ref("segments")} AS s, ${ref("purchases")} AS p'),
      /m\.sqlx:4:\d+: this join has no key.*\n.*\n +\^\n.*CROSS JOIN/,
      model('SELECT s.segment FROM ${ref("segments")} AS s CROSS JOIN ${ref("purchases")} AS p'),
    ],
    [
      "join-key",
      "m.sqlx",
      model('SELECT s.segment FROM ${ref("segments")} AS s JOIN ${ref("purchases")} AS p ON p.value = 1'),
      /this join has no key/,
      model(
        'SELECT s.segment FROM ${ref("segments")} AS s JOIN ${ref("purchases")} AS p ON p.value = s.position',
      ),
    ],
    [
      "join-key",
      "m.sqlx",
      model('SELECT s.segment FROM ${ref("segments")} AS s JOIN (SELECT 1 AS one) AS o ON TRUE'),
      /this join has no key/,
      model(
        'SELECT s.segment FROM ${ref("segments")} AS s JOIN ${ref("segments")} AS o USING (segment), UNNEST([1]) AS n',
      ),
    ],
    [
      "run-date",
      "m.sqlx",
      model("SELECT\n  current_date AS d"),
      /m\.sqlx:4:3: CURRENT_DATE has another value tomorrow.*\n.*\n {4}\^\n {2}Use a query parameter/,
      model("SELECT @run_date AS d, 'current_date' AS s"),
    ],
    [
      "run-date",
      "m.sqlx",
      model("SELECT customer_id FROM ${ref('purchases')} WHERE purchased_on < '2024-01-01'"),
      /the query contains a date/,
      model("SELECT customer_id FROM ${ref('purchases')} WHERE purchased_on < @run_date -- not '2024-01-01'"),
    ],
    [
      "run-date",
      "m.sqlx",
      model("SELECT DATE(2024, 1, 1) AS d"),
      /the query contains a date/,
      model("SELECT DATE(ordered_at) AS d FROM ${ref('orders')}"),
    ],
    [
      "array-null",
      "m.sqlx",
      model('SELECT COUNT(*) AS n,\n  ARRAY_AGG(segment) AS segments FROM ${ref("segments")}'),
      /m\.sqlx:4:3: an array in the result can have a NULL element.*\n.*\n.*\n {2}Write ARRAY_AGG\(… IGNORE NULLS\)/,
      model(
        'SELECT ARRAY_AGG(segment IGNORE NULLS) AS one, ARRAY_AGG(STRUCT(position)) AS two, ARRAY_AGG(position)[OFFSET(0)] AS three FROM ${ref("segments")}',
      ),
    ],
    [
      "description",
      "m.sqlx",
      'config { type: "view" }\nSELECT 1 AS one',
      /m\.sqlx: rfm\.m has no description \(description\)\n {2}Say what one row/,
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
      "m.sqlx",
      model("SELECT 1 AS one -- lint-ignore run-date: it was so"),
      /m\.sqlx:3:\d+: nothing to ignore: run-date is not broken here/,
      model("SELECT CURRENT_DATE() AS today -- lint-ignore run-date: a clock is what it is about"),
    ],
    [
      "lint-ignore",
      "m.sqlx",
      model("SELECT\n  -- lint-ignore run-date:\n  CURRENT_DATE() AS today"),
      /lint-ignore without a rule or a reason/,
      model("SELECT\n  -- lint-ignore run-date: a clock is what it is about\n  CURRENT_DATE() AS today"),
    ],
  ];
  for (const [rule, file, broken, finding, kept] of cases) {
    it(`${rule}: ${broken.split("\n").slice(1).join(" ").trim()}`, async () => {
      const found = await findings(file, broken);
      assert.ok(
        found.some((each) => each.rule === rule && finding.test(each.text)),
        JSON.stringify(found, null, 2),
      );
      assert.deepEqual(await findings(file, kept), []);
    });
  }

  it("has both cases for every rule", () => {
    assert.deepEqual(new Set(cases.map(([rule]) => rule)), new Set(Object.keys(RULES)));
  });

  it("partition-filter: also for the sources of the configuration", async () => {
    const partitions = { "shop.raw.orders": "ordered_at" };
    const read = async (where: string): Promise<string[]> => {
      project.write("definitions/m.sqlx", model(`SELECT amount FROM \${ref("orders")} ${where}`));
      const graph = compile(project.dir);
      const found = lint(graph, await checker.check(graph), project.dir, { ...config, partitions });
      project.remove("definitions/m.sqlx");
      return found.flatMap(({ text }) => (text.includes("m.sqlx") ? [text] : []));
    };
    assert.match((await read(""))[0] ?? "", /shop\.raw\.orders is read without a filter on its partitions/);
    assert.deepEqual(await read("WHERE ordered_at < TIMESTAMP(@run_date)"), []);
  });

  it("points at the right place after letters that JavaScript counts twice", async () => {
    const query = "SELECT '🛒🛒' AS cart, score FROM ${ref('history')} WHERE CURRENT_DATE() IS NOT NULL";
    const places = (await findings("m.sqlx", model(query))).map(({ text }) => /:3:(\d+):/.exec(text)?.[1]);
    assert.deepEqual(
      places.sort(),
      [query.indexOf("${"), query.indexOf("CURRENT")].map((at) => String(at + 1)),
    );
  });

  it("lints the text of a query that can't be analyzed", async () => {
    const found = await findings(
      "m.sqlx",
      model("SELECT nothing, CURRENT_DATE() AS d FROM ${ref('history')}"),
    );
    assert.deepEqual(
      found.map(({ rule }) => rule),
      ["run-date"],
    );
  });
});
