import { PubSub } from "@google-cloud/pubsub";
import { z } from "zod";
import { PubSubMessenger } from "../../adapters/pubsub.ts";
import { openWarehouse } from "../../adapters/warehouse.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import { runState } from "../../contracts/launcher.ts";
import { EVENTS, REQUESTS, type RunRequest, runRequest, runStatus } from "../../contracts/messages.ts";
import { parse, UserError } from "../../lib/user-error.ts";
import { requestRun } from "../runtime/orchestrator.ts";
import { type Check, NotProved, type Result, runChecks } from "./checks.ts";
import { type CloudTable, compareMarts, NOT_COMPARED, TOLERANCE } from "./comparison.ts";
import { startDrill } from "./drill.ts";
import { type CallGoogle, poll, runOrchestrator } from "./orchestrator.ts";
import { countOrders, loadSample, ordersTable, removeOrders, removeSample } from "./orders.ts";
import { hasSignal, signalCommand } from "./signals.ts";

export interface SmokeOptions {
  /** Name of the stack. */
  readonly stack: string;
  readonly deployment: Deployment;
  /** The tables that have a partition for each run date. */
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
  /** Sends requests to the invoker, with an identity token. */
  readonly fetch: typeof fetch;
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
  const { project, region, invoker_url } = settings;
  const { pollInterval } = limits;
  const since = new Date();
  const pubsub = new PubSub({ projectId: project });
  const topics = { [REQUESTS]: settings.requests_topic, [EVENTS]: settings.events_topic };
  const roles = new URLSearchParams({ ...topics, [`${REQUESTS}-dead-letter`]: deadLetters.topic });
  const messenger = new PubSubMessenger(`pubsub://${project}?${roles}`, pubsub);
  const warehouse = await openWarehouse(warehouseUrl);
  const ordersPath = ordersTable(deployment);
  const signals = Object.entries(deployment.signals).filter(
    ([, filter]) => options.drill || !filter.includes(deadLetters.subscription),
  );
  /** What to do at the end, the last first. */
  const cleanups: Check[] = [];
  let orders = 0;
  let runDate = "";
  let request!: RunRequest;

  async function checkHealth(): Promise<string> {
    const { ok, status } = await fetch(`${invoker_url}/healthcheck`, { signal });
    if (ok) return `${invoker_url} is healthy`;
    const remedy = [401, 403].includes(status)
      ? "Add your account to the setting invokerCallers, as user:YOU@EXAMPLE.COM, then run pulumi up."
      : "docs/troubleshooting.md explains its answers.";
    throw new UserError(`${invoker_url} answers ${status}.`, { remedy });
  }

  async function findOrders(): Promise<string> {
    const found = await countOrders(warehouse, deployment);
    orders = found.orders;
    runDate = options.runDate ?? found.next ?? sample.runDate;
    if (orders > 0) return `${ordersPath} has ${orders} orders; the run date is ${runDate}`;
    runDate = sample.runDate;
    cleanups.push({
      name: "remove the sample",
      command: bq(removeOrders(deployment)),
      run: async () => {
        await removeSample(warehouse, deployment, tables, runDate);
        return `the orders of the sample and all rows of ${runDate} are deleted`;
      },
    });
    await loadSample(warehouseUrl, deployment, sample.file, folder);
    ({ orders } = await countOrders(warehouse, deployment));
    return `${ordersPath} was empty. It has the ${orders} orders of the CDNOW sample until the end; the run date is ${runDate}`;
  }

