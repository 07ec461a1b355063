import assert from "node:assert/strict";
import { Dialect, tokenize } from "@polyglot-sql/sdk";
import fc from "fast-check";
import { formatSql } from "./formatter.ts";
import { tokensOf } from "./sqlx-tokens.ts";
import { UserError } from "./user-error.ts";

/** Blocks, comments, strings and ${…} of a file, and its other words, each on its own. */
const texts = (text: string): string[] =>
  tokensOf(text).flatMap((token) => (token.kind === "space" ? [] : [token.text.trimEnd()]));

/** The SQL's tokens, without comments, as another reader of BigQuery's SQL sees them. */
function otherReader(sql: string): string[] {
  const { tokens, error } = tokenize(sql, Dialect.BigQuery);
  assert.ok(tokens, error);
  return tokens.map(({ text }) => text);
}

describe("formatSql", () => {
  for (const [what, sql, formatted] of [
    [
      "a dashed project id",
      "select a-1 from my-project-1.ds.t join p-2.ds.u using (a)",
      "select\n  a -1\nfrom\n  my-project-1.ds.t\n  join p-2.ds.u using (a)\n",
    ],
    [
      "types with fields",
      "select cast(null as array<struct<a int64, b array<int64>>>) as a, array<int64>[1] as b, c>>1 from t",
      "select\n  cast(null as array<struct<a int64, b array<int64>>>) as a,\n  array<int64>[1] as b,\n  c >> 1\nfrom\n  t\n",
    ],
    [
      "a lambda",
      "select array_filter(a,x->x>1) from t",
      "select\n  array_filter (a, x -> x > 1)\nfrom\n  t\n",
    ],
    [
      "a comparison of two arrays' elements",
      "select a<b, c>d from t",
      "select\n  a < b,\n  c > d\nfrom\n  t\n",
    ],
  ] as const) {
    it(`formats ${what}`, () => assert.equal(formatSql(sql, "a.sql"), formatted));
  }

  it("reads regular expressions in JavaScript, with braces and quotes", () => {
    const script = "js {\n  const half = 4 / 2; const r = /[}`'\"]\\}/g;\n}";
    assert.equal(formatSql(`${script}\nselect 1`, "a.sqlx"), `${script}\n\nselect\n  1\n`);
  });

  it("keeps blocks unchanged in their places, with braces and quotes in their strings and comments", () => {
    const config = 'config {\n  description: "a } brace",\n  columns: { a: `b } c` } // }\n}';
    const before = "pre_operations {\n  -- it's } not over\n  select '}'\n}";
    const script = "js {\n  const it = { s: '}' };\n}";
    const formatted = formatSql(`${config}\n${before}\nselect 1\n${script}`, "a.sqlx");
    assert.equal(formatted, `${config}\n\n${before}\n\nselect\n  1\n\n${script}\n`);
  });

  for (const kept of [
    "${when(incremental(), `where ${x('}')}`)}",
    "'${f(\"it's\")}'",
    '"""a\n  b \'c\' \\""""',
    "/* a\n b */",
    "r'\\d'",
    "-- it's",
    "# so `it",
    "`a b`.c",
    "'\\''",
  ]) {
    it(`keeps ${JSON.stringify(kept)}`, () => {
      const formatted = formatSql(`select a , ${kept}\n, b from t`, "a.sqlx");
      assert.ok(formatted.includes(kept), formatted);
      assert.match(formatted, /\n {2}b\nfrom\n {2}t\n$/);
    });
  }

  it("keeps line endings, and an empty file empty", () => {
    assert.equal(formatSql("select a,\r\nb", "a.sql"), "select\r\n  a,\r\n  b\r\n");
    assert.equal(formatSql(" \n", "a.sql"), "");
  });

  for (const [why, sql, message] of [
    [
      "a string is not closed",
      "config { type: 'view' }\n\nselect a,\n  'unclosed",
      /^a\.sqlx:4:3 is not formatted: Parse error/,
    ],
    ["a comment is not closed", "select 1 /* unclosed", /not formatted/],
    ["a block is not closed", "config { type: 1\nselect 1", /a block has no closing brace/],
    ["a parenthesis is not closed", "select f(a", /^a\.sqlx:1:\d+ is not formatted/],
    [
      "it uses pipe syntax",
      "select 1;\nfrom t |> where a > 1",
      /^a\.sqlx:2:8 is not formatted: pipe syntax is not supported/,
    ],
    [
      "the library would change tokens",
      "select cast(x as array<int64 /* 64 */>)",
      /more than white space would change/,
    ],
    ["line ends are mixed", "select 1,\r\n2\n", /mixes line endings/],
  ] as const) {
    it(`does not format a file when ${why}`, () => {
      assert.throws(
        () => formatSql(sql, "a.sqlx"),
        (error: Error) => error instanceof UserError && message.test(error.message),
      );
    });
  }

  it("changes only white space, and nothing the second time", () => {
    const space = fc.constantFrom(
      " ",
      "  ",
      "\n",
      "\t",
      "\n\n",
      " -- it's\n",
      ' # "so\n',
      " /* a\n b */ ",
      " /**/",
    );
    const atom = fc.constantFrom(
      "a",
      "`b c`.d",
      "'it\\'s -- no comment'",
      '"x"',
      "'''y\n'z'''",
      "@p",
      "1e-5",
      "-1",
      '${ref("t")}',
      "${'}'}_suffix",
      "'${x}'",
      "r'\\d'",
      "DATE '2024-01-01'",
      "NULL",
    );
    const { expression } = fc.letrec<{ expression: string[] }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 3 },
        atom.map((text) => [text]),
        fc
          .tuple(
            tie("expression"),
            fc.constantFrom("+", "AND", "=", "||", ">=", "IS NOT DISTINCT FROM"),
            tie("expression"),
          )
          .map(([left, operator, right]) => [...left, operator, ...right]),
        fc
          .tuple(fc.constantFrom("f(", "CAST(", "(", "IF("), tie("expression"))
          .map(([open, inner]) => [open, ...inner, ")"]),
        tie("expression").map((inner) => ["CASE", "WHEN", ...inner, "THEN", "1", "END"]),
        tie("expression").map((inner) => ["SUM(", ...inner, ")", "OVER", "(", "PARTITION BY", ...inner, ")"]),
      ),
    }));
    const query = fc
      .tuple(
        fc.array(expression, { minLength: 1, maxLength: 4 }),
        fc.option(expression),
        fc.constantFrom([], ["GROUP BY", "1"], ["UNION ALL", "SELECT", "2"], ["LIMIT", "1"]),
        fc.boolean(),
      )
      .map(([columns, where, rest, isCte]) => {
        const select = [
          "SELECT",
          ...columns.flatMap((column, n) => (n > 0 ? [",", ...column] : column)),
          "FROM",
          "t",
        ];
        const whole = [...select, ...(where === null ? [] : ["WHERE", ...where]), ...rest];
        return isCte ? ["WITH", "c", "AS", "(", ...whole, ")", "SELECT", "*", "FROM", "c"] : whole;
      });
    const file = query.chain((words) =>
      fc
        .array(space, { minLength: words.length, maxLength: words.length })
        .map((spaces) => words.map((word, index) => word + spaces[index]).join("")),
    );
    let formattedFiles = 0;
    fc.assert(
      fc.property(file, fc.constantFrom("", 'config { type: "view" }\n'), (sql, block) => {
        let once: string;
        try {
          once = formatSql(block + sql, "a.sqlx");
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          return; // Not formatted, with a reason.
        }
        formattedFiles += 1;
        assert.deepEqual(texts(once), texts(block + sql));
        assert.equal(formatSql(once, "a.sqlx"), once);
        // ${…} is of Dataform, not SQL.
        const plain = (text: string): string => text.replace(/\$\{('}'|[^}])*\}/g, "x");
        if (block === "") assert.deepEqual(otherReader(plain(once)), otherReader(plain(sql)));
      }),
      { numRuns: 300 },
    );
    assert.ok(formattedFiles >= 290, `${formattedFiles} of 300 files could be formatted`);
  });
});
