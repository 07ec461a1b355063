import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { artifactUrl, fileArtifacts } from "../../adapters/artifacts.ts";
import { BigQueryWarehouse } from "../../adapters/bigquery.ts";
import { openPublisher } from "../../adapters/publisher.ts";
import { EVENTS, REQUESTS, type RunEvent } from "../../contracts/messages.ts";
import { createServer } from "../../functions/invoker/server.ts";
import { seededRandom } from "../../jobs/clv/random.ts";
import { IMAGES, type Image, pipelineSpec } from "../../jobs/pipeline.ts";
import { createLogger } from "../../lib/log.ts";
import { LocalLauncher, type LocalLauncherOptions } from "../../local/runtime/launcher.ts";
import { LocalMessenger } from "../../local/runtime/messenger.ts";
import { requestRun } from "../../local/runtime/orchestrator.ts";
import { startFakeBigQuery } from "../fake-bigquery.ts";
import {
  Faults,
  faultyArtifacts,
  faultyLauncher,
  faultyMessenger,
  LATE,
  startFaultyProxy,
} from "./injection.ts";
import { emptyOutcome, type Outcome } from "./outcome.ts";

const RUN_DATE = "1997-10-01";
/** Longest time of a run, milliseconds. */
const LIMIT = 120_000;
/** Runs that are requested at the same time. */
const AT_ONCE = 50;
const BATCH = 250;
const FIRST_STEP = "features";
const TABLE = { project: "project", dataset: "ops", name: "runs" };
const IMAGE = Object.fromEntries(IMAGES.map((image) => [image, "job"])) as Record<Image, string>;

export interface LogicalRunsOptions {
  readonly seed: number;
  readonly runs: number;
  /** Replaces parts of the launcher: for tests of this suite. */
  readonly launcher?: Partial<LocalLauncherOptions>;
}

/**
 * Requests runs of the pipeline, with steps of which one writes a row of the run into BigQuery and the others do nothing,
 * through Orchestrator, Messenger, the invoker and the launcher, with faults between them. BigQuery is one that runs no SQL,
 * and counts the statements. Every 250 runs the launcher starts again: it knows how each run ended, and starts none again.
 */
export async function logicalRuns({ seed, runs, launcher }: LogicalRunsOptions): Promise<Outcome> {
  const faults = new Faults();
  const outcome = emptyOutcome("logical runs");
  for (let first = 0; first < runs; first += BATCH) {
    const count = Math.min(BATCH, runs - first);
    const ids = Array.from({ length: count }, (_, index) => `fault-${seed}-${first + index}`);
    for (const [index, id] of ids.entries())
      faults.plan(id, first + index, seededRandom(seed * 1_000_003 + first + index));
    await batch(ids, seed + first, faults, outcome, launcher ?? {});
  }
  return { ...outcome, faults: faults.injected };
}

/** What happened to a run. */
interface Trace {
  /** How often its pipeline was started. */
  pipelines: number;
  /** What the exit task reported, each time that it ran. */
  reported: string[];
  /** The final events that Orchestrator acted on. */
  acted: RunEvent[];
}

