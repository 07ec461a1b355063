import assert from "node:assert/strict";
import fc from "fast-check";
import { TestDuckDb } from "./duckdb.ts";
import { EXAMPLES, exampleQuery, FUNCTIONS, functionCheck } from "./functions.ts";
import { GoogleSqlAnalyzer } from "./googlesql-analyzer.ts";
import type { Row } from "./query.ts";
import { compareRows } from "./row-comparison.ts";

const VALUES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  INT64: fc.oneof(
    fc.integer({ min: -9, max: 9 }),
    fc.integer({ min: -100_000, max: 1_000_000_000 }),
    fc.constantFrom(-1_000_000_000, 5, 1),
  ),
  FLOAT64: fc.oneof(
    fc.integer({ min: -9, max: 9 }).map((value) => value / 2),
    // Not so small that a quotient overflows, which is an error in BigQuery.
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
    // The readers use different versions of Unicode, with different cases of rare scripts.
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
/** Sums of halves are the same in any order. */
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

describe("functions that queries can use in both readers", function () {
  this.timeout(120_000);
  let analyzer: GoogleSqlAnalyzer;
  let duckdb: TestDuckDb;
  before(async () => {
    analyzer = await GoogleSqlAnalyzer.start();
    duckdb = await TestDuckDb.open();
  });
  after(async () => {
    await analyzer.close();
    duckdb.close();
  });

  /** The difference between the readers. */
  async function difference(
    rows: readonly Row[],
    expressions: readonly string[],
    isAggregate = false,
  ): Promise<string | undefined> {
    const query = exampleQuery(expressions, isAggregate);
    const columns = ["row_key", ...expressions.map((_, index) => `v${index}`)];
    const expected = await analyzer.evaluate(query, { tables: [{ ...EXAMPLES, rows }] });
    const actual = await duckdb.query(query);
    if (compareRows(expected, actual, columns) === undefined) return undefined;
    const wrong = expressions.flatMap((expression, index) => {
      const table = compareRows(expected, actual, ["row_key", `v${index}`]);
      return table === undefined ? [] : [`${expression}\n${table}`];
    });
    return `GoogleSQL → DuckDB:\n${wrong.join("\n")}`;
  }

  for (const [group, expressions] of Object.entries(FUNCTIONS.usable)) {
    it(`give the same results: ${group}`, async () => {
      await fc.assert(
        fc.asyncProperty(rowsWith(SUMMED.includes(group) ? EXACT : VALUES), async (rows) => {
          await duckdb.fill([{ ...EXAMPLES, rows }]);
          const found = await difference(rows, expressions, group === "Aggregates");
          assert.equal(found, undefined, found);
        }),
        { numRuns: 12 },
      );
    });
  }

  it("are refused only where the readers differ, and the suggestion is usable", async () => {
    const corner = { i: 7, j: 0, k: 1, f: 10 + 5.005, h: 0.5, s: "abc", d: "2023-12-31", e: "1969-12-31" };
    const at = { ts: "2023-12-31T23:30:00Z", tu: "2024-01-01T00:00:01Z", b: true, c: false };
    const rows = [
      { ...corner, ...at, u: null },
      ...fc.sample(rowsWith(VALUES), { numRuns: 12, seed: 1 }).flat(),
    ].map((row, id): Row => ({ ...row, id }));
    const errorIn = await functionCheck(analyzer);
    await duckdb.fill([{ ...EXAMPLES, rows }]);
    for (const { write, instead } of FUNCTIONS.refused) {
      const found = await difference(rows, [write]).catch((error) => String(error));
      assert.notEqual(found, undefined, `${write} gives the same result: it is usable`);
      const query = exampleQuery([instead], false);
      const analysis = await analyzer.analyze(query, { tables: [EXAMPLES] });
      assert.equal(errorIn(query, analysis)?.message, undefined, instead);
      assert.equal(await difference(rows, [instead]), undefined, instead);
    }
  });

  it("are refused at their place by function, types of arguments and date parts when they are not in the list", async () => {
    const errorIn = await functionCheck(analyzer);
    const errorOf = async (expression: string) => {
      const query = exampleQuery([`'ü', ${expression}`], false);
      return errorIn(query, await analyzer.analyze(query, { tables: [EXAMPLES] }));
    };
    for (const [expression, message] of [
      ["SAFE.LN(f)", /^SAFE\.LN\(FLOAT64\) is not known to give the same result.*functions\.yaml$/],
      ["TIMESTAMP_TRUNC(ts, WEEK)", /^TIMESTAMP_TRUNC.*Use TIMESTAMP\(CAST\(DATE_TRUNC/],
      ["CONCAT(s, u)", /Use s \|\| u/],
      ["i / k", /Use SAFE_DIVIDE/],
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
});
