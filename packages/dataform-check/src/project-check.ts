import { existsSync, readFileSync } from "node:fs";
import type { Checked, SqlChecker } from "./checker.ts";
import { compile, type Graph } from "./dataform.ts";
import { TestDuckDb } from "./duckdb.ts";
import { fullNameOf } from "./query.ts";
import { tablesFile, tablesText } from "./tables-file.ts";
import { runUnitTest, type UnitTest, unitTestsOf } from "./unit-tests.ts";
import { formatError } from "./user-error.ts";

/** All checks of a project: analysis, tables.json and unit tests. A repeated run checks only what changed. */
export class ProjectCheck {
  readonly #dir: string;
  readonly #checker: SqlChecker;
  /** Unit tests that passed, as they were. */
  readonly #passed = new Map<string, string>();

  constructor(dir: string, checker: SqlChecker) {
    this.#dir = dir;
    this.#checker = checker;
  }

  /** Prints what is wrong and returns the number of problems. */
  async run(what: "all" | "tests" = "all"): Promise<number> {
    const startedAt = performance.now();
    try {
      const graph = compile(this.#dir);
      const checked = await this.#checker.check(graph);
      const { problems, tests } = await this.#runTests(graph, checked);
      const incomplete = [...graph.ignored, ...notAnalyzedLines(checked)];
      const isComplete = checked.problems.length + incomplete.length === 0;
      // A query that is not valid is a problem of its tests too: they can't run.
      problems.unshift(...checked.problems);
      if (what === "all") {
        if (isComplete) problems.push(...this.#tablesProblem(graph, checked));
        if (this.#checker.config.complete && checked.problems.length === 0)
          problems.push(...incomplete.splice(0));
      }
      for (const problem of problems) process.stdout.write(`${problem}\n\n`);
      for (const line of incomplete) process.stdout.write(`${line}\n`);
      const took = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
      const result = problems.length === 0 ? "no problems" : `${problems.length} problems`;
      process.stdout.write(
        `${checked.changed.length} queries checked, ${tests} unit tests run in ${took}: ${result}.\n`,
      );
      return problems.length;
    } catch (error) {
      process.stdout.write(`${formatError(error)}\n`);
      return 1;
    }
  }

  #tablesProblem(graph: Graph, checked: Checked): string[] {
    const file = tablesFile(this.#dir);
    if (!existsSync(file) || readFileSync(file, "utf8") === tablesText(graph, checked)) return [];
    return [
      `${file} differs from the tables of the project. If you want that: npm run tables, then review the change.`,
    ];
  }

  async #runTests(graph: Graph, { columns, changed }: Checked) {
    const key = ({ file, name }: UnitTest): string => `${file} ${name}`;
    const tests = unitTestsOf(this.#dir, graph).filter(
      (test) =>
        columns.has(fullNameOf(test.action.target)) &&
        (this.#passed.get(key(test)) !== JSON.stringify(test) || changed.includes(test.action)),
    );
    const problems: string[] = [];
    if (tests.length === 0) return { problems, tests: 0 };
    using duckdb = await TestDuckDb.open(this.#checker.config.routines, graph.home);
    for (const test of tests) {
      const run = runUnitTest(test, graph, columns, { checker: this.#checker, duckdb });
      const failures = await run.catch((error) => [formatError(error)]);
      problems.push(...failures);
      this.#passed.set(key(test), failures.length === 0 ? JSON.stringify(test) : "");
    }
    return { problems, tests: tests.length };
  }
}

function notAnalyzedLines({ notAnalyzed }: Checked): string[] {
  const byReason = Map.groupBy(notAnalyzed, ({ why }) => why);
  return [...byReason].map(([why, actions]) => {
    const names = actions.map(({ action }) => action.target.name);
    const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
    return `Syntax checked only, because ${why}: ${names.slice(0, 5).join(", ")}${more}.`;
  });
}
