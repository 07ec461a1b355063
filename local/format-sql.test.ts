import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { Problem } from "../contracts/problem.ts";
import { sqlDir } from "./edition.ts";
import { formatSql } from "./format-sql.ts";

const bare = (text: string): string => text.replace(/\s+/g, "");

describe("formatSql", () => {
  it("leaves the project's own files as they are", () => {
    for (const name of readdirSync(sqlDir, { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".sqlx"),
    )) {
      const text = readFileSync(join(sqlDir, name), "utf8");
      assert.equal(formatSql(text, name), text);
    }
  });

  it("keeps config and js blocks to the letter, with braces in their strings", () => {
    const block = 'config {\n  description: "a } brace",\n  columns: { a: `b } c` } // }\n}';
    assert.ok(formatSql(`${block}\nselect 1`, "a.sqlx").startsWith(`${block}\n\n`));
  });

  it("refuses what it can't read", () => {
    assert.throws(() => formatSql("select 'unclosed", "a.sql"), Problem);
    assert.throws(() => formatSql("config { type: 1\nselect 1", "a.sqlx"), Problem);
  });

  it("changes nothing but white space, and nothing when it is asked again", () => {
    const column = fc.constantFrom(
      "a",
      "`b c`",
      "'it''s -- no comment'",
      '"x"',
      "f(a, b)",
      "CASE WHEN a THEN b END",
      "@p",
      '${ref("t")}',
      "a + b",
      "-- why\n c",
      "/* so */ d",
      "r'\\d'",
    );
    const query = fc
      .tuple(
        fc.array(column, { minLength: 1, maxLength: 6 }),
        fc.constantFrom("t", "${ref('x')}", "(SELECT 1)"),
        fc.constantFrom("", " WHERE a=1", "\nGROUP BY 1"),
      )
      .map(([columns, table, rest]) => `SELECT ${columns.join(" ,\t")}\nFROM ${table}${rest}`);
    fc.assert(
      fc.property(query, (text) => {
        const once = formatSql(text, "a.sqlx");
        assert.equal(bare(once), bare(text));
        assert.equal(formatSql(once, "a.sqlx"), once);
      }),
    );
  });
});
