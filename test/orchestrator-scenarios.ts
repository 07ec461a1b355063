import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import type { DagSettings } from "../contracts/dag-settings.ts";
import { EVENTS, REQUESTS } from "../contracts/messages.ts";
import { runIdFor } from "../contracts/run.ts";
import { createLogger } from "../lib/log.ts";
import { AirflowTestbed, type Emulators, startEmulators, type TestbedOptions } from "./airflow/testbed.ts";
import { cdnow } from "./cdnow.ts";
import { endedRuns } from "./ended-runs.ts";

/** How a request for a run ended. */
export interface Outcome {
  /** The run that was planned. */
  readonly runId: string | undefined;
  /** The step of the Orchestrator that failed; undefined if all succeeded. */
  readonly failedStep: string | undefined;
  /** All lines that report a failure, decoded. */
  readonly failures: readonly Readonly<Record<string, unknown>>[];
  /** All that it logged. */
  readonly log: string;
}

/** An Orchestrator that the scenarios test. */
export interface TestedOrchestrator {
  /** Requests the run of a day and waits until that has ended. */
  run(testbed: AirflowTestbed, day: string, limits: Partial<DagSettings["limits"]>): Promise<Outcome>;
  /** Share of the CDNOW customers in the first scenario: 1 is all, 100 is every hundredth. */
  readonly sampling: number;
  /** Whether only the scenarios run that use all of the Orchestrator's platform: for its second version. */
  readonly short?: boolean;
}

const DAY = "1997-10-01";
const LATER = "1997-10-08";

/** Adds 200 invalid orders. */
const withBadRows = (orders: string): string =>
  `${orders}\n${Array.from({ length: 200 }, (_, index) => `bad${index},,1997-01-01,1`).join("\n")}`;

/** Test beds in shared emulators, one for each test. */
export class Testbeds {
  current!: AirflowTestbed;
  #emulators: Emulators | undefined;
  #count = 0;

  async start(): Promise<void> {
    this.#emulators = await startEmulators();
  }

