import { pathToFileURL } from "node:url";
import { SqlChecker } from "dataform-check/checker";
import type { Action, Graph } from "dataform-check/dataform";
import { changesOf } from "dataform-check/graph-changes";
import { touchedActions } from "dataform-check/plan";
import { ProjectCheck } from "dataform-check/project-check";
import { watchProject } from "dataform-check/watch";
import { fileArtifacts } from "../adapters/artifacts.ts";
import type { DuckDbWarehouse } from "../adapters/duckdb.ts";
import type { Parameters } from "../contracts/warehouse.ts";
import { saveLastRun } from "../jobs/sql-runner/last-run.ts";
import { startOrderRead } from "../jobs/sql-runner/order-reads.ts";
import { sqlParameters } from "../jobs/sql-runner/parameters.ts";
import { actionsOfStep, compileToRun, runActions } from "../jobs/sql-runner/runner.ts";
import { createLogger } from "../lib/log.ts";
import { sqlDir } from "../lib/project.ts";
import { formatError } from "../lib/user-error.ts";
import { whole as count, elapsed } from "../local/report/numbers.ts";
import { lastChampion } from "./champion.ts";
import { localCommand, runCommand, withRunSettings } from "./command.ts";
import { openForRun, RUN_DATE, type RunArguments, withOrders } from "./orders-options.ts";
import { sqlConfig } from "./sql-config.ts";

/** npm run sql: runs the SQL project in this process. Scores with the last champion, if there is one. */
const options = withRunSettings(
  withOrders(
    localCommand("run sql", "Runs the SQL project in the local warehouse: all models, then all assertions."),
  )
    .option("--run-date <date>", RUN_DATE)
    .option("--sql-dir <dir>", "folder of the Dataform project", sqlDir)
    .option(
      "--watch",
      "check, test and run what changed, and what depends on it, when a file is saved",
      false,
    ),
)
  .parse()
  .opts<RunArguments & { sqlDir: string; watch: boolean }>();

await runCommand(async () => {
  const { warehouse, dataDir, settings, run_date } = await openForRun(options);
  const parameters = sqlParameters({
    ...settings,
    run_date,
    model_id: await lastChampion(warehouse, run_date),
  });

  const runAndSave = async (graph: Graph, actions: readonly Action[]): Promise<number> => {
    // Reads all orders. If it does not finish, the next run reads all orders again.
    const step = "features";
    const read = await startOrderRead(warehouse, graph, actionsOfStep(graph, step), {
      ...settings,
      full_refresh: "on",
      run_id: "sql",
      run_date,
      step,
    });
    const failures = await run(warehouse, actions, parameters);
    await read.done();
    await saveLastRun(fileArtifacts, pathToFileURL(dataDir).href, graph, actions, parameters);
    return failures;
  };
  let graph = compileToRun(options.sqlDir, { project: warehouse.project });
  const failures = await runAndSave(graph, graph.actions).catch((error) => {
    if (!options.watch) throw error;
    process.stdout.write(`${formatError(error)}\n`);
    return 1;
  });
  if (!options.watch) {
    await warehouse.close();
    process.exitCode = failures > 0 ? 1 : 0;
    return;
  }
  await using checker = await SqlChecker.start(options.sqlDir, sqlConfig);
  const check = new ProjectCheck(options.sqlDir, checker);
  await check.run();
  await watchProject(options.sqlDir, async () => {
    if ((await check.run()) > 0) return;
    const next = compileToRun(options.sqlDir, { project: warehouse.project });
    const actions = touchedActions(next, changesOf(graph.actions, next.actions));
    graph = next;
    if (actions.length > 0)
      await runAndSave(next, actions).catch((error) => process.stdout.write(`${formatError(error)}\n`));
  });
  await warehouse.close();
});

/** Runs the actions and prints the results. Returns the number of assertions that do not hold. */
async function run(
  warehouse: DuckDbWarehouse,
  actions: readonly Action[],
  parameters: Parameters,
): Promise<number> {
  const startedAt = performance.now();
  const log = createLogger({ component: "sql" }, "error");
  const result = await runActions(warehouse, options.sqlDir, actions, parameters, log);
  for (const [table, rows] of Object.entries(result.rows))
    process.stdout.write(`${table.padEnd(28)} ${count(rows).padStart(10)} rows\n`);
  for (const warning of result.warnings) process.stdout.write(`warning: ${warning}\n`);
  for (const failure of result.failures) process.stdout.write(`failed: ${failure}\n`);
  const took = elapsed(performance.now() - startedAt);
  const held = result.checks.length - result.failures.length - result.warnings.length;
  process.stdout.write(
    `${actions.length} actions in ${took}; ${held} of ${result.checks.length} assertions hold.\n`,
  );
  return result.failures.length;
}