  async function drill(): Promise<string> {
    const { runId, arrival, close } = await startDrill(pubsub, messenger, deadLetters.subscription, signal);
    cleanups.push({
      name: "acknowledge the dead letter",
      command: `gcloud pubsub subscriptions pull ${deadLetters.subscription} --project ${project} --limit 10   # acknowledge ${runId}`,
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
    const run = Object.entries(settings.run).map(([name, value]) => [name, String(value)]);
    const query = new URLSearchParams({ ...Object.fromEntries(run), run_date: runDate, again: "yes" });
    const response = await fetch(`${invoker_url}/plan?${query}`, { signal });
    if (!response.ok) throw new UserError(`GET /plan: ${response.status} ${await response.text()}`);
    const plan = parse(z.object({ request: runRequest }), await response.json(), "The answer of GET /plan");
    request = plan.request;
    const { run_id } = request;
    let last = "";
    const onState = ({ state, steps }: z.output<typeof runState>): void => {
      const text = [`run ${run_id} ${state}`, ...steps.map(({ step, status }) => `${step} ${status}`)].join(
        ", ",
      );
      if (text !== last) options.onProgress(text);
      last = text;
    };
    const waiting = { messenger, invokerUrl: invoker_url, timeLimit: limits.run, pollInterval, signal };
    const event = await requestRun(request, { ...waiting, fetch, onState }).catch((error) => {
      const command = `curl -X POST -H "Authorization: Bearer $(gcloud auth print-access-token)" ${jobUrl(run_id)}:cancel`;
      cleanups.push({ name: "cancel the run", command, run: () => cancel(run_id) });
      throw error;
    });
    if (event.status === "succeeded") return `${run_id} succeeded`;
    throw new UserError(`${run_id} ${event.status} in step ${event.failed_step}: ${event.reason}`);
  }

  /** Waits for the end: a run that is still active writes tables. */
  async function cancel(runId: string): Promise<string> {
    await call("POST", `${jobUrl(runId)}:cancel`, {});
    const status = await poll(
      async () => {
        const { state } = runState.parse(await (await fetch(`${invoker_url}/runs/${runId}`)).json());
        return runStatus.safeParse(state).data;
      },
      { timeLimit: limits.cancel, pollInterval },
    );
    if (status === undefined)
      throw new UserError(`${runId} is still active after ${limits.cancel / 1000} s.`);
    return `${runId} ${status}`;
  }

  async function compare(): Promise<string> {
    if (orders > MOST_ORDERS)
      throw new NotProved(`${orders} orders: only up to ${MOST_ORDERS} are compared on this machine.`);
    const isMart = (table: CloudTable) =>
      settings.tables.mart.startsWith(`${table.project}.${table.dataset}.`);
    const models = tables.find(
      ({ dataset, name }) => `${project}.${dataset}.${name}` === settings.tables.models,
    )!;
    const marts = tables.filter(isMart);
    const differences = await compareMarts({
      warehouse,
      orders: ordersPath,
      models,
      marts,
      request,
      folder,
      signal,
    });
    const wrong = differences.filter(({ added, removed, changed }) => added + removed + changed > 0);
    const rows = differences.map(({ table, after }) => `${table} ${after}`).join(", ");
    if (wrong.length === 0)
      return `the rows are those of the local edition (${rows}); floats to ${TOLERANCE}, without ${NOT_COMPARED}`;
    const now = (await countOrders(warehouse, deployment)).orders;
    const lines = wrong.map(({ table, added, removed, changed, columns }) => {
      const examples = columns.flatMap(({ column, examples }) =>
        examples
          .slice(0, 1)
          .map(({ key, before, after }) => `; ${column} of ${key}: ${after} instead of ${before}`),
      );
      return `${table}: ${changed} rows differ from the local edition, ${removed} are missing, ${added} are too many${examples.join("")}`;
    });
    if (now !== orders)
      lines.push(`Meanwhile the number of orders changed from ${orders} to ${now}: run the command again.`);
    throw new UserError(lines.join("\n"));
  }

  async function askSignals(): Promise<string> {
    const missing = new Map(signals);
    await poll(
      async () => {
        for (const [name, filter] of missing)
          if (await hasSignal(call, project, filter, since)) missing.delete(name);
        return missing.size === 0 ? true : undefined;
      },
      { timeLimit: limits.signals, pollInterval, signal },
    );
    if (missing.size === 0) return signals.map(([name]) => name).join(", ");
    throw new NotProved(`not yet: ${[...missing.keys()].join(", ")}. Metrics can be late: ask again.`);
  }

  const jobUrl = (runId: string): string =>
    `https://${region}-aiplatform.googleapis.com/v1/projects/${project}/locations/${region}/pipelineJobs/${runId}`;
  const bq = (sql: string): string =>
    `bq query --project_id ${project} --location ${settings.warehouse_location} --use_legacy_sql=false '${sql}'`;
  const token = '-H "Authorization: Bearer $(gcloud auth print-identity-token)"';
  const again = `npm run smoke -- --stack ${stack}`;
  const start =
    orchestrator.kind === "workflows"
      ? `gcloud workflows run ${orchestrator.name} --location ${region} --project ${project} --data '{"run_date": "DATE"}'`
      : `gcloud composer environments run ${orchestrator.name} --location ${region} --project ${project} dags trigger -- ${settings.dag_id} --conf '{"run_date": "DATE"}'`;
  const checks: Check[] = [
    { name: "health", command: `curl ${token} ${invoker_url}/healthcheck`, run: checkHealth },
    { name: "orders", command: bq(`SELECT COUNT(*) FROM ${ordersPath}`), run: findOrders },
    ...(options.drill
      ? [
          {
            name: "dead letter",
            needs: ["health"],
            command: `gcloud pubsub topics publish ${settings.requests_topic} --project ${project} --message '{"run_id": "fire-drill", "run_date": "2999-01-01"}'`,
            run: drill,
          },
        ]
      : []),
    {
      name: "run",
      needs: ["health", "orders"],
      command: `curl ${token} "${invoker_url}/invoke?run_date=DATE"`,
      run: runPipeline,
    },
    { name: "marts", needs: ["run"], command: again, run: compare },
    {
      name: "orchestrator",
      needs: ["run"],
      command: start,
      run: () => runOrchestrator(deployment, runDate, call, { timeLimit: limits.run, pollInterval, signal }),
    },
    {
      name: "signals of the alerts",
      needs: ["health"],
      after: options.drill ? ["run", "dead letter"] : ["run"],
      command: signals.map(([, filter]) => signalCommand(project, filter, since)).join("\n"),
      run: askSignals,
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
