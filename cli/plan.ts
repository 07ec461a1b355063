import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { compile } from "dataform-check/dataform";
import type { Changes } from "dataform-check/graph-changes";
import { checkout, type Plan, planChanges, touchedActions, type Version } from "dataform-check/plan";
import { renderPlan } from "dataform-check/plan-text";
import { nameOf } from "dataform-check/query";
import { type RowDiff, rowDiff, snapshot } from "dataform-check/row-diff";
import { fileArtifacts } from "../adapters/artifacts.ts";
import { BigQueryWarehouse } from "../adapters/bigquery.ts";
import type { DuckDbWarehouse } from "../adapters/duckdb.ts";
import type { Parameters } from "../contracts/warehouse.ts";
import { type LastRun, readLastRun } from "../jobs/sql-runner/last-run.ts";
import { allOrders } from "../jobs/sql-runner/parameters.ts";
import { compileToRun, runActions } from "../jobs/sql-runner/runner.ts";
import { createLogger } from "../lib/log.ts";
import { sqlDir } from "../lib/project.ts";
import { formatError, UserError } from "../lib/user-error.ts";
import { openLocalWarehouse, warehousePath } from "../local/runtime/local-stack.ts";
import { lastChampion } from "./champion.ts";
import { localCommand, runCommand } from "./command.ts";
import { dataDirOf, type OrdersArguments, withOrders } from "./orders-options.ts";
import { sqlConfig } from "./sql-config.ts";

interface PlanOptions extends OrdersArguments {
  readonly sqlDir: string;
  readonly against?: string;
  readonly data: boolean;
  readonly estimate?: string;
  readonly json: boolean;
  readonly strict: boolean;
}

/** npm run plan: what a run of the SQL project would change. */
const options = withOrders(
  localCommand(
    "run plan",
    "Shows what a run of the SQL project would change: models, columns, rows and values.",
  ),
)
  .option("--against <commit>", "compare with the project at a git commit (default: with the last run)")
  .option("--no-data", "compare models and columns only, not rows")
  .option(
    "--estimate <url>",
    "ask BigQuery for bytes, for example bigquery://my-project/EU; needs credentials",
  )
  .option("--strict", "exit code 1 when a change of columns is breaking", false)
  .option("--json", "print the plan as JSON", false)
  .option("--sql-dir <dir>", "folder of the Dataform project", sqlDir)
  .parse()
  .opts<PlanOptions>();

