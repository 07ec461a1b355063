import { z } from "zod";
import type { Deployment } from "../../contracts/deployment.ts";
import { runState } from "../../contracts/launcher.ts";
import { type RunRequest, runRequest, runStatus } from "../../contracts/messages.ts";
import { poll, type WaitOptions } from "../../lib/poll.ts";
import { parse, UserError } from "../../lib/user-error.ts";
import type { CallGoogle } from "./orchestrator.ts";

/** Sends requests to the invoker, with an identity token. */
export type Fetch = typeof fetch;

/** @throws UserError that says what to do */
export async function checkHealth(
  { settings }: Deployment,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<string> {
  const url = settings.invoker_url;
  const { ok, status } = await fetch(`${url}/healthcheck`, { signal }).catch((error) => {
    throw new UserError(`${url} does not answer: ${error.cause?.message ?? error.message}`);
  });
  if (ok) return `${url} is healthy`;
  const remedy = [401, 403].includes(status)
    ? "Add your account to the setting invokerCallers, as user:YOU@EXAMPLE.COM, then run pulumi up."
    : "docs/troubleshooting.md explains its answers.";
  throw new UserError(`${url} answers ${status}.`, { remedy });
}

/** The request for a new run of the date, with the settings of the stack. */
export async function planRequest(
  { settings }: Deployment,
  run_date: string,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<RunRequest> {
  const run = Object.entries(settings.run).map(([name, value]) => [name, String(value)]);
  const query = new URLSearchParams({ retrain: "yes", ...Object.fromEntries(run), run_date, again: "yes" });
  const response = await fetch(`${settings.invoker_url}/plan?${query}`, { signal });
  if (!response.ok) throw new UserError(`GET /plan: ${response.status} ${await response.text()}`);
  return parse(z.object({ request: runRequest }), await response.json(), "The answer of GET /plan").request;
}

export const jobUrl = ({ settings: { project, region } }: Deployment, runId: string): string =>
  `https://${region}-aiplatform.googleapis.com/v1/projects/${project}/locations/${region}/pipelineJobs/${runId}`;

/** Cancels a run and waits for its end: until then it writes tables. */
export async function cancelRun(
  deployment: Deployment,
  runId: string,
  fetch: Fetch,
  call: CallGoogle,
  options: WaitOptions,
): Promise<string> {
  await call("POST", `${jobUrl(deployment, runId)}:cancel`, {});
  const status = await poll(async () => {
    const response = await fetch(`${deployment.settings.invoker_url}/runs/${runId}`);
    return runStatus.safeParse(runState.parse(await response.json()).state).data;
  }, options);
  if (status !== undefined) return `${runId} ${status}`;
  throw new UserError(`${runId} is still active after ${options.timeLimit / 1000} s.`);
}
