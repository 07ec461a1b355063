import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fileArtifacts } from "../adapters/artifacts.ts";
import { BigQueryWarehouse } from "../adapters/bigquery.ts";
import type { DuckDbWarehouse } from "../adapters/duckdb.ts";
import type { Parameters } from "../contracts/warehouse.ts";
import { type Applied, readApplied } from "../jobs/sql-runner/applied.ts";
import { runActions } from "../jobs/sql-runner/runner.ts";
import { createLogger } from "../lib/log.ts";
import { formatError, UserError } from "../lib/user-error.ts";
import { openLocalWarehouse, projectDir, sqlDir, warehousePath } from "../local/runtime/local-stack.ts";
import { nameOf, SqlChecker } from "../packages/dataform-check/src/checker.ts";
import { type Action, compile, type Graph } from "../packages/dataform-check/src/dataform.ts";
import {
  type Changes,
  changesOf,
  type SchemaChange,
  schemaChanges,
} from "../packages/dataform-check/src/graph-changes.ts";
import { renderPlan } from "../packages/dataform-check/src/plan-text.ts";
import { type RowDiff, rowDiff, snapshot } from "../packages/dataform-check/src/row-diff.ts";
import { lastChampion } from "./champion.ts";
import { localCommand, runCommand } from "./command.ts";
import { dataDirOf, type OrdersArguments, ordersOf, withOrders } from "./orders-options.ts";

interface PlanOptions extends OrdersArguments {
  readonly sqlDir: string;
  readonly against?: string;
  readonly data: boolean;
  readonly estimate?: string;
  readonly json: boolean;
  readonly strict: boolean;
}

/** What a run of the project as it is now would change. */
export interface Plan {
  /** What it is compared with. */
  readonly against: string;
  readonly changes: Changes;
  readonly schema: readonly SchemaChange[];
  /** Models that are in use and are built anew in a copy, with what is different in them. */
  readonly data?: {
    readonly runDate: string;
    readonly modelId: string;
    readonly tables: readonly RowDiff[];
    /** Assertions that would not hold. */
    readonly failures: readonly string[];
  };
  /** Bytes that BigQuery would read, by table; a sentence where that can't be told. */
  readonly bytes?: Readonly<Record<string, number | string>>;
}

/** npm run plan: what a run of the SQL project as it is now would change. */
const options = withOrders(
  localCommand(
    "run plan",
    "Tells what a run of the SQL project would change: models, schemas, rows and values.",
  ),
)
  .option("--against <commit>", "compares with the project at a git commit (default: with the last run)")
  .option("--no-data", "compares definitions and schemas only, not rows")
  .option("--estimate <url>", "asks BigQuery for bytes, like bigquery://my-project/EU; needs credentials")
  .option("--strict", "exit code 1 when a schema change is breaking", false)
  .option("--json", "prints the plan as JSON", false)
  .option("--sql-dir <dir>", "folder of the Dataform project", sqlDir)
  .parse()
  .opts<PlanOptions>();

