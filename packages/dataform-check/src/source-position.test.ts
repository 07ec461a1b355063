// biome-ignore-all lint/suspicious/noTemplateCurlyInString: .sqlx files have them
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { QueryError } from "../../contracts/warehouse.ts";
import { type Action, compile } from "../../packages/dataform-check/src/dataform.ts";
import { describeQueryError } from "./source-position.ts";

const sqlDir = fileURLToPath(new URL("../../sql", import.meta.url));

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

  /** What a person is told of an error at the offset of the compiled query: position, line and caret. */
  function told(source: string, compiled: string, offset: number): string {
    if (source !== written) writeFileSync(join(folder, "a.sqlx"), source);
    written = source;
    const error = new QueryError("oops", positionIn(compiled, offset));
    return describeQueryError(folder, actionOf(compiled), error);
  }
  /** The same for an error at the sign ▼ of the source; the compiled query has it in the same place. */
  function check(marked: string, compiled: string, needle: string): void {
    const at = marked.indexOf("▼");
    const source = marked.replace("▼", "");
    const { line, column } = positionIn(source, at);
    const text = source.split("\n")[line - 1];
    assert.equal(
      told(source, compiled, compiled.indexOf(needle)),
      `${join(folder, "a.sqlx")}:${line}:${column}: oops\n  ${text}\n  ${" ".repeat(column - 1)}^`,
    );
  }

  it("is right behind ${ref()} on the same line, and behind several", () => {
    const compiled = "\nSELECT x FROM `p`.`d`.`a` AS a JOIN `p`.`d`.`b` AS b ON wrong\n";
    const source = '\nSELECT x FROM ${ref("a")} AS a JOIN ${ref("b")} AS b ON ▼wrong\n';
    check(source, compiled, "wrong");
    check(source.replace("▼", "").replace("AS b", "▼AS b"), compiled, "AS b");
  });

  it("is where ${…} begins when the error is in what it stands for", () => {
    check('SELECT x FROM ▼${ref("a")} AS a', "SELECT x FROM `p`.`d`.`a` AS a", "`d`");
  });

  it("is right behind interpolations of several lines, with braces, strings and templates in them", () => {
    const script = "${when(true, `}${[1].map((x) => ({ x })).length}`,\n  \"}\", '{') /* } */}";
    check(`SELECT\n  ${script}\n  AS x, ▼wrong\n`, "SELECT\n  }1\n  AS x, wrong\n", "wrong");
  });

  it("is right behind config, js and operations blocks, on their last line, too", () => {
    const head = 'config { type: "table", description: "a } b", bigquery: { partitionBy: "d" } }';
    check(`${head} SELECT ▼wrong`, " SELECT wrong", "wrong");
    const js = "js {\n  const f = () => `}`;\n}";
    check(`${head}\n\n${js}\n\nSELECT 1, ▼wrong\n`, "\n\n\n\nSELECT 1, wrong\n", "wrong");
    check(`${head}\nSELECT ▼wrong\npost_operations { SELECT 1 }\n`, "\nSELECT wrong\n\n", "wrong");
  });

  it("is right when what ${…} stands for ends like the text behind it", () => {
    assert.match(told("SELECT ${list}, a", "SELECT b, a, a", 13), /:1:17: oops/);
  });

  it("is right behind comments, in which nothing is interpolated", () => {
    const comments = "-- ${n config {\n/* ${n} { */ # ${n}\n";
    check(`${comments}SELECT ▼wrong`, `${comments}SELECT wrong`, "wrong");
  });

  it("is right at the very start and the very end", () => {
    check("▼SELEC 1", "SELEC 1", "SELEC");
    check("SELECT 1, ▼x", "SELECT 1, x", "x");
    const [first, , caret] = told("\nSELECT (1\n\n", "\nSELECT (1\n\n", 12).split("\n");
    assert.match(first!, /:2:10: oops$/);
    assert.equal(caret, `  ${" ".repeat(9)}^`);
  });

  it("names the file alone when the place is not known, or the file is no longer what was compiled", () => {
    const alone = `${join(folder, "a.sqlx")}: oops`;
    assert.equal(told("SELECT 2", "SELECT 1, 3", 3), alone);
    assert.equal(told("SELECT 2, 3", "SELECT 1", 3), alone);
    assert.equal(describeQueryError(folder, actionOf("SELECT 2, 3"), new QueryError("oops")), alone);
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
            const message = told(source, compiled, inCompiled + i);
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

  it("is right for every word of the project's own models and assertions", () => {
    for (const action of compile(sqlDir).actions) {
      const source = readFileSync(join(sqlDir, action.file), "utf8");
      const places = new Set<string>();
      // What ${…} stands for is made of quoted paths and calls, all else is in the source.
      for (const { 0: word, index } of action.query.matchAll(/(?<=\n *)[A-Z]+\b/g)) {
        const error = new QueryError("oops", positionIn(action.query, index));
        const found = /:(\d+):(\d+): oops/.exec(describeQueryError(sqlDir, action, error));
        assert.ok(found, `${action.file}: ${word} at ${index} is not found`);
        const [, line, column] = found.map(Number);
        const there = source.split("\n")[line! - 1]!.slice(column! - 1);
        assert.ok(
          there.startsWith(word) || there.startsWith("${"),
          `${action.file}: ${there} is not ${word}`,
        );
        places.add(found[0]);
      }
      assert.ok(places.size > 0);
    }
  });
});