await runCommand(async () => {
  const scratch = mkdtempSync(join(tmpdir(), "plan-"));
  try {
    const plan = await makePlan(options, scratch);
    process.stdout.write(options.json ? `${JSON.stringify(plan, null, 2)}\n` : renderPlan(plan));
    if (options.strict && plan.schema.some(({ breaking }) => breaking)) process.exitCode = 1;
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

async function makePlan({ against, data, estimate, ...given }: PlanOptions, scratch: string): Promise<Plan> {
  const dataDir = dataDirOf(given);
  const lastRun = await readLastRun(fileArtifacts, pathToFileURL(dataDir).href);
  if (lastRun === undefined && (against === undefined || data))
    throw new UserError(`There has been no run in ${dataDir}, so there is nothing to compare with.`, {
      remedy: "Run npm start or npm run sql first, or compare models with a commit: --against main --no-data",
    });
  const after = { graph: compileToRun(given.sqlDir, {}), dir: given.sqlDir };
  const oldDir = join(scratch, "sql");
  if (against !== undefined) checkout(sqlDir, against, oldDir);
  // The sources are as they are today, also for the old queries.
  const before =
    against === undefined
      ? { graph: { ...after.graph, actions: lastRun!.actions }, dir: given.sqlDir }
      : { graph: { ...after.graph, actions: compile(oldDir).actions }, dir: oldDir };
  const title = against ?? `the last run, of ${lastRun!.parameters.run_date?.value}`;
  const changed = await planChanges(title, before, after, sqlConfig);
  const parameters = lastRun?.parameters ?? {};
  const plan: Plan =
    estimate === undefined
      ? changed
      : { ...changed, bytes: await estimates(given.sqlDir, estimate, changed.changes, parameters) };
  if (!data || lastRun === undefined || touchedActions(after.graph, plan.changes).length === 0) return plan;
  const warehouse = await copyWarehouse(dataDir, scratch);
  try {
    return { ...plan, data: await compareData(warehouse, plan, before, after, lastRun) };
  } finally {
    await warehouse.close();
  }
}

/** Runs the changed models and what depends on them in a copy of the warehouse, and compares the rows. */
async function compareData(
  warehouse: DuckDbWarehouse,
  { changes, schema }: Plan,
  before: Version,
  after: Version,
  lastRun: LastRun,
): Promise<NonNullable<Plan["data"]>> {
  const runDate = String(lastRun.parameters.run_date?.value);
  const modelId = await lastChampion(warehouse, runDate);
  const parameters: Parameters = {
    ...lastRun.parameters,
    // An edited query is new for all orders.
    ...allOrders,
    model_id: { type: "STRING", value: modelId },
  };
  const log = createLogger({ component: "plan" }, "silent");
  const run = ({ graph, dir }: Version) =>
    runActions(warehouse, dir, touchedActions(graph, changes), parameters, log);
  // The copy has the tables of the last run. To compare with a commit, its tables are created first.
  if (before.graph.actions !== lastRun.actions) await run(before);

  const models = touchedActions(after.graph, changes).filter(
    ({ kind, materialization }) => kind === "model" && materialization !== "append",
  );
  const retyped = new Set(schema.flatMap((change) => (change.before && change.after ? [change.table] : [])));
  await warehouse.withConnection(async (connection) => {
    for (const { target, materialization } of models) {
      await snapshot(connection, target);
      // The warehouse refuses to change the type of a column. The plan shows the new values.
      if (materialization === "partition" && retyped.has(nameOf(target)))
        await connection.run(`DROP TABLE IF EXISTS "${target.dataset}"."${target.name}"`);
    }
  });
  const { failures } = await run(after);
  const tables = await warehouse.withConnection(async (connection) => {
    const diffs: RowDiff[] = [];
    for (const model of models) {
      const { target, materialization, partitionBy = "run_date", clusterBy, updatePartitionFilter } = model;
      const partition =
        materialization === "partition" && updatePartitionFilter === undefined
          ? `"${partitionBy}" = DATE '${runDate}'`
          : undefined;
      diffs.push(await rowDiff(connection, target, clusterBy, partition));
    }
    return diffs;
  });
  const scored = modelId === "" ? "without a model" : `with model ${modelId}, which is not fitted again`;
  return { title: `Rows of ${runDate}, scored ${scored}`, tables, failures };
}

/** Opens a copy of the local warehouse. */
async function copyWarehouse(dataDir: string, folder: string): Promise<DuckDbWarehouse> {
  // Waits for a process that has the file open, and writes its log to the file.
  await (await openLocalWarehouse(dataDir)).close();
  cpSync(warehousePath(dataDir), warehousePath(folder));
  return await openLocalWarehouse(folder);
}

/** The bytes that each touched query would read in BigQuery, or why they are not known. */
async function estimates(
  dir: string,
  url: string,
  changes: Changes,
  parameters: Parameters,
): Promise<Record<string, number | string>> {
  if (!URL.canParse(url) || !url.startsWith("bigquery://"))
    throw new UserError(`--estimate is ${url}; allowed is bigquery://project/location.`);
  const warehouse = new BigQueryWarehouse(url);
  const actions = compile(dir, { project: warehouse.project }).actions;
  const names = new Set(
    [...changes.added, ...changes.changed, ...changes.affected].map(({ target }) => nameOf(target)),
  );
  const entries = actions
    .filter(({ target }) => names.has(nameOf(target)))
    .map(
      async ({ target, query }): Promise<[string, number | string]> => [
        nameOf(target),
        await warehouse.estimate(query, parameters).catch((error) => `not known: ${formatError(error)}`),
      ],
    );
  return Object.fromEntries(await Promise.all(entries));
}
