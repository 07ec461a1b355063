import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import type { DuckDbWarehouse } from "../../../adapters/duckdb.ts";
import type { Row } from "../../../contracts/warehouse.ts";
import { EXAMPLES, exampleQuery, FUNCTIONS, FunctionRules } from "./functions.ts";
import { GoogleSqlAnalyzer } from "./googlesql-analyzer.ts";
import { fillTables, rowDiff, withDuckDb } from "./unit-tests.ts";

const VALUES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  INT64: fc.oneof(
    fc.integer({ min: -9, max: 9 }),
    fc.integer({ min: -100_000, max: 1_000_000_000 }),
    fc.constantFrom(-1_000_000_000, 5, 1),
  ),
  FLOAT64: fc.oneof(
    fc.integer({ min: -9, max: 9 }).map((value) => value / 2),
    // Not so small that a quotient overflows: in BigQuery that is an error.
    fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => (Math.abs(value) < 1e-9 ? 0 : value)),
    fc.constantFrom(0, 1e-9, 1e15, 15.005, 0.285),
  ),
  STRING: fc.oneof(
    fc.constantFrom(
      "",
      " ",
      "a",
      "A",
      "ab",
      "abc",
      " aé ",
      "ü",
      "ÜBER",
      "straße",
      "😀x",
      "a-b-c",
      "%",
      "1",
      "12",
      "a'b",
      "e\u0301",
      "_b",
      "2024-02-29",
    ),
    // The readers know different versions of Unicode: their cases of rarer scripts differ.
    fc.string({ maxLength: 6, unit: fc.constantFrom(..."aAbBzZ019 -_%.'äÖßéñçøΩωДд漢字😀") }),
  ),
  DATE: fc.oneof(
    fc.constantFrom(
      "1970-01-01",
      "2024-02-29",
      "2023-12-31",
      "2024-01-01",
      "2000-03-01",
      "1969-12-31",
      "1996-12-29",
    ),
    fc
      .integer({ min: -40_000, max: 60_000 })
      .map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10)),
  ),
  TIMESTAMP: fc.oneof(
    fc.constantFrom(
      "1970-01-01T00:00:00Z",
      "2023-12-31T23:59:59.999999Z",
      "1969-12-31T23:59:59Z",
      "2024-03-31T01:30:00Z",
    ),
    fc.integer({ min: -2e9, max: 4e9 }).map((second) => new Date(second * 1000).toISOString()),
  ),
  BOOL: fc.boolean(),
};
/** Halves, whose sums are the same in any order: of other floats small differences of large ones would differ. */
const EXACT = { ...VALUES, FLOAT64: fc.integer({ min: -200_000, max: 200_000 }).map((value) => value / 2) };
const SUMMED = ["Aggregates", "Window functions"];
const rowsWith = (values: typeof VALUES): fc.Arbitrary<Row[]> =>
  fc
    .array(
      fc.record(
        Object.fromEntries(
          EXAMPLES.columns.map(({ name, type }) => [
            name,
            name === "k" ? fc.integer({ min: 1, max: 5 }) : fc.option(values[type]!, { freq: 6 }),
          ]),
        ),
      ),
      { minLength: 0, maxLength: 40 },
    )
    .map((rows) => rows.map((row, id) => ({ ...row, id })));

