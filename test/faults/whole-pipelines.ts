import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, globSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import type { RunEvent } from "../../contracts/messages.ts";
import { newRunId } from "../../contracts/run.ts";
import type { Candidate } from "../../jobs/candidates.ts";
import { createLogger } from "../../lib/log.ts";
import { projectDir } from "../../lib/project.ts";
import { readOrders } from "../../local/orders/load.ts";
import { openLocalWarehouse, startLocalStack } from "../../local/runtime/local-stack.ts";
import { confirmRun, requestRun } from "../../local/runtime/orchestrator.ts";
import { runStepProcess } from "../../local/runtime/step-process.ts";
import { cdnow } from "../cdnow.ts";
import type { Calls } from "./faulty-warehouse.ts";
import { emptyOutcome, type Outcome } from "./outcome.ts";
import {
  importing,
  type PipelineFault,
  type PipelineFaultsOptions,
  planPipelineFaults,
  withWarehouse,
} from "./pipeline-faults.ts";

const RUN_DATE = "1997-10-01";
/** Longest time of a run, milliseconds. */
const LIMIT = 240_000;
/** Runs at the same time. */
const AT_ONCE = 2;
/** With a candidate the steps use all methods of the warehouse. */
const CANDIDATES: readonly Candidate[] = ["averages"];
const log = createLogger({ component: "faults" }, "silent");

export interface WholePipelinesOptions extends Pick<PipelineFaultsOptions, "seed" | "runs" | "kinds"> {
  /** Modules that each step imports before its program: for tests of this suite. */
  readonly modules?: readonly string[];
  /** Receives the number of runs so far, after each. */
  readonly onRun?: (done: number) => void;
}

/**
 * Runs whole pipelines on every 100th customer of CDNOW, each with faults in a data folder of its own. A run that failed runs
 * again without a fault. Then the tables must be those of a run that had no fault.
 */