async function batch(
  ids: readonly string[],
  seed: number,
  faults: Faults,
  outcome: Outcome,
  replaced: Partial<LocalLauncherOptions>,
): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "faults-"));
  const log = createLogger({ component: "faults" }, "silent");
  const traces = new Map(ids.map((id): [string, Trace] => [id, { pipelines: 0, reported: [], acted: [] }]));
  const messenger = await LocalMessenger.start(log);
  const events = await startFaultyProxy(messenger.url, "Messenger", faults);
  const bigQuery = await startFakeBigQuery();
  bigQuery.tables.set(Object.values(TABLE).join("."), {
    schema: { fields: [{ name: "run_id", type: "STRING" }] },
  });
  const warehouse = await startFaultyProxy(bigQuery.endpoint, "BigQuery", faults);
  const random = seededRandom(seed);
  const failing = new Set(ids.filter(() => random() < 0.1));

  const options: LocalLauncherOptions = {
    dataDir,
    artifacts: fileArtifacts,
    spec: pipelineSpec({ images: IMAGE, env: {}, retryDelay: "0.01s" }),
    entrypoints: { job: [] },
    log,
    maxRuns: AT_ONCE,
  };
  const launcher = new LocalLauncher({
    ...options,
    artifacts: faultyArtifacts(fileArtifacts, faults),
    onTask(runId, { task, state }) {
      // A pipeline starts its first step once, and again only after it failed.
      const change = task !== FIRST_STEP ? 0 : state === "started" ? 1 : state === "retrying" ? -1 : 0;
      traces.get(runId)!.pipelines += change;
    },
    async runStep({ step, command }) {
      const { inputs, outputs } = JSON.parse(command[1]!);
      const { run_id, status } = inputs.parameterValues;
      if (step === FIRST_STEP && failing.has(run_id)) throw new Error("the step failed");
      if (step === "train") {
        const labels = { run_id, step };
        const url = `bigquery://${TABLE.project}/EU?endpoint=${warehouse.url}`;
        await new BigQueryWarehouse(url, { labels, timeout: LATE / 2 }).replaceRows(TABLE, { run_id }, [
          { run_id },
        ]);
        const parameterValues = { model_id: run_id };
        await fileArtifacts.write(artifactUrl(outputs.outputFile), JSON.stringify({ parameterValues }));
      }
      if (step !== "notify") return;
      const event = eventOf(run_id, JSON.parse(status).state);
      traces.get(run_id)!.reported.push(event.status);
      const publisher = await openPublisher(events.url);
      await publisher.publish(EVENTS, event, { run_id, status: event.status });
    },
    ...replaced,
  });
  const server = createServer({ launcher: faultyLauncher(launcher, faults), log }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const invoker = await startFaultyProxy(
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    "invoker",
    faults,
  );
  messenger.push({
    topic: REQUESTS,
    url: `${invoker.url}/`,
    maxDeliveryAttempts: 10,
    minimumBackoff: 20,
    ackDeadline: LATE / 2,
  });
  try {
    const waiting = [...ids];
    const orchestrator = async (): Promise<void> => {
      for (let run_id = waiting.shift(); run_id !== undefined; run_id = waiting.shift()) {
        const trace = traces.get(run_id)!;
        const ending = await orchestrate(run_id, faultyMessenger(messenger, faults), invoker.url);
        if (!(ending instanceof Error)) trace.acted.push(ending);
        else outcome[TOO_LATE.test(ending.message) ? "stuck" : "lost"].push(`${run_id}: ${ending.message}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, orchestrator));
    // What is late must have no effect any more.
    await setTimeout(2 * LATE);
    await launcher.close();
  } finally {
    for (const each of [server, invoker, events, messenger, warehouse, bigQuery]) {
      if ("closeAllConnections" in each) each.closeAllConnections();
      await each.close();
    }
  }
  const restarted = new LocalLauncher(options);
  for (const [id, { pipelines, reported, acted }] of traces) {
    outcome.runs += 1;
    const statuses = new Set([...reported, ...acted.map(({ status }) => status)]);
    if (pipelines > 1 || statuses.size > 1) outcome.doubled.push(id);
    if (acted.length === 1 && pipelines === 0) outcome.lost.push(id);
    // Outputs of which only a part can be read are those of a failed attempt, and a step has two.
    const isHit = faults.had(id, "artifact store", "truncated") > 1;
    const ends = failing.has(id) ? ["failed"] : isHit ? ["succeeded", "failed"] : ["succeeded"];
    for (const status of statuses) if (!ends.includes(status)) outcome.wrong.push(`${id}: ${status}`);
    const statements = bigQuery.inserted.filter(({ configuration }) => configuration.labels.run_id === id);
    // Also a step that runs again finds its statement.
    if (statements.length > 1) outcome.doubled.push(`${id}: its statement ran ${statements.length} times`);
    if (acted[0]?.status === "succeeded" && statements.length === 0) outcome.lost.push(`${id}: its row`);
    const kept = await restarted.state(id);
    if (await restarted.launch(id, { run_date: RUN_DATE })) outcome.doubled.push(`${id} after a restart`);
    if (acted.length === 1 && kept?.state !== acted[0]!.status && !isHit)
      outcome.wrong.push(`${id}: kept as ${kept?.state}`);
  }
  await restarted.close();
  await rm(dataDir, { recursive: true });
}

const TOO_LATE = /did not end within/;

/** Requests the run until its final event arrives, like an Orchestrator that runs a failed task again. */
async function orchestrate(
  run_id: string,
  messenger: ReturnType<typeof faultyMessenger>,
  invokerUrl: string,
): Promise<RunEvent | Error> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await requestRun(
        { run_id, run_date: RUN_DATE },
        { messenger, invokerUrl, timeLimit: LIMIT, pollInterval: 1000, signal: new AbortController().signal },
      );
    } catch (thrown) {
      const error = thrown as Error;
      if (attempt === 5 || TOO_LATE.test(error.message)) return error;
    }
  }
}

function eventOf(run_id: string, state: string): RunEvent {
  const status = state === "SUCCEEDED" ? "succeeded" : "failed";
  const failed_step = status === "failed" ? FIRST_STEP : null;
  const finished_at = new Date().toISOString();
  return { run_id, run_date: RUN_DATE, status, failed_step, reason: null, finished_at, steps: [] };
}