  async create(orders = cdnow(100), more: Partial<TestbedOptions> = {}): Promise<AirflowTestbed> {
    this.#count += 1;
    const log = createLogger({ component: "local" }, "silent");
    const options = { project: `shop-${this.#count}`, log, ...more };
    this.current = await AirflowTestbed.create(this.#emulators!, orders, options);
    return this.current;
  }

  async close(): Promise<void> {
    await this.#emulators?.close();
  }
}

/** Defines the tests that every Orchestrator passes, against the real invoker and jobs. Call it inside of describe. */
export function testScenarios(testbeds: Testbeds, orchestrator: TestedOrchestrator): void {
  const run = (day: string, limits: Partial<DagSettings["limits"]> = {}) =>
    orchestrator.run(testbeds.current, day, limits);
  const rows = async (sql: string): Promise<unknown[]> => (await testbeds.current.bigquery.query(sql))[0];
  /** Run dates in the mart with their number of customers. */
  const mart = () =>
    rows("SELECT STRING(run_date) AS day, COUNT(*) AS customers FROM mlops_mkt.rfm GROUP BY 1 ORDER BY 1");
  const runs = (count: number) =>
    endedRuns(rows, count, "SELECT run_id, status, failed_step FROM ops.runs ORDER BY started_at");
  const jobs = (): string[] => readdirSync(join(testbeds.current.dataDir, "runs")).sort();
  const subscriptions = async (): Promise<string[]> =>
    (await testbeds.current.pubsub.getSubscriptions())[0]
      .map((found) => found.name.split("/").at(-1)!)
      .sort();

  it("succeeds on CDNOW: request, final event, tables", async () => {
    const testbed = await testbeds.create(cdnow(orchestrator.sampling));
    await testbed.startInvoker();
    const done = await run(DAY);
    assertSucceeded(done);
    const run_id = runIdFor(DAY, 1);
    assert.equal(done.runId, run_id);
    assert.deepEqual(await mart(), [{ day: DAY, customers: Math.floor(23_570 / orchestrator.sampling) }]);
    assert.deepEqual(await runs(1), [{ run_id, status: "succeeded", failed_step: null }]);
    assert.deepEqual(await subscriptions(), ["requests", "requests-dead-letter"]);
  });

  it("reports the failed step and the reason; requested again, it starts another attempt, which ignores events of the first", async () => {
    const testbed = await testbeds.create(withBadRows(cdnow(100)));
    const [first, second] = [runIdFor(DAY, 1), runIdFor(DAY, 2)];
    const stale = { run_id: first, run_date: DAY, status: "failed", failed_step: "features" };
    await testbed.startInvoker({
      onTask: (runId, { task, state }) => {
        if (runId === second && task === "features" && state === "started")
          void testbed.publish(EVENTS, JSON.stringify(stale), first);
      },
    });
    const failed = await run(DAY);
    assertFailedIn(failed, "wait", /failed in step features: .*rejected_share/);
    const { reason, log_url, component: _, ...failure } = failed.failures[0]!;
    assert.match(String(log_url), /^http/);
    assert.match(
      `${reason} ${failed.log}`,
      RegExp(`/vertex-ai/pipelines/locations/europe-west1/runs/${first}\\?project=${testbed.project}`),
    );
    assert.deepEqual(failure, {
      event: "run_failed",
      dag_id: "customer-value-dev",
      run_date: DAY,
      run_id: first,
      step: "wait",
      what_to_do: "docs/runbook.md#failed-run",
    });
    assert.deepEqual(await mart(), []);
    assert.deepEqual(await subscriptions(), ["requests", "requests-dead-letter"]);

    await rows("DELETE FROM raw.orders WHERE STARTS_WITH(order_id, 'bad')");
    const again = await run(DAY);
    assertSucceeded(again);
    assert.equal(again.runId, second);
    assert.deepEqual(await mart(), [{ day: DAY, customers: 235 }]);
    assert.deepEqual(await runs(2), [
      { run_id: first, status: "failed", failed_step: "features" },
      { run_id: second, status: "succeeded", failed_step: null },
    ]);
  });

  it("finds the end of a run whose final event is lost", async () => {
    const testbed = await testbeds.create(cdnow(100), { events: "nowhere" });
    await testbed.startInvoker();
    assertSucceeded(await run(DAY, { ask_seconds: 10 }));
    assert.deepEqual(await mart(), [{ day: DAY, customers: 235 }]);
  });

  if (orchestrator.short) return;

  it("waits for an invoker that is down for 20 s", async () => {
    const testbed = await testbeds.create();
    const down = createServer((socket) => socket.destroy());
    down.listen(Number(new URL(testbed.invokerUrl).port), "127.0.0.1");
    const up = once(down, "connection").then(async () => {
      await setTimeout(20_000);
      await new Promise((closed) => down.close(closed));
      await testbed.startInvoker();
    });
    const [done] = await Promise.all([run(DAY, { retries: 20, retry_delay_seconds: 2 }), up]);
    assertSucceeded(done);
    assert.deepEqual(jobs(), [runIdFor(DAY, 1)]);
  });

  it("runs two dates at the same time, each with its own events; a duplicate request or a reused job starts nothing", async () => {
    const testbed = await testbeds.create();
    await testbed.startInvoker({
      onTask: (run_id, { task, state }) => {
        const run_date = run_id === runIdFor(DAY, 1) ? DAY : LATER;
        if (task === "features" && state === "started")
          void testbed.publish(REQUESTS, JSON.stringify({ run_id, run_date }), run_id);
      },
    });
    for (const done of await Promise.all([run(DAY), run(LATER)])) assertSucceeded(done);
    const both = [runIdFor(DAY, 1), runIdFor(LATER, 1)].sort();
    assert.deepEqual(jobs(), both);
    const tables = [
      { day: DAY, customers: 235 },
      { day: LATER, customers: 235 },
    ];
    assert.deepEqual(await mart(), tables);
    // A finished job is reused.
    assertSucceeded(await run(DAY));
    assert.deepEqual(jobs(), both);
    assert.deepEqual(await mart(), tables);
    // Its tables are checked again.
    await rows(`DELETE FROM ops.checks WHERE run_id = '${runIdFor(DAY, 1)}'`);
    const unconfirmed = await run(DAY);
    assertFailedIn(
      unconfirmed,
      "confirm",
      /reports success, but its tables do not\. No assertion was checked/,
    );
  });

  it("fails at the time limit when the request became a dead letter", async () => {
    const testbed = await testbeds.create();
    await testbed.startInvoker({ firstOrderDate: DAY });
    await testbed.publish(REQUESTS, "no JSON", "clv-none");
    const failed = await run(DAY, { run_seconds: 20, ask_seconds: 25 });
    assertFailedIn(failed, "wait", /did not end within 20 s\..*never started.*look in the dead letters/);
    const letters = await testbed.deadLetters(2);
    assert.equal(letters.length, 2, letters.join());
    assert.ok(letters.includes("no JSON"));
    assert.ok(letters.some((letter) => letter.includes(runIdFor(DAY, 1))));
    assert.deepEqual(await mart(), []);
  });

  it("reports a step that was killed", async () => {
    const testbed = await testbeds.create();
    await testbed.startInvoker({
      onTask: (runId, { task, state }) => {
        if (task === "train" && (state === "started" || state === "retrying"))
          void kill(testbed, runId, task);
      },
    });
    assertFailedIn(await run(DAY), "wait", /failed in step train: .*killed/);
    assert.deepEqual(await mart(), []);
    assert.deepEqual(await runs(1), [{ run_id: runIdFor(DAY, 1), status: "failed", failed_step: "train" }]);
  });
}

export function assertSucceeded(outcome: Outcome): void {
  assert.equal(outcome.failedStep, undefined, errorsIn(outcome));
  assert.deepEqual(outcome.failures, []);
}

export function assertFailedIn(outcome: Outcome, step: string, reason: RegExp): void {
  assert.equal(outcome.failedStep, step, errorsIn(outcome));
  assert.ok(reason.test(outcome.log), `${reason} is not in: ${errorsIn(outcome)}`);
  assert.equal(outcome.failures.length, 1, errorsIn(outcome));
}

/** The lines of a log that report errors. */
const errorsIn = ({ log }: Outcome): string =>
  log.match(/^.*(ERROR|error|Exception).*$/gm)?.join("\n") ?? log.slice(-2000);

/** Kills the process of a step that has begun its work, as the kernel does when a machine runs out of memory. */
async function kill({ dataDir }: AirflowTestbed, runId: string, step: string): Promise<void> {
  for (;;) {
    await setTimeout(50);
    if (!existsSync(join(dataDir, "runs", runId, "steps", `${step}.json`))) continue;
    const { stdout } = await promisify(execFile)("ps", ["-eo", "pid=,args="], { maxBuffer: 2 ** 24 });
    const found = stdout
      .split("\n")
      .find((line) => line.includes(runId) && line.includes(`"step":"${step}"`));
    if (found === undefined) continue;
    try {
      process.kill(Number.parseInt(found, 10), "SIGKILL");
      return;
    } catch {
      // It has just ended: the next attempt is killed.
    }
  }
}
