import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, globSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import type { RunEvent } from "../../contracts/messages.ts";
import { newRunId } from "../../contracts/run.ts";
import { seededRandom } from "../../jobs/clv/random.ts";
import { IMAGES, stepsOf } from "../../jobs/pipeline.ts";
import { createLogger } from "../../lib/log.ts";
import { projectDir } from "../../lib/project.ts";
import { readOrders } from "../../local/orders/load.ts";
import { openLocalWarehouse, startLocalStack } from "../../local/runtime/local-stack.ts";
import { confirmRun, requestRun } from "../../local/runtime/orchestrator.ts";
import { cdnow } from "../cdnow.ts";
import { emptyOutcome, type Outcome } from "./outcome.ts";

const RUN_DATE = "1997-10-01";
/** Longest time of a run, milliseconds. */
const LIMIT = 240_000;
/** Runs at the same time. */
const AT_ONCE = 2;
const STEPS = [...Object.keys(stepsOf()), "notify"];
const log = createLogger({ component: "faults" }, "silent");

/** A fault in a run of the pipeline. */
interface PipelineFault {
  /** The command to start instead of this one, for each attempt of a step, the first one being 1. */
  readonly command?: (step: string, attempt: number, command: readonly string[]) => readonly string[];
  /** The artifact store of the launcher. */
  readonly artifacts?: ArtifactStore;
  /** The launcher is killed so many milliseconds after this step started. */
  readonly killLauncher?: { readonly step: string; readonly after: number };
}

/** Runs a command in a shell. "$@" in the script is the command. */
const shell = (script: string, command: readonly string[]) => ["sh", "-c", script, "sh", ...command];

/** The faults by kind: each takes a step and random numbers. */
const FAULTS: Readonly<Record<string, (step: string, random: () => number) => PipelineFault>> = {
  "step killed before its work": (step) => ({
    command: (name, attempt, command) =>
      name === step && attempt === 1 ? shell("kill -9 $$", command) : command,
  }),
  "step killed after its work": (step) => ({
    command: (name, attempt, command) =>
      name === step && attempt === 1 ? shell('"$@"; kill -9 $$', command) : command,
  }),
  "step killed at a random time": (step, random) => {
    const after = 1.2 * random();
    return {
      command: (name, attempt, command) =>
        name === step && attempt === 1 ? killedAfter(after, command) : command,
    };
  },
  "each attempt of a step killed": (step, random) => {
    const after = 1.2 * random();
    return { command: (name, _attempt, command) => (name === step ? killedAfter(after, command) : command) };
  },
  "launcher killed": (step, random) => ({ killLauncher: { step, after: 600 * random() } }),
  // A file can't grow beyond some blocks.
  "disk full for a step": (step, random) => {
    const limit = `ulimit -f ${Math.floor(random() ** 2 * 10_000)}; exec "$@"`;
    return { command: (name, _attempt, command) => (name === step ? shell(limit, command) : command) };
  },
  "disk full for the launcher": (_step, random) => {
    let left = Math.floor(3 * random());
    const full = () =>
      Promise.reject(Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));
    return {
      artifacts: {
        ...fileArtifacts,
        write: (url, text) => (left-- > 0 ? fileArtifacts.write(url, text) : full()),
      },
    };
  },
};

const killedAfter = (seconds: number, command: readonly string[]) =>
  shell(`"$@" & step=$!; (sleep ${seconds.toFixed(3)}; kill -9 $step) & wait $step`, command);

/**
 * Runs whole pipelines on every 100th customer of CDNOW, each with one fault in a data folder of its own. A run that did
 * not succeed runs again without a fault. Then the tables must be those of a run that had no fault.
 */
