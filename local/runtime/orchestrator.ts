import { readFileSync } from "node:fs";
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
  runStatus,
} from "../../contracts/messages.ts";
import { type Parameters, QueryError, type Warehouse } from "../../contracts/warehouse.ts";
import { UserError } from "../../lib/user-error.ts";

/** The Airflow DAG confirms its runs with the same query. */
const CONFIRMATION = new URL("../../composer/dags/customer_value.confirmation.sql", import.meta.url);
const TABLES: Record<string, string> = { mart: "mlops_mkt.rfm", checks: "ops.checks", models: "rfm.models" };

export interface OrchestratorOptions {
  readonly messenger: Messenger;
  readonly invokerUrl: string;
  /** Longest time from request to final event, milliseconds. */
  readonly timeLimit: number;
  /** How often to ask the invoker for the run's state, in case the final event is lost, milliseconds. */
  readonly pollInterval: number;
  readonly signal: AbortSignal;
  /** Sends requests to the invoker. @default without a token */
  readonly fetch?: typeof fetch;
  /** Receives each state of the run that the invoker reports. */
  readonly onState?: (state: RunState) => void;
  /** The final event did not arrive: the one that is returned is made from the run's state. */
  readonly onLostEvent?: () => void;
}

/**
 * Checks that the invoker is healthy, requests the run and returns its final event.
 * @throws UserError when the invoker is not healthy, the request becomes a dead letter, or the time limit passes.
 */
export async function requestRun(request: RunRequest, options: OrchestratorOptions): Promise<RunEvent> {
  const { messenger, timeLimit } = options;
  const { run_id } = request;
  const done = new AbortController();
  const signal = AbortSignal.any([options.signal, done.signal]);
  try {
    // A machine that is busy can take long for an answer.
    const timeout = AbortSignal.timeout(Math.min(timeLimit, 60_000));
    await checkHealth(options, AbortSignal.any([signal, timeout]));
    // The subscriptions come first: no event can be missed.
    const [events, deadLetters] = await Promise.all(
      [EVENTS, `${REQUESTS}-dead-letter`].map((topic) => messenger.subscribe(topic, { run_id }, signal)),
    );
    return await Promise.race([
      finalEvent(events!, run_id),
      refusal(deadLetters!, run_id),
      endByState(options, request, signal),
      overTime(run_id, timeLimit, signal),
      messenger.publish(REQUESTS, request, { run_id }).then(never),
    ]);
  } catch (error) {
    options.signal.throwIfAborted();
    throw error;
  } finally {
    done.abort();
  }
}

/** What the tables say of a run. */
export interface Confirmation {
  readonly customers: number;
  readonly modelId: string | null;
}

/**
 * Checks the tables of a run that reports success: the mart has rows of the run date, assertions were checked and
 * passed, and a champion scored.
 * @throws UserError that names every problem.
 */
export async function confirmRun(event: RunEvent, warehouse: Warehouse): Promise<Confirmation> {
  const confirmationError = (problems: string): UserError =>
    new UserError(`Run ${event.run_id} reports success, but its tables do not. ${problems}`, { status: 500 });
  const sql = readFileSync(CONFIRMATION, "utf8").replace(/\$\{(\w+)\}/g, (_, name) => TABLES[name]!);
  const parameters: Parameters = {
    run_id: { type: "STRING", value: event.run_id },
    run_date: { type: "DATE", value: event.run_date },
  };
  const [row = {}] = await warehouse.query(sql, parameters).catch((error) => {
    throw error instanceof QueryError ? confirmationError(error.message) : error;
  });
  if (row.problems !== null) throw confirmationError(String(row.problems).trimEnd());
  return { customers: Number(row.customers), modelId: row.model_id as string | null };
}

async function checkHealth(
  { invokerUrl, fetch = globalThis.fetch }: OrchestratorOptions,
  signal: AbortSignal,
): Promise<void> {
  const problem = await fetch(`${invokerUrl}/healthcheck`, { signal }).then(
    ({ status }) => (status === 200 ? undefined : `it answers ${status}`),
    (error) => error.cause?.message ?? error.message,
  );
  if (problem !== undefined)
    throw new UserError(`The invoker at ${invokerUrl} is not healthy: ${problem}.`, { status: 503 });
}

const never = (): Promise<never> => new Promise(() => {});

async function finalEvent(events: AsyncIterable<Message>, runId: string): Promise<RunEvent> {
  for await (const message of events) {
    const event = runEvent.safeParse(message.data).data;
    if (event?.run_id === runId) return event;
  }
  return await never();
}

async function refusal(deadLetters: AsyncIterable<Message>, runId: string): Promise<never> {
  for await (const { attributes } of deadLetters) {
    if (attributes.run_id !== runId) continue;
    // Pub/Sub gives no reason.
    const reason = attributes.reason ?? "the invoker's log says why";
    throw new UserError(`The invoker refused the request of run ${runId}: ${reason}`);
  }
  return await never();
}

/** The final event as the invoker knows it, for the case that Messenger loses the real one. */
async function endByState(
  { invokerUrl, pollInterval, fetch = globalThis.fetch, onState, onLostEvent }: OrchestratorOptions,
  { run_id, run_date }: RunRequest,
  signal: AbortSignal,
): Promise<RunEvent> {
  const pause = () => setTimeout(pollInterval, undefined, { signal });
  for (;;) {
    await pause();
    // An answer that never comes must not end the polling.
    const timeout = AbortSignal.timeout(10 * pollInterval);
    const state = await fetch(`${invokerUrl}/runs/${run_id}`, { signal: AbortSignal.any([signal, timeout]) })
      .then(async (response) => (response.ok ? runState.parse(await response.json()) : undefined))
      .catch(() => undefined);
    if (state !== undefined) onState?.(state);
    const status = runStatus.safeParse(state?.state).data;
    if (state === undefined || status === undefined) continue;
    // The real event may still arrive.
    await pause();
    onLostEvent?.();
    const { error: reason, steps } = state;
    const failed = status === "succeeded" ? undefined : steps.find((step) => step.status === "failed");
    const finished_at = new Date().toISOString();
    return { run_id, run_date, status, failed_step: failed?.step ?? null, reason, finished_at, steps };
  }
}

async function overTime(runId: string, timeLimit: number, signal: AbortSignal): Promise<never> {
  await setTimeout(timeLimit, undefined, { signal });
  throw new UserError(`Run ${runId} did not end within ${timeLimit / 1000} s.`, {
    status: 504,
    remedy: `Check its state: GET /runs/${runId}.`,
  });
}
