import { PubSub } from "@google-cloud/pubsub";
import { PubSubMessenger } from "../../adapters/pubsub.ts";
import { openWarehouse } from "../../adapters/warehouse.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import type { RunState } from "../../contracts/launcher.ts";
import { EVENTS, REQUESTS, type RunRequest } from "../../contracts/messages.ts";
import { today } from "../../contracts/run.ts";
import { UserError } from "../../lib/user-error.ts";
import { requestRun } from "../runtime/orchestrator.ts";
import { type Check, NotProved, type Result, runChecks } from "./checks.ts";
import { type CloudTable, compareMarts, describeComparison } from "./comparison.ts";
import { startDrill } from "./drill.ts";
import { type CallGoogle, runOrchestrator } from "./orchestrator.ts";
import {
  ANY_ORDER,
  checkOwner,
  countOrders,
  loadSample,
  ordersTable,
  removeOrders,
  removeSample,
} from "./orders.ts";
import { cancelRun, checkHealth, type Fetch, jobUrl, planRequest } from "./run.ts";
import { signalCommand, waitForSignals } from "./signals.ts";

export interface SmokeOptions {
  /** Name of the stack. */
  readonly stack: string;
  readonly deployment: Deployment;
  /** The tables of the deployment. */
  readonly tables: readonly CloudTable[];
  /** What to load if there are no orders: the CDNOW log, and its run date. */
  readonly sample: { readonly file: string; readonly runDate: string };
  /** @default the day after the last order */
  readonly runDate?: string | undefined;
  /** Whether to send the request that becomes a dead letter, which takes an hour. */
  readonly drill: boolean;
  /** An empty folder. */
  readonly folder: string;
  /** bigquery://project/location?maximum_bytes_billed=N */
  readonly warehouseUrl: string;
  readonly fetch: Fetch;
  readonly call: CallGoogle;
  /** Milliseconds. */
  readonly limits: Readonly<Record<"run" | "drill" | "signals" | "cancel" | "pollInterval", number>>;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  readonly onResult: (result: Result) => void;
}

/** A comparison of more orders takes this machine too long. */
const MOST_ORDERS = 5_000_000;

/**
 * Proves a deployment: runs the pipeline and checks what each part of it did. Then removes what it created, also after
 * a failure and when the signal aborts.
 */
