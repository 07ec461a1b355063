import { setTimeout } from "node:timers/promises";
import { type RunState, runState } from "../../contracts/launcher.ts";
import {
  EVENTS,
  type Message,
  type Messenger,
  REQUESTS,
  type RunEvent,
  type RunRequest,
  runEvent,
} from "../../contracts/messages.ts";
import { QueryError, type Row, type Warehouse } from "../../contracts/warehouse.ts";
import { UserError } from "../../lib/user-error.ts";

export interface OrchestratorOptions {
  readonly messenger: Messenger;
  readonly invokerUrl: string;
  /** How long a run may take, from request to final event, milliseconds. */
  readonly timeLimit: number;
  /** How often the invoker is asked for the run's state, in case its final event is lost, milliseconds. */
  readonly pollInterval: number;
  readonly signal: AbortSignal;
}

/**
 * Makes the request and waits for the final event of this run: health check, subscription, request, wait.
 * Throws a UserError when Workload is not well, the request becomes a dead letter, or the time limit passes.
 */
export async function requestRun(request: RunRequest, options: OrchestratorOptions): Promise<RunEvent> {
  const { messenger, invokerUrl, timeLimit, pollInterval } = options;
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, options.signal]);
  try {
    const interruption = interrupted(options.signal, done.signal);
    await Promise.race([interruption, checkHealth(invokerUrl, Math.min(timeLimit, 10_000))]);
    // Subscribed before the request is sent: the event can't come before somebody listens.
    const [events, letters] = await Promise.all(
      [EVENTS, `${REQUESTS}-dead-letter`].map((topic) =>
        messenger.subscribe(topic, { run_id: request.run_id }, signal),
      ),
    );
    const waits = [
      finalEvent(events!, request.run_id),
      refused(letters!, request.run_id),
      foundByAsking(invokerUrl, request, pollInterval, signal),
      tooLate(request.run_id, timeLimit, signal),
      interruption,
      messenger.publish(REQUESTS, request, { run_id: request.run_id }).then(() => never<RunEvent>()),
    ];
    return await Promise.race(waits);
  } finally {
    done.abort();
  }
}

/** What Orchestrator found in the warehouse when it checked a run that says it succeeded. */
export interface Confirmation {
  readonly customers: number;
  readonly modelId: string | null;
}

/**
 * Checks that a run that says it succeeded did its work: the run date's partition has rows, assertions were
 * checked and none failed, and the model that scored is a champion. Throws a UserError that names what is missing.
 */
export async function confirmRun(event: RunEvent, warehouse: Warehouse): Promise<Confirmation> {
  const parameters = {
    run_id: { type: "STRING", value: event.run_id },
    run_date: { type: "DATE", value: event.run_date },
  } as const;
  const lie = (problems: string): UserError =>
    new UserError(`Run ${event.run_id} says that it succeeded, but ${problems}.`, { status: 500 });
  const query = async (sql: string): Promise<Row> => {
    const rows = await warehouse.query(sql, parameters).catch((error: Error) => {
      throw error instanceof QueryError ? lie(`its tables can't be read: ${error.message}`) : error;
    });
    return rows[0] ?? {};
  };
  const mart = await query(
    "SELECT COUNT(*) AS customers, MIN(model_id) AS model_id FROM mlops_mkt.rfm WHERE run_date = @run_date",
  );
  const checks = await query(
    "SELECT COUNT(*) AS checks, COUNTIF(failed_rows > 0 AND severity = 'error') AS failed FROM ops.checks WHERE run_date = @run_date AND run_id = @run_id",
  );
  const unknown = await query(
    `SELECT COUNT(*) AS customers FROM mlops_mkt.rfm WHERE run_date = @run_date AND model_id IS NOT NULL AND model_id NOT IN
     (SELECT model_id FROM rfm.models WHERE run_date <= @run_date AND is_champion AND sample = 'production')`,
  );
  const problems = [
    ...(Number(mart.customers) === 0 ? ["mlops_mkt.rfm has no rows of the run date"] : []),
    ...(Number(checks.checks) === 0 ? ["no assertion was checked"] : []),
    ...(Number(checks.failed) > 0 ? [`${checks.failed} assertions failed`] : []),
    ...(Number(unknown.customers) > 0 ? [`${unknown.customers} customers were scored by no champion`] : []),
  ];
  if (problems.length > 0) throw lie(problems.join(", "));
  return { customers: Number(mart.customers), modelId: mart.model_id as string | null };
}

async function checkHealth(invokerUrl: string, timeLimit: number): Promise<void> {
  const signal = AbortSignal.timeout(timeLimit);
  const answer = await fetch(`${invokerUrl}/healthcheck`, { signal }).then(
    ({ status }) => (status === 200 ? undefined : `it answered ${status}`),
    (error) => error.cause?.message ?? error.message,
  );
  if (answer !== undefined) throw new UserError(`The invoker is not well: ${answer}.`, { status: 503 });
}

const never = <T>(): Promise<T> => new Promise(() => {});

const interrupted = (signal: AbortSignal, done: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true, signal: done });
  });

async function finalEvent(events: AsyncIterable<Message>, runId: string): Promise<RunEvent> {
  // What is no event is asked for in the end.
  for await (const message of events) {
    const event = runEvent.safeParse(message.data).data;
    if (event?.run_id === runId) return event;
  }
  return await never();
}

async function refused(letters: AsyncIterable<Message>, runId: string): Promise<RunEvent> {
  for await (const { attributes } of letters) {
    if (attributes.run_id !== runId) continue;
    // Pub/Sub does not say why.
    const reason = attributes.reason ?? "its log tells why";
    throw new UserError(`The invoker did not take the request of run ${runId}: ${reason}`);
  }
  return await never();
}

async function foundByAsking(
  invokerUrl: string,
  request: RunRequest,
  pollInterval: number,
  signal: AbortSignal,
): Promise<RunEvent> {
  while (!signal.aborted) {
    await setTimeout(pollInterval, undefined, { signal }).catch(() => undefined);
    const state = signal.aborted ? undefined : await stateOf(invokerUrl, request.run_id, signal);
    if (state !== undefined && state.state !== "queued" && state.state !== "running") {
      // Its final event may be on its way.
      await setTimeout(pollInterval, undefined, { signal }).catch(() => undefined);
      const failed = state.steps.find(({ status }) => status !== "succeeded");
      return {
        run_id: request.run_id,
        run_date: request.run_date,
        status: state.state,
        failed_step: state.state === "succeeded" ? null : (failed?.step ?? null),
        reason: state.error,
        finished_at: new Date().toISOString(),
        steps: state.steps,
      };
    }
  }
  return await never();
}

async function stateOf(
  invokerUrl: string,
  runId: string,
  signal: AbortSignal,
): Promise<RunState | undefined> {
  try {
    const response = await fetch(`${invokerUrl}/runs/${runId}`, { signal });
    return response.ok ? runState.parse(await response.json()) : undefined;
  } catch {
    return undefined;
  }
}

async function tooLate(runId: string, timeLimit: number, signal: AbortSignal): Promise<RunEvent> {
  await setTimeout(timeLimit, undefined, { signal }).catch(() => undefined);
  if (signal.aborted) return await never();
  throw new UserError(`Run ${runId} gave no sign of its end within ${timeLimit / 1000} s.`, {
    status: 504,
    remedy: `Ask for its state: GET /runs/${runId}.`,
  });
}