describe("functions that the SQL may use", function () {
  this.timeout(120_000);
  let analyzer: GoogleSqlAnalyzer;
  before(async () => {
    analyzer = await GoogleSqlAnalyzer.start();
  });
  after(() => analyzer.close());

  /** The difference between the readers, or what one says that can't run it. */
  async function difference(
    warehouse: DuckDbWarehouse,
    rows: readonly Row[],
    expressions: readonly string[],
    isAggregate = false,
  ): Promise<string | undefined> {
    const query = exampleQuery(expressions, isAggregate);
    const columns = ["row_key", ...expressions.map((_, index) => `v${index}`)];
    const expected = await analyzer.evaluate(query, { tables: [{ ...EXAMPLES, rows }] });
    const actual = await warehouse.query(query);
    if (rowDiff(expected, actual, columns) === undefined) return undefined;
    const wrong = expressions.filter(
      (_, index) => rowDiff(expected, actual, ["row_key", `v${index}`]) !== undefined,
    );
    const index = expressions.indexOf(wrong[0]!);
    return `${wrong.join("; ")}\nGoogleSQL → DuckDB:\n${rowDiff(expected, actual, ["row_key", `v${index}`])}`;
  }

  for (const [group, expressions] of Object.entries(FUNCTIONS.usable)) {
    it(`mean the same in GoogleSQL and in DuckDB: ${group}`, async () => {
      await withDuckDb(async (warehouse) => {
        await fc.assert(
          fc.asyncProperty(rowsWith(SUMMED.includes(group) ? EXACT : VALUES), async (rows) => {
            await fillTables(warehouse, [{ ...EXAMPLES, rows }]);
            const found = await difference(warehouse, rows, expressions, group === "Aggregates");
            assert.equal(found, undefined, found);
          }),
          { numRuns: 12 },
        );
      });
    });
  }

  it("are refused only where the readers differ, and what to write instead is usable", async () => {
    const corner = { i: 7, j: 0, k: 1, f: 10 + 5.005, h: 0.5, s: "abc", d: "2023-12-31", e: "1969-12-31" };
    const at = { ts: "2023-12-31T23:30:00Z", tu: "2024-01-01T00:00:01Z", b: true, c: false };
    const rows = [
      { ...corner, ...at, u: null },
      ...fc.sample(rowsWith(VALUES), { numRuns: 12, seed: 1 }).flat(),
    ].map((row, id): Row => ({ ...row, id }));
    const rules = await FunctionRules.load(analyzer);
    await withDuckDb(async (warehouse) => {
      await fillTables(warehouse, [{ ...EXAMPLES, rows }]);
      for (const { write, instead } of FUNCTIONS.refused) {
        const found = await difference(warehouse, rows, [write]).catch((error) => String(error));
        assert.notEqual(found, undefined, `${write} means the same: it is usable`);
        const query = exampleQuery([instead], false);
        const analysis = await analyzer.analyze(query, { tables: [EXAMPLES] });
        assert.equal(rules.errorIn(query, analysis)?.message, undefined, instead);
        assert.equal(await difference(warehouse, rows, [instead]), undefined, instead);
      }
    });
  });

  it("are refused at their place when no example has them, by function, types of arguments and parts", async () => {
    const rules = await FunctionRules.load(analyzer);
    const errorOf = async (expression: string) => {
      const query = exampleQuery([`'ü', ${expression}`], false);
      return rules.errorIn(query, await analyzer.analyze(query, { tables: [EXAMPLES] }));
    };
    for (const [expression, message] of [
      ["SAFE.LN(f)", /^SAFE\.LN\(FLOAT64\) is not known to mean the same/],
      ["TIMESTAMP_TRUNC(ts, WEEK)", /^TIMESTAMP_TRUNC.*write it like TIMESTAMP\(CAST\(DATE_TRUNC/],
      ["CONCAT(s, u)", /write it like s \|\| u/],
      ["i / k", /write it like SAFE_DIVIDE/],
      ["FORMAT_DATE('%U', d)", /^FORMAT_DATE\(STRING, DATE, "%U"\) is not known/],
      ["GREATEST(s, u)", /^GREATEST\(STRING\) is not known/],
    ] as const) {
      const error = await errorOf(expression);
      assert.match(error?.message ?? "", message);
      assert.deepEqual(error?.position, { line: 2, column: 8 });
    }
    for (const usable of ["TIMESTAMP_TRUNC(ts, DAY)", "s || u", "i / 7", "CAST(ROUND(f) AS INT64)"])
      assert.equal(await errorOf(usable), undefined);
  });

  it("are documented (golden)", () => {
    const file = new URL("../../../docs/sql-functions.md", import.meta.url);
    const cell = (expression: string): string => `\`${expression.replaceAll("|", "\\|")}\``;
    const text = `# Functions that the SQL may use

Made from packages/dataform-check/src/functions.yaml by its test, which runs every expression in GoogleSQL's reference evaluator and,
translated, in DuckDB on generated rows: nulls, ties, duplicates, extremes, unicode, no rows. Floating-point numbers may
differ by ${1e-9} of their size and are finite here: NaN is in no order in BigQuery, and above all numbers in DuckDB.
Dates and timestamps are in UTC, from 1860 to 2134. What fails in BigQuery may give NULL in DuckDB, for example DIV by zero.
\`npm run check:sql\` refuses every other function: add it to that file, and its test tells whether it may stay.

In the table that the expressions are of, \`id\`, \`i\`, \`j\` and \`k\` are INT64, \`f\` and \`h\` FLOAT64, \`s\` and \`u\` STRING,
\`d\` and \`e\` DATE, \`ts\` and \`tu\` TIMESTAMP, \`b\` and \`c\` BOOL. A function may be used with these types and date parts.
${Object.entries(FUNCTIONS.usable)
  .map(([group, expressions]) => `\n## ${group}\n\n\`\`\`sql\n${expressions.join("\n")}\n\`\`\`\n`)
  .join("")}
## Refused

The translation takes these wrongly, or DuckDB has another meaning for them.

| refused | portable, or the nearest that is |
| ------- | -------------------------------- |
${FUNCTIONS.refused.map(({ write, instead }) => `| ${cell(write)} | ${cell(instead)} |`).join("\n")}
`;
    if (process.env.UPDATE_GOLDEN) writeFileSync(file, text);
    assert.equal(
      readFileSync(file, "utf8"),
      text,
      "docs/sql-functions.md is not up to date: UPDATE_GOLDEN=1 npx mocha --grep golden, and look at the difference.",
    );
  });
});