export async function wholePipelines(options: WholePipelinesOptions): Promise<Outcome> {
  const { modules = [], onRun = () => undefined, ...planned } = options;
  const faults = new Map<string, number>();
  const outcome: Outcome = { ...emptyOutcome("whole pipelines"), faults };
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  try {
    const orders = join(folder, "orders.csv");
    writeFileSync(orders, cdnow(100));
    const [empty, clean] = [join(folder, "empty"), join(folder, "clean")];
    await readOrders(empty, { file: orders });
    cpSync(empty, clean, { recursive: true });
    const calls: Record<string, Calls> = {};
    const event = await runOnce(clean, modules, {
      run: (step, _attempt, signal) =>
        withWarehouse(step, signal, (line) => {
          if (line.calls) calls[step.step] = line.calls;
        }),
    });
    if (event.status !== "succeeded") throw new Error(`A run without a fault failed: ${event.reason}`);
    const expected = await tablesOf(clean, event);

    const happened = (kind: string) => void faults.set(kind, (faults.get(kind) ?? 0) + 1);
    const left = planPipelineFaults({ ...planned, calls, happened });
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const { name, fault } = next;
        const dataDir = mkdtempSync(join(folder, "run-"));
        cpSync(empty, dataDir, { recursive: true });
        await oneOf(dataDir, orders, modules, fault, name, outcome, expected).catch((error) =>
          outcome[/did not end within/.test(error.message) ? "stuck" : "lost"].push(
            `${name}: ${error.message}`,
          ),
        );
        rmSync(dataDir, { recursive: true, force: true });
        outcome.runs += 1;
        onRun(outcome.runs);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return outcome;
}

async function oneOf(
  dataDir: string,
  orders: string,
  modules: readonly string[],
  fault: PipelineFault,
  name: string,
  outcome: Outcome,
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  let event: RunEvent | undefined;
  if (fault.killLauncher !== undefined) {
    const state = await killedLauncher(dataDir, orders, fault.killLauncher);
    if (state === "queued" || state === "running") outcome.stuck.push(`${name}: ${state} after a restart`);
  } else event = await runOnce(dataDir, modules, fault).catch(refused);
  if (fault.succeeds && event?.status !== "succeeded")
    return void outcome.wrong.push(`${name}: the run failed: ${event?.reason}`);
  if (event?.status !== "succeeded") event = await runOnce(dataDir, modules);
  if (event.status !== "succeeded")
    return void outcome.wrong.push(`${name}: a run after it failed: ${event.reason}`);
  const tables = await tablesOf(dataDir, event);
  for (const table of Object.keys({ ...expected, ...tables }))
    if (tables[table] !== expected[table]) outcome.wrong.push(`${name}: ${table}`);
}

/** A run that the launcher could not accept: Orchestrator is informed, and nothing ran. */
function refused(error: Error): undefined {
  if (!/refused the request/.test(error.message)) throw error;
}

/** Requests a run in this process and returns its final event. */
async function runOnce(
  dataDir: string,
  modules: readonly string[],
  {
    run = (step, _attempt, signal) => runStepProcess(step, signal),
    artifacts = fileArtifacts,
  }: PipelineFault = {},
): Promise<RunEvent> {
  const attempts = new Map<string, number>();
  const runStep: typeof runStepProcess = async (step, signal) => {
    const attempt = (attempts.get(step.step) ?? 0) + 1;
    attempts.set(step.step, attempt);
    await run(importing(step, modules), attempt, signal);
  };
  const stack = await startLocalStack({
    dataDir,
    port: 0,
    log,
    candidates: CANDIDATES,
    launcher: { artifacts, runStep },
  });
  try {
    return await requestRun(
      { run_id: newRunId(RUN_DATE), run_date: RUN_DATE },
      {
        messenger: stack.messenger,
        invokerUrl: stack.url,
        timeLimit: LIMIT,
        pollInterval: 500,
        signal: new AbortController().signal,
      },
    );
  } finally {
    await stack.close();
  }
}

/** Kills `npm start` while it runs the pipeline. Returns the state of its run after a restart, if it had one. */
async function killedLauncher(
  dataDir: string,
  orders: string,
  { step, after, happened }: NonNullable<PipelineFault["killLauncher"]>,
): Promise<string | undefined> {
  const args = [
    ...["--orders", orders, "--run-date", RUN_DATE, "--data-dir", dataDir],
    ...["--candidates", CANDIDATES.join(",")],
  ];
  const child = spawn(process.execPath, [join(projectDir, "cli/start.ts"), ...args], { stdio: "ignore" });
  const ended = once(child, "exit");
  while (child.exitCode === null && globSync(join(dataDir, "runs/*/tasks", step)).length === 0)
    await setTimeout(10);
  await setTimeout(after);
  child.kill("SIGKILL");
  await ended;
  if (child.signalCode === "SIGKILL") happened();
  const run = readdirSync(join(dataDir, "runs")).find((name) => !name.startsWith("."));
  const stack = await startLocalStack({ dataDir, port: 0, log });
  try {
    return (await stack.launcher.state(run!))?.state;
  } finally {
    await stack.close();
  }
}

/** Tables that name the runs: the part of them that each run leaves the same. */
const PARTS: Readonly<Record<string, string>> = {
  "ops.checks": "(SELECT * EXCLUDE run_id FROM ops.checks WHERE run_id = $run_id)",
  // If the warehouse fails at the end of a run, the run succeeds without its row.
  "ops.runs": "(SELECT run_id FROM ops.runs GROUP BY run_id HAVING COUNT(*) > 1)",
  "rfm.order_reads": "(SELECT step FROM rfm.order_reads)",
};

/** A fingerprint of each table after a run. */
async function tablesOf(dataDir: string, event: RunEvent): Promise<Record<string, string>> {
  const warehouse = await openLocalWarehouse(dataDir);
  try {
    await confirmRun(event, warehouse);
    return await warehouse.withConnection(async (connection) => {
      const rows = async (sql: string) =>
        await (
          await connection.runAndReadAll(sql.replace("$run_id", `'${event.run_id}'`))
        ).getRowObjectsJson();
      const found: Record<string, string> = {};
      for (const { schema_name, table_name } of await rows("FROM duckdb_tables()")) {
        const name = `${schema_name}.${table_name}`;
        const [row] = await rows(
          `SELECT COUNT(*) || ' rows, ' || COALESCE(md5(string_agg(t::VARCHAR, '|' ORDER BY t::VARCHAR)), '') AS text FROM ${PARTS[name] ?? name} AS t`,
        );
        found[name] = String(row!.text);
      }
      return found;
    });
  } finally {
    await warehouse.close();
  }
}