export async function smoke(options: SmokeOptions): Promise<readonly Result[]> {
  const { deployment, stack, tables, sample, folder, warehouseUrl, fetch, call, limits, signal } = options;
  const { settings, deadLetters, orchestrator } = deployment;
  const { project, region } = settings;
  const { pollInterval } = limits;
  const waiting = { timeLimit: limits.run, pollInterval, signal };
  const since = new Date();
  const pubsub = new PubSub({ projectId: project });
  const topics = { [REQUESTS]: settings.requests_topic, [EVENTS]: settings.events_topic };
  const roles = new URLSearchParams({ ...topics, [`${REQUESTS}-dead-letter`]: deadLetters.topic });
  const messenger = new PubSubMessenger(`pubsub://${project}?${roles}`, pubsub);
  const warehouse = await openWarehouse(warehouseUrl);
  const ordersPath = ordersTable(deployment);
  const expected = Object.entries(deployment.signals).filter(
    ([, filter]) => options.drill || !filter.includes(deadLetters.subscription),
  );
  const signals = Object.fromEntries(expected);
  /** What the end of the smoke test removes, in reverse order. */
  const cleanups: Check[] = [];
  let orders = 0;
  let runDate = options.runDate ?? "DATE";
  let request!: RunRequest;

  async function findOrders(): Promise<string> {
    const found = await countOrders(warehouse, deployment);
    orders = found.orders;
    runDate = options.runDate ?? found.next ?? today();
    if (orders > 0) return `${ordersPath} has ${orders} orders; the run date is ${runDate}`;
    checkOwner(deployment);
    runDate = sample.runDate;
    let isLoaded = false;
    cleanups.push({
      name: "remove the sample",
      command: bq(removeOrders(deployment)),
      run: async () => {
        await removeSample(warehouse, deployment, isLoaded ? tables : [], runDate);
        return `the orders of the sample are deleted${isLoaded ? `, all rows of ${runDate} and the orders that its run checked` : ""}`;
      },
    });
    await loadSample(warehouseUrl, deployment, sample.file, folder);
    isLoaded = true;
    ({ orders } = await countOrders(warehouse, deployment));
    return `${ordersPath} was empty. It has the ${orders} orders of the CDNOW sample until the end; the run date is ${runDate}`;
  }

  async function drill(): Promise<string> {
    if (!options.drill) throw new NotProved("no request was sent: --no-drill");
    const { runId, arrival, close } = await startDrill(pubsub, messenger, deadLetters.subscription, signal);
    cleanups.push({
      name: "acknowledge the dead letter",
      command: `gcloud pubsub subscriptions pull ${deadLetters.subscription} ${inProject} --limit 10   # acknowledge ${runId}`,
      run: async () => {
        if (await close()) return runId;
        throw new NotProved(`${runId} can still arrive, within about an hour. Acknowledge it then.`);
      },
    });
    options.onProgress(`dead letter: waiting for ${runId}`);
    await arrival(limits.drill);
    return `${runId}, which the invoker refuses, arrived in ${deadLetters.subscription}`;
  }

  async function runPipeline(): Promise<string> {
    request = await planRequest(deployment, runDate, fetch, signal);
    const { run_id } = request;
    let last = "";
    const onState = ({ state, steps }: RunState): void => {
      const text = [`run ${run_id} ${state}`, ...steps.map(({ step, status }) => `${step} ${status}`)].join(
        ", ",
      );
      if (text !== last) options.onProgress(text);
      last = text;
    };
    let isLost = false;
    const onLostEvent = (): void => {
      isLost = true;
    };
    const invoker = { invokerUrl: settings.invoker_url, fetch, onState, onLostEvent };
    const event = await requestRun(request, { messenger, ...invoker, ...waiting }).catch((error) => {
      cleanups.push({
        name: "cancel the run",
        command: `curl -X POST ${token("access")} ${jobUrl(deployment, run_id)}:cancel`,
        run: () => cancelRun(deployment, run_id, fetch, call, { timeLimit: limits.cancel, pollInterval }),
      });
      throw error;
    });
    if (event.status !== "succeeded")
      throw new UserError(`${run_id} ${event.status} in step ${event.failed_step}: ${event.reason}`);
    if (!isLost) return `${run_id} succeeded, and its final event arrived`;
    throw new UserError(`${run_id} succeeded, but its final event did not arrive.`, {
      remedy: `Look at the log of the step notify, and at the topic ${settings.events_topic}.`,
    });
  }

  async function compare(): Promise<string> {
    if (orders > MOST_ORDERS)
      throw new NotProved(`${orders} orders: only up to ${MOST_ORDERS} are compared on this machine.`);
    const { mart, models } = settings.tables;
    const tablesLike = (start: string) =>
      tables.filter(({ project, dataset, name }) => `${project}.${dataset}.${name}`.startsWith(start));
    const [[table], marts] = [tablesLike(models), tablesLike(mart.replace(/[^.]+$/, ""))];
    const cloud = { warehouse, orders: ordersPath, models: table!, marts };
    return describeComparison(await compareMarts({ ...cloud, request, folder, signal }));
  }

  const inProject = `--project ${project}`;
  const token = (kind: "identity" | "access"): string =>
    `-H "Authorization: Bearer $(gcloud auth print-${kind}-token)"`;
  const bq = (sql: string): string =>
    `bq query --project_id ${project} --location ${settings.warehouse_location} --use_legacy_sql=false '${sql}'`;
  const start = (argument: string): string =>
    orchestrator.kind === "workflows"
      ? `gcloud workflows run ${orchestrator.name} --location ${region} ${inProject} --data '${argument}'`
      : `gcloud composer environments run ${orchestrator.name} --location ${region} ${inProject} dags trigger -- ${settings.dag_id} --conf '${argument}'`;
  const checks: Check[] = [
    {
      name: "health",
      command: `curl ${token("identity")} ${settings.invoker_url}/healthcheck`,
      run: () => checkHealth(deployment, fetch, signal),
    },
    { name: "orders", command: bq(`SELECT COUNT(*) FROM ${ordersPath} WHERE ${ANY_ORDER}`), run: findOrders },
    {
      name: "dead letter",
      needs: ["health"],
      command: `gcloud pubsub topics publish ${settings.requests_topic} ${inProject} --message '{"run_id": "fire-drill", "run_date": "2999-01-01"}'`,
      run: drill,
    },
    {
      name: "run",
      needs: ["health", "orders"],
      get command() {
        return `curl ${token("identity")} "${settings.invoker_url}/invoke?run_date=${runDate}"`;
      },
      run: runPipeline,
    },
    {
      name: "marts",
      needs: ["run"],
      get command() {
        return `npm run smoke -- --stack ${stack} --run-date ${runDate} --no-drill`;
      },
      run: compare,
    },
    {
      name: "orchestrator",
      needs: ["run"],
      get command() {
        return start(JSON.stringify({ run_date: runDate }));
      },
      run: () => runOrchestrator(deployment, runDate, call, waiting),
    },
    {
      name: "signals of the alerts",
      needs: ["health"],
      after: ["run", "dead letter"],
      command: Object.values(signals)
        .map((filter) => signalCommand(project, filter, since))
        .join("\n"),
      run: () => waitForSignals(call, project, signals, since, { ...waiting, timeLimit: limits.signals }),
    },
  ];
  const results = await runChecks(checks, signal, options.onResult);
  const last = cleanups.toReversed();
  const ordered = last.map((cleanup, index) => ({
    ...cleanup,
    after: last.slice(0, index).map(({ name }) => name),
  }));
  const cleaned = await runChecks(ordered, new AbortController().signal, options.onResult);
  await messenger.close();
  return [...results, ...cleaned];
}