export async function wholePipelines({
  seed,
  runs,
  onRun = () => undefined,
}: {
  readonly seed: number;
  readonly runs: number;
  /** Receives the number of runs so far, after each. */
  readonly onRun?: (done: number) => void;
}): Promise<Outcome> {
  const faults = new Map<string, number>();
  const outcome: Outcome = { ...emptyOutcome("whole pipelines"), faults };
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  try {
    const orders = join(folder, "orders.csv");
    writeFileSync(orders, cdnow(100));
    const [empty, clean] = [join(folder, "empty"), join(folder, "clean")];
    await readOrders(empty, { file: orders });
    cpSync(empty, clean, { recursive: true });
    const event = await runOnce(clean, newRunId(RUN_DATE));
    if (event.status !== "succeeded") throw new Error(`A run without a fault failed: ${event.reason}`);
    const expected = await tablesOf(clean, event);

    const random = seededRandom(seed);
    const kinds = Object.keys(FAULTS);
    const planned = Array.from({ length: runs }, (_, index) => {
      const kind = kinds[index % kinds.length]!;
      const step = STEPS[Math.floor(random() * STEPS.length)]!;
      return { kind, name: `${index}, ${kind}, ${step}`, fault: FAULTS[kind]!(step, random) };
    });
    const work = async (): Promise<void> => {
      for (let next = planned.shift(); next !== undefined; next = planned.shift()) {
        const { kind, name, fault } = next;
        const dataDir = mkdtempSync(join(folder, "run-"));
        cpSync(empty, dataDir, { recursive: true });
        await oneOf(dataDir, orders, fault, name, outcome, expected).catch((error) =>
          outcome[/did not end within/.test(error.message) ? "stuck" : "lost"].push(
            `${name}: ${error.message}`,
          ),
        );
        rmSync(dataDir, { recursive: true, force: true });
        faults.set(kind, (faults.get(kind) ?? 0) + 1);
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
  fault: PipelineFault,
  name: string,
  outcome: Outcome,
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  let event: RunEvent | undefined;
  if (fault.killLauncher !== undefined) {
    const state = await killedLauncher(dataDir, orders, fault.killLauncher);
    if (state === "queued" || state === "running") outcome.stuck.push(`${name}: ${state} after a restart`);
  } else event = await runOnce(dataDir, newRunId(RUN_DATE), fault).catch(refused);
  if (event?.status !== "succeeded") event = await runOnce(dataDir, newRunId(RUN_DATE));
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
async function runOnce(dataDir: string, run_id: string, fault: PipelineFault = {}): Promise<RunEvent> {
  const { command = (_step, _attempt, unchanged) => unchanged, artifacts = fileArtifacts } = fault;
  const attempts = new Map<string, number>();
  let step = "";
  const entrypoints = Object.fromEntries(
    IMAGES.map((image) => {
      const program = [process.execPath, join(projectDir, "jobs", image, "main.ts")];
      return [image, () => command(step, attempts.get(step)!, program)];
    }),
  );
  const stack = await startLocalStack({
    dataDir,
    port: 0,
    log,
    launcher: { artifacts, entrypoints },
    onTask: (_, { task, state }) => {
      if (state !== "started") return;
      step = task;
      attempts.set(task, (attempts.get(task) ?? 0) + 1);
    },
  });
  try {
    return await requestRun(
      { run_id, run_date: RUN_DATE },
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
  { step, after }: NonNullable<PipelineFault["killLauncher"]>,
): Promise<string | undefined> {
  const args = ["--orders", orders, "--run-date", RUN_DATE, "--data-dir", dataDir];
  const child = spawn(process.execPath, [join(projectDir, "cli/start.ts"), ...args], { stdio: "ignore" });
  const ended = once(child, "exit");
  while (child.exitCode === null && globSync(join(dataDir, "runs/*/tasks", step)).length === 0)
    await setTimeout(10);
  await setTimeout(after);
  child.kill("SIGKILL");
  await ended;
  const run = readdirSync(join(dataDir, "runs")).find((name) => !name.startsWith("."));
  const stack = await startLocalStack({ dataDir, port: 0, log });
  try {
    return (await stack.launcher.state(run!))?.state;
  } finally {
    await stack.close();
  }
}

/** A fingerprint of each table, but of those that name the runs. */
async function tablesOf(dataDir: string, event: RunEvent): Promise<Record<string, string>> {
  const warehouse = await openLocalWarehouse(dataDir);
  try {
    await confirmRun(event, warehouse);
    return await warehouse.withConnection(async (connection) => {
      const rows = async (sql: string) => await (await connection.runAndReadAll(sql)).getRowObjectsJson();
      const tables = await rows(
        "FROM duckdb_tables() WHERE schema_name <> 'ops' AND table_name <> 'order_reads'",
      );
      const found: Record<string, string> = {};
      for (const { schema_name, table_name } of tables) {
        const name = `${schema_name}.${table_name}`;
        const [row] = await rows(
          `SELECT COUNT(*) || ' rows, ' || COALESCE(md5(string_agg(t::VARCHAR, '|' ORDER BY t::VARCHAR)), '') AS text FROM ${name} AS t`,
        );
        found[name] = String(row!.text);
      }
      return found;
    });
  } finally {
    await warehouse.close();
  }
}
