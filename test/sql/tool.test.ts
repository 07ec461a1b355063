import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Checked, SqlChecker } from "dataform-check/checker";
import { compile, type Graph } from "dataform-check/dataform";
import { formatSql } from "dataform-check/formatter";
import { lint } from "dataform-check/linter";
import { fullNameOf, positionOf, QueryError } from "dataform-check/query";
import { describeQueryError } from "dataform-check/source-position";
import { tokensOf } from "dataform-check/sqlx-tokens";
import { tablesFile, tablesText } from "dataform-check/tables-file";
import { sqlConfig } from "../../cli/sql-config.ts";
import { sqlDir } from "../../lib/project.ts";

/** What dataform-check says about sql/. Its unit tests and tables.json: cli/commands.system.test.ts. */
describe("dataform-check on sql/", () => {
  const analyze = async (dir: string): Promise<[Graph, Checked]> => {
    const graph = compile(dir);
    return [graph, await SqlChecker.check(dir, sqlConfig, graph)];
  };

  it("lints nothing, and without the comments that ignore rules it finds what they ignore", async () => {
    assert.deepEqual(lint(...(await analyze(sqlDir)), sqlDir, sqlConfig), []);
    const copy = mkdtempSync(join(tmpdir(), "lint-"));
    cpSync(sqlDir, copy, { recursive: true });
    for (const { file } of compile(copy).actions) {
      const text = readFileSync(join(copy, file), "utf8");
      writeFileSync(join(copy, file), text.replace(/-- lint-ignore.*/g, ""));
    }
    const rules = lint(...(await analyze(copy)), copy, sqlConfig).map(({ rule }) => rule);
    assert.deepEqual(rules.sort(), ["join-key", "run-date"]);
    rmSync(copy, { recursive: true });
  });

  it("finds the same columns, whatever numbers the shop's amounts are", async () => {
    const graph = compile(sqlDir);
    const source = graph.sources.find(({ target }) => target.name === "orders")!;
    const types = source.columns.map(({ name, type }) => [name, type]);
    // Those that doctor allows: bootstrap/project.ts. Only BigQuery reads such a table.
    for (const amount of ["FLOAT64", "NUMERIC", "BIGNUMERIC", "INT64"]) {
      const sources = { [fullNameOf(source.target)]: { ...Object.fromEntries(types), amount } };
      const checked = await SqlChecker.check(sqlDir, { ...sqlConfig, sources, duckdb: false }, graph);
      assert.deepEqual(checked.problems, [], amount);
      assert.equal(tablesText(graph, checked), readFileSync(tablesFile(sqlDir), "utf8"), amount);
    }
  });

  it("keeps the format of every file, and restores it from one line per statement", () => {
    const files = readdirSync(sqlDir, { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".sqlx"),
    );
    assert.ok(files.length > 20);
    for (const name of files) {
      const text = readFileSync(join(sqlDir, name), "utf8");
      assert.equal(formatSql(text, name), text);
      const words = tokensOf(text).map((token) =>
        token.kind === "space" ? (token.text.includes("\n") ? "\n" : " ") : token.text,
      );
      assert.equal(formatSql(words.join("").trim(), name), text, name);
    }
  });

  it("finds the place in the source of every keyword of the compiled queries", () => {
    for (const action of compile(sqlDir).actions) {
      // The query of a table of append_table.js has no text in the source.
      if (action.file.endsWith(".js")) continue;
      const source = readFileSync(join(sqlDir, action.file), "utf8");
      let found = 0;
      for (const { 0: word, index } of action.query.matchAll(/(?<=\n *)[A-Z]+\b/g)) {
        const error = new QueryError("error", positionOf(action.query, index));
        const [, line, column] = /:(\d+):(\d+): error/
          .exec(describeQueryError(sqlDir, action, error))!
          .map(Number);
        const there = source.split("\n")[line! - 1]!.slice(column! - 1);
        assert.ok(
          there.startsWith(word) || there.startsWith("${"),
          `${action.file}: ${there} is not ${word}`,
        );
        found += 1;
      }
      assert.ok(found > 0);
    }
  });
});
