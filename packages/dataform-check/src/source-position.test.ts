// biome-ignore-all lint/suspicious/noTemplateCurlyInString: .sqlx files have them
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Action } from "./dataform.ts";
import { QueryError } from "./query.ts";
import { describeQueryError } from "./source-position.ts";

describe("source position", () => {
  const folder = mkdtempSync(join(tmpdir(), "source-position-"));
  let written: string | undefined;
  after(() => rmSync(folder, { recursive: true }));

  const actionOf = (query: string, file = "a.sqlx"): Action => ({
    kind: "model",
    target: { project: "p", dataset: "d", name: "a" },
    materialization: "table",
    query,
    partitionBy: undefined,
    clusterBy: [],
    tags: [],
    description: "",
    columns: {},
    dependencies: [],
    file,
  });
  const positionIn = (text: string, offset: number): { line: number; column: number } => {
    const lines = text.slice(0, offset).split("\n");
    return { line: lines.length, column: lines.at(-1)!.length + 1 };
  };

  /** The text for an error at an offset of the compiled query. */
  function textAt(source: string, compiled: string, offset: number): string {
    if (source !== written) writeFileSync(join(folder, "a.sqlx"), source);
    written = source;
    const error = new QueryError("oops", positionIn(compiled, offset));
    return describeQueryError(folder, actionOf(compiled), error);
  }
  /** Checks the position of an error at the sign ▼ of the source, where the compiled query has the needle. */
  function check(marked: string, compiled: string, needle: string): void {
    const at = marked.indexOf("▼");
    const source = marked.replace("▼", "");
    const { line, column } = positionIn(source, at);
    const text = source.split("\n")[line - 1];
    assert.equal(
      textAt(source, compiled, compiled.indexOf(needle)),
      `${join(folder, "a.sqlx")}:${line}:${column}: oops\n  ${text}\n  ${" ".repeat(column - 1)}^`,
    );
  }

  it("is right after ${ref()} on the same line, and after several", () => {
    const compiled = "\nSELECT x FROM `p`.`d`.`a` AS a JOIN `p`.`d`.`b` AS b ON wrong\n";
    const source = '\nSELECT x FROM ${ref("a")} AS a JOIN ${ref("b")} AS b ON ▼wrong\n';
    check(source, compiled, "wrong");
    check(source.replace("▼", "").replace("AS b", "▼AS b"), compiled, "AS b");
  });

  it("is where ${…} begins when the error is in what it stands for", () => {
    check('SELECT x FROM ▼${ref("a")} AS a', "SELECT x FROM `p`.`d`.`a` AS a", "`d`");
  });

  it("is right after interpolations of several lines, with braces, strings and templates in them", () => {
    const script = "${when(true, `}${[1].map((x) => ({ x })).length}`,\n  \"}\", '{') /* } */}";
    check(`SELECT\n  ${script}\n  AS x, ▼wrong\n`, "SELECT\n  }1\n  AS x, wrong\n", "wrong");
  });

  it("is right after config, js and operations blocks, on their last line, too", () => {
    const head = 'config { type: "table", description: "a } b", bigquery: { partitionBy: "d" } }';
    check(`${head} SELECT ▼wrong`, " SELECT wrong", "wrong");
    const js = "js {\n  const f = () => `}`;\n}";
    check(`${head}\n\n${js}\n\nSELECT 1, ▼wrong\n`, "\n\n\n\nSELECT 1, wrong\n", "wrong");
    check(`${head}\nSELECT ▼wrong\npost_operations { SELECT 1 }\n`, "\nSELECT wrong\n\n", "wrong");
  });

  it("is right when the result of ${…} ends like the text after it", () => {
    assert.match(textAt("SELECT ${list}, a", "SELECT b, a, a", 13), /:1:17: oops/);
  });

  it("is right after comments, in which nothing is interpolated", () => {
    const comments = "-- ${n config {\n/* ${n} { */ # ${n}\n";
    check(`${comments}SELECT ▼wrong`, `${comments}SELECT wrong`, "wrong");
  });

  it("is right at the very start and the very end", () => {
    check("▼SELEC 1", "SELEC 1", "SELEC");
    check("SELECT 1, ▼x", "SELECT 1, x", "x");
    const [first, , caret] = textAt("\nSELECT (1\n\n", "\nSELECT (1\n\n", 12).split("\n");
    assert.match(first!, /:2:10: oops$/);
    assert.equal(caret, `  ${" ".repeat(9)}^`);
  });

  it("shows the compiled query when the source does not contain it, for example when JavaScript builds it", () => {
    const [first, line, caret] = textAt('publish("a").query(() => "SELECT 2")', "\nSELECT 1", 8).split("\n");
    assert.equal(first, `${join(folder, "a.sqlx")}: oops (line 2 of the compiled query of a)`);
    assert.deepEqual([line, caret], ["  SELECT 1", `  ${" ".repeat(7)}^`]);
  });

  it("names only the file when the place is not known", () => {
    const error = new QueryError("oops");
    assert.equal(describeQueryError(folder, actionOf("SELECT 2"), error), `${join(folder, "a.sqlx")}: oops`);
  });

  it("is right after a string or a regular expression with braces and quotes", () => {
    check("SELECT '${a(\"}\")} }' AS x, ▼wrong", "SELECT 'b }' AS x, wrong", "wrong");
    check("js {\n  const r = /[}`'\"]\\}/g;\n}\nSELECT ▼wrong", "\nSELECT wrong", "wrong");
  });

  it("is right for any sequence of text and interpolations", () => {
    // Text has no letters in common with what interpolations stand for: otherwise the places are ambiguous.
    const text = fc.string({
      unit: fc.constantFrom("a", "b", " ", "\n", ",", "(", "'"),
      minLength: 1,
      maxLength: 8,
    });
    const script = fc.constantFrom("${x}", '${ref("t")}', "${`}`}", "${\n f({ a: 1 }, '}')\n}");
    const value = fc.string({ unit: fc.constantFrom("X", "Y", ".", "\t"), maxLength: 6 });
    const pieces = fc.array(fc.tuple(text, script, value), { maxLength: 6 });
    const property = fc.property(
      fc.constantFrom("", "config { type: 'view' }"),
      pieces,
      text,
      (head, body, last) => {
        const whole = [...body, [last, "", ""] as const];
        const source = head + whole.map(([text, script]) => text + script).join("");
        const compiled = whole.map(([text, , value]) => text + value).join("");
        let inSource = head.length;
        let inCompiled = 0;
        for (const [text, script, value] of whole) {
          for (let i = 0; i < text.length && inCompiled + i < compiled.trimEnd().length; i += 1) {
            const { line, column } = positionIn(source, inSource + i);
            const message = textAt(source, compiled, inCompiled + i);
            assert.ok(
              message.includes(`a.sqlx:${line}:${column}: oops`),
              `${message} of ${JSON.stringify(source)}`,
            );
          }
          inSource += text.length + script.length;
          inCompiled += text.length + value.length;
        }
      },
    );
    fc.assert(property, { numRuns: 60 });
  });
});
