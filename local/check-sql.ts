import { readFileSync } from "node:fs";
import { watch } from "chokidar";
import type { DuckDbWarehouse } from "../adapters/duckdb.ts";
import { explain } from "../contracts/problem.ts";
import { compile } from "../jobs/sql-runner/dataform.ts";
import { localCommand, runCommand } from "./command.ts";
import { sqlDir } from "./project.ts";
import { nameOf, SqlChecker, tablesFile, tablesOf } from "./sql/checker.ts";
import { runUnitTest, unitTestsOf, withDuckDb } from "./sql/unit-tests.ts";
import { elapsed } from "./terminal.ts";

/** npm run check:sql: whether BigQuery's analyzer takes the SQL project, and its unit tests hold. */
const options = localCommand(
  "run check:sql",
  "Checks the SQL project with GoogleSQL's analyzer and runs its unit tests, in DuckDB and in GoogleSQL's evaluator.",
)
  .option("--sql-dir <dir>", "folder of the Dataform project", sqlDir)
  .option("--watch", "checks and tests what changed, and what depends on it, whenever a file is saved", false)
  .parse()
  .opts<{ sqlDir: string; watch: boolean }>();

/** Unit tests that held, as they were: they run again when they, their model or the columns that it reads are new. */
const held = new Map<string, string>();

await runCommand(async () => {
  const checker = await SqlChecker.start(options.sqlDir);
  await withDuckDb(async (warehouse) => {
    const problems = await check(checker, warehouse);
    if (!options.watch) {
      process.exitCode = problems > 0 ? 1 : 0;
      return;
    }
    let last = Promise.resolve(problems);
    watch(options.sqlDir, {
      ignoreInitial: true,
      awaitWriteFinish: { stabilityThreshold: 50, pollInterval: 10 },
    })
      .on("ready", () => void process.stdout.write(`Watching ${options.sqlDir}; end with Ctrl-C.\n`))
      .on("all", () => {
        last = last.then(() => check(checker, warehouse));
      });
    await new Promise((done) => process.once("SIGINT", done).once("SIGTERM", done));
  });
  await checker.close();
  if (options.watch) process.exit(0);
});

/** Prints what is wrong; answers how much. */
async function check(checker: SqlChecker, warehouse: DuckDbWarehouse): Promise<number> {
  const startedAt = performance.now();
  try {
    const graph = compile(options.sqlDir);
    const checked = await checker.check(graph);
    const problems = [...checked.problems];
    const tables = `${JSON.stringify(tablesOf(graph, checked), null, 2)}\n`;
    const file = tablesFile(options.sqlDir);
    if (
      problems.length + checked.waiting.length === 0 &&
      readFileSync(file, { encoding: "utf8", flag: "a+" }) !== tables
    )
      problems.push(
        `${file} is not what the project makes. If it should change: npm run tables, and look at the difference.`,
      );
    const tests = unitTestsOf(options.sqlDir, graph).filter(
      (test) =>
        checked.columns.has(nameOf(test.action.target)) &&
        (held.get(`${test.file} ${test.name}`) !== JSON.stringify(test) ||
          checked.changed.includes(test.action)),
    );
    for (const test of tests) {
      const wrong = await runUnitTest(test, graph, checked.columns, {
        warehouse,
        analyzer: checker.analyzer,
      }).catch((error) => [explain(error)]);
      problems.push(...wrong);
      held.set(`${test.file} ${test.name}`, wrong.length === 0 ? JSON.stringify(test) : "");
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
    process.stdout.write(`${explain(error)}\n`);
    return 1;
  }
}
