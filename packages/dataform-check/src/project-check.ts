import { readFileSync } from "node:fs";
import type { DuckDbWarehouse } from "../../../adapters/duckdb.ts";
import { formatError } from "../../../lib/user-error.ts";
import { elapsed } from "../../../local/report/numbers.ts";
import { nameOf, SqlChecker, tablesFile, tablesOf } from "./checker.ts";
import { compile } from "./dataform.ts";
import { runUnitTest, unitTestsOf, withDuckDb } from "./unit-tests.ts";

/** The checks of a SQL project, again and again: the analyzer's, the tables' contract, the unit tests. */
export class ProjectCheck {
  readonly #dir: string;
  readonly #checker: SqlChecker;
  readonly #warehouse: DuckDbWarehouse;
  /** Unit tests that held, as they were: they run again when they, their model or the columns that it reads are new. */
  readonly #held = new Map<string, string>();

  private constructor(dir: string, checker: SqlChecker, warehouse: DuckDbWarehouse) {
    this.#dir = dir;
    this.#checker = checker;
    this.#warehouse = warehouse;
  }

  /** For the time of the work. Throws a UserError when there is no analyzer for this platform. */
  static async with<T>(dir: string, work: (check: ProjectCheck) => Promise<T>): Promise<T> {
    const checker = await SqlChecker.start(dir);
    try {
      return await withDuckDb((warehouse) => work(new ProjectCheck(dir, checker, warehouse)));
    } finally {
      await checker.close();
    }
  }

  /** Checks and tests what changed since the last time; prints what is wrong, and answers how much. */
  async run(): Promise<number> {
    const startedAt = performance.now();
    try {
      const graph = compile(this.#dir);
      const checked = await this.#checker.check(graph);
      const problems = [...checked.problems];
      const tables = `${JSON.stringify(tablesOf(graph, checked), null, 2)}\n`;
      const file = tablesFile(this.#dir);
      if (
        problems.length + checked.waiting.length === 0 &&
        readFileSync(file, { encoding: "utf8", flag: "a+" }) !== tables
      )
        problems.push(
          `${file} is not what the project makes. If it should change: npm run tables, and look at the difference.`,
        );
      const tests = unitTestsOf(this.#dir, graph).filter(
        (test) =>
          checked.columns.has(nameOf(test.action.target)) &&
          (this.#held.get(`${test.file} ${test.name}`) !== JSON.stringify(test) ||
            checked.changed.includes(test.action)),
      );
      for (const test of tests) {
        const wrong = await runUnitTest(test, graph, checked.columns, {
          warehouse: this.#warehouse,
          analyzer: this.#checker.analyzer,
        }).catch((error) => [formatError(error)]);
        problems.push(...wrong);
        this.#held.set(`${test.file} ${test.name}`, wrong.length === 0 ? JSON.stringify(test) : "");
      }
      for (const problem of problems) process.stdout.write(`${problem}\n\n`);
      const waiting = checked.waiting.map(({ target }) => target.name).join(", ");
      if (waiting !== "") process.stdout.write(`Not checked, because they read what is wrong: ${waiting}.\n`);
      process.stdout.write(
        `${checked.changed.length} queries checked, ${tests.length} unit tests run in ${elapsed(performance.now() - startedAt)}: ` +
          `${problems.length === 0 ? "all is right" : `${problems.length} wrong`}.\n`,
      );
      return problems.length;
    } catch (error) {
      process.stdout.write(`${formatError(error)}\n`);
      return 1;
    }
  }
}