await runCommand(async () => {
  const scratch = mkdtempSync(join(tmpdir(), "plan-"));
  try {
    const plan = await planOf(options, scratch);
    process.stdout.write(options.json ? `${JSON.stringify(plan, null, 2)}\n` : renderPlan(plan));
    if (options.strict && plan.schema.some(({ breaking }) => breaking)) process.exitCode = 1;
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

async function planOf(given: PlanOptions, scratch: string): Promise<Plan> {
  const dataDir = dataDirOf(given.dataDir, ordersOf(given).file);
  const applied = await readApplied(fileArtifacts, pathToFileURL(dataDir).href);
  if (applied === undefined && (given.against === undefined || given.data))
    throw new UserError(`There has been no run in ${dataDir}, so there is nothing to compare with.`, {
      remedy:
        "Run npm start or npm run sql first, or compare definitions with a commit: --against main --no-data",
    });
  const graph = compile(given.sqlDir);
  const oldDir = given.against === undefined ? given.sqlDir : checkout(given.against, join(scratch, "sql"));
  // What the sources are like is up to the shop, whatever the project said of them then.
  const { actions } = given.against === undefined ? applied! : compile(oldDir);
  const old = { ...graph, actions };
  const [after, before] = await Promise.all([columnsOf(graph, given.sqlDir), columnsOf(old, oldDir)]);
  if (after.problems.length > 0) throw new UserError(after.problems.join("\n"));

  const changes = changesOf(old.actions, graph.actions);
  const plan: Plan = {
    against: given.against ?? `the last run, of ${applied?.parameters.run_date?.value}`,
    changes,
    schema: schemaChanges(before.columns, after.columns),
    ...(given.estimate === undefined
      ? {}
      : { bytes: await estimates(given.sqlDir, given.estimate, changes, applied?.parameters ?? {}) }),
  };
  if (!given.data || applied === undefined || touched(graph, changes).length === 0) return plan;
  const warehouse = await copyOf(dataDir, scratch);
  try {
    return {
      ...plan,
      data: await compareData(warehouse, plan, [old, oldDir], [graph, given.sqlDir], applied),
    };
  } finally {
    await warehouse.close();
  }
}

/** Actions that are new, changed or affected. */
function touched({ actions }: Graph, { added, changed, affected }: Changes): Action[] {
  const names = new Set([...added, ...changed, ...affected].map(({ target }) => nameOf(target)));
  return actions.filter(({ target }) => names.has(nameOf(target)));
}

/** Makes the changed models and what depends on them in a copy of the warehouse, and compares with what was there. */
async function compareData(
  warehouse: DuckDbWarehouse,
  { changes, schema }: Plan,
  [old, oldDir]: [Graph, string],
  [graph, dir]: [Graph, string],
  applied: Applied,
): Promise<NonNullable<Plan["data"]>> {
  const runDate = String(applied.parameters.run_date?.value);
  const modelId = await lastChampion(warehouse, runDate);
  const parameters: Parameters = { ...applied.parameters, model_id: { type: "STRING", value: modelId } };
  const log = createLogger({ component: "plan" }, "silent");
  const run = (of: Graph, from: string) => runActions(warehouse, from, touched(of, changes), parameters, log);
  // The tables are as the last run made them; a commit's are made first.
  if (old.actions !== applied.actions) await run(old, oldDir);

  const models = touched(graph, changes).filter(
    ({ kind, materialization }) => kind === "model" && materialization !== "log",
  );
  const retyped = new Set(schema.flatMap(({ table, before, after }) => (before && after ? [table] : [])));
  await warehouse.withConnection(async (connection) => {
    for (const { target, materialization } of models) {
      await snapshot(connection, target);
      // The warehouse refuses a column of another type, where here its values are to be seen.
      if (materialization === "partition" && retyped.has(nameOf(target)))
        await connection.run(`DROP TABLE IF EXISTS "${target.dataset}"."${target.name}"`);
    }
  });
  const { failures } = await run(graph, dir);
  const tables = await warehouse.withConnection(async (connection) => {
    const diffs: RowDiff[] = [];
    for (const { target, materialization, partitionBy = "run_date", clusterBy } of models) {
      const partition = materialization === "partition" ? `"${partitionBy}" = DATE '${runDate}'` : undefined;
      diffs.push(await rowDiff(connection, target, clusterBy, partition));
    }
    return diffs;
  });
  return { runDate, modelId, tables, failures };
}

async function columnsOf(graph: Graph, dir: string) {
  const checker = await SqlChecker.start(dir);
  try {
    return await checker.check(graph);
  } finally {
    await checker.close();
  }
}

/** The SQL project of a commit, in a folder. */
function checkout(commit: string, folder: string): string {
  mkdirSync(folder);
  try {
    const archive = execFileSync("git", ["archive", "--format=tar", `${commit}:sql`], {
      cwd: projectDir,
      maxBuffer: 1e9,
      stdio: ["ignore", "pipe", "pipe"],
    });
    execFileSync("tar", ["-x", "-C", folder], { input: archive });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    throw new UserError(`--against ${commit}: ${String(stderr ?? message).trim()}`, {
      remedy: "Give a commit, branch or tag that has the folder sql.",
      cause: error,
    });
  }
  return folder;
}

/** A copy of the embedded warehouse, in which everything can be tried; its tables' project has the same name. */
async function copyOf(dataDir: string, folder: string) {
  // Whoever has it open is waited for, and what it left in the log is written to the file.
  await (await openLocalWarehouse(dataDir)).close();
  cpSync(warehousePath(dataDir), warehousePath(folder));
  const translations = join(dataDir, "translations");
  if (existsSync(translations)) cpSync(translations, join(folder, "translations"), { recursive: true });
  return await openLocalWarehouse(folder);
}

/** Bytes that each new, changed or affected query would read in BigQuery, or why that is not known. */
async function estimates(
  dir: string,
  url: string,
  changes: Changes,
  parameters: Parameters,
): Promise<Record<string, number | string>> {
  if (!URL.canParse(url) || !url.startsWith("bigquery://"))
    throw new UserError(`--estimate is ${url}; allowed is bigquery://project/location.`);
  const warehouse = new BigQueryWarehouse(url);
  const actions = touched(compile(dir, { project: warehouse.project }), changes);
  const answers = actions.map(({ query }) =>
    warehouse.estimate(query, parameters).catch((error) => `not known: ${formatError(error)}`),
  );
  return Object.fromEntries(
    (await Promise.all(answers)).map((answer, index) => [nameOf(actions[index]!.target), answer]),
  );
}
