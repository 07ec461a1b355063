import { z } from "zod";
import type { Deployment } from "../../contracts/deployment.ts";
import { poll, type WaitOptions } from "../../lib/poll.ts";
import { parse, UserError } from "../../lib/user-error.ts";

/** Calls a REST API with the login of this machine. Returns the JSON; throws if the status is not 2xx. */
export type CallGoogle = (method: "GET" | "POST", url: string, body?: object) => Promise<unknown>;

/** The fields that are read. A DAG run writes its state in small letters. */
const execution = z.object({ state: z.string(), error: z.object({ payload: z.string() }).optional() });

/**
 * Starts the Orchestrator for a run date and waits until it has confirmed the tables. If the last run of the date has
 * succeeded, it confirms that one.
 * @throws UserError if it fails or the time limit passes
 */
export async function runOrchestrator(
  deployment: Deployment,
  runDate: string,
  call: CallGoogle,
  options: WaitOptions,
): Promise<string> {
  const start = deployment.orchestrator.kind === "workflows" ? startWorkflow : startDag;
  const url = await start(deployment, runDate, call);
  const ended = await poll(async () => {
    const { state, error } = parse(execution, await call("GET", url), `The answer of ${url}`);
    return /^(active|queued|running)$/i.test(state) ? undefined : { state, error };
  }, options);
  if (ended === undefined) throw new UserError(`${url} did not end within ${options.timeLimit / 1000} s.`);
  if (/^succe(ss|eded)$/i.test(ended.state)) return `it confirmed the tables of ${runDate}: ${url}`;
  throw new UserError(`${url} ended as ${ended.state}. ${ended.error?.payload ?? "Its log says why."}`);
}

/** Returns the URL of the execution. */
async function startWorkflow(
  { settings: { project, region }, orchestrator }: Deployment,
  run_date: string,
  call: CallGoogle,
): Promise<string> {
  const api = "https://workflowexecutions.googleapis.com/v1";
  const executions = `${api}/projects/${project}/locations/${region}/workflows/${orchestrator.name}/executions`;
  const started = await call("POST", executions, { argument: JSON.stringify({ run_date }) });
  return `${api}/${parse(z.object({ name: z.string() }), started, "The answer of Workflows").name}`;
}

const environment = z.object({
  config: z.object({ airflowUri: z.url(), softwareConfig: z.object({ imageVersion: z.string() }) }),
});

/** Returns the URL of the DAG run: cloud.google.com/composer/docs/composer-3/access-airflow-api */
async function startDag(
  { settings: { project, region, dag_id }, orchestrator }: Deployment,
  run_date: string,
  call: CallGoogle,
): Promise<string> {
  const name = `projects/${project}/locations/${region}/environments/${orchestrator.name}`;
  const found = await call("GET", `https://composer.googleapis.com/v1/${name}`);
  const { airflowUri, softwareConfig } = parse(environment, found, `The environment ${name}`).config;
  // Airflow 2 has the first version of the API; the second one requires logical_date.
  const [version, more] = softwareConfig.imageVersion.includes("airflow-2")
    ? ["v1", {}]
    : ["v2", { logical_date: null }];
  const runs = `${airflowUri}/api/${version}/dags/${dag_id}/dagRuns`;
  const dag_run_id = `smoke-${run_date}-${Date.now()}`;
  await call("POST", runs, { dag_run_id, conf: { run_date }, ...more });
  return `${runs}/${dag_run_id}`;
}
