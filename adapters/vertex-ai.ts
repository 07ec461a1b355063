import { GoogleAuth } from "google-auth-library";
import { z } from "zod";
import type { ArtifactStore } from "../contracts/artifacts.ts";
import type { Launcher, RunState } from "../contracts/launcher.ts";
import { readStepReports } from "../contracts/step.ts";
import { parse, UserError } from "../lib/user-error.ts";
import { withRetries } from "./retry.ts";

export interface VertexAiOptions {
  readonly project: string;
  readonly region: string;
  /** Service account that the jobs run as, an email address. */
  readonly serviceAccount: string;
  /** URL of the PipelineSpec, JSON. */
  readonly pipelineSpecUrl: string;
  /** URL of the folder with the files of runs. */
  readonly artifactsUrl: string;
  readonly artifacts: ArtifactStore;
  /** Milliseconds to wait for an answer before the request is sent again. @default 20000 */
  readonly timeout?: number;
  /** @default the regional endpoint of Vertex AI */
  readonly endpoint?: string;
  /** @default the account of this process */
  readonly auth?: Pick<GoogleAuth, "request">;
}

/** Milliseconds that a request may take before it is sent again. */
export const REQUEST_TIMEOUT = 20_000;

/** The fields of a PipelineJob that are read: cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs */
const pipelineJob = z.object({
  state: z.string().default("PIPELINE_STATE_UNSPECIFIED"),
  error: z.object({ message: z.string().default("") }).optional(),
  jobDetail: z
    .object({ taskDetails: z.array(z.object({ taskName: z.string().default("") })).default([]) })
    .prefault({}),
  runtimeConfig: z.object({ parameterValues: z.object({ run_date: z.string() }) }),
});

const refusal = z.object({
  error: z
    .object({ status: z.string().default(""), message: z.string().default("no reason given") })
    .prefault({}),
});

const STATES: Readonly<Record<string, RunState["state"]>> = {
  PIPELINE_STATE_SUCCEEDED: "succeeded",
  PIPELINE_STATE_FAILED: "failed",
  PIPELINE_STATE_CANCELLED: "cancelled",
};

/**
 * Runs the pipeline in Vertex AI Pipelines. The job has the id of the run, so a run that is launched twice starts once.
 * It uses REST: Vertex AI's client library has 57 MB, which Cloud Run would load at every start.
 */
export class VertexAiLauncher implements Launcher {
  readonly #options: VertexAiOptions;
  readonly #auth: Pick<GoogleAuth, "request">;
  readonly #jobs: string;

  constructor(options: VertexAiOptions) {
    const { project, region, endpoint = `https://${region}-aiplatform.googleapis.com` } = options;
    this.#options = options;
    this.#auth = options.auth ?? new GoogleAuth({ scopes: "https://www.googleapis.com/auth/cloud-platform" });
    this.#jobs = `${endpoint}/v1/projects/${project}/locations/${region}/pipelineJobs`;
  }

  async launch(runId: string, parameters: Readonly<Record<string, string | number>>): Promise<boolean> {
    const { serviceAccount, pipelineSpecUrl, artifactsUrl, artifacts } = this.#options;
    const spec = await artifacts.read(pipelineSpecUrl);
    if (spec === undefined)
      throw new UserError(`There is no pipeline at ${pipelineSpecUrl}.`, {
        status: 500,
        remedy: "Deploy the stack, which publishes it: pulumi up.",
      });
    const job = {
      displayName: runId,
      labels: { run_id: runId },
      serviceAccount,
      pipelineSpec: JSON.parse(spec),
      runtimeConfig: {
        gcsOutputDirectory: `${artifactsUrl}/runs/${runId}`,
        parameterValues: { run_id: runId, ...parameters },
      },
    };
    // 409: there is a job with this id. 400: among others, a project that never ran a job lacks Vertex AI's own accounts.
    const { status, data } = await this.#request("POST", `?pipelineJobId=${runId}`, [409, 400], job);
    if (status === 400) {
      const { error } = refusal.parse(data);
      if (error.status === "FAILED_PRECONDITION")
        throw new UserError(`Vertex AI is not ready: ${error.message}`, {
          status: 503,
          remedy: "In a new project this takes some minutes. Send the request again.",
        });
      throw new Error(`Vertex AI refused the pipeline: ${error.message}`);
    }
    return status !== 409;
  }

  async state(runId: string): Promise<RunState | undefined> {
    const { status, data } = await this.#request("GET", `/${runId}`, [404]);
    if (status === 404) return undefined;
    const job = parse(pipelineJob, data, `Vertex AI's answer about ${runId}`);
    const state = STATES[job.state] ?? "running";
    const { artifacts, artifactsUrl } = this.#options;
    const tasks = job.jobDetail.taskDetails.map(({ taskName }) => taskName);
    return {
      run_id: runId,
      run_date: job.runtimeConfig.parameterValues.run_date,
      state,
      error: job.error?.message || null,
      steps: await readStepReports(artifacts, artifactsUrl, runId, tasks, state !== "running"),
    };
  }

  /**
   * Returns an answer of 2xx or of an expected status. The job's id makes it safe to send a request again. The client's
   * own retries are not used: they share one time limit, so that a late answer would end them all.
   */
  #request(method: "GET" | "POST", path: string, expected: readonly number[], data?: object) {
    return withRetries(() =>
      this.#auth.request<unknown>({
        url: this.#jobs + path,
        method,
        ...(data === undefined ? {} : { data }),
        timeout: this.#options.timeout ?? REQUEST_TIMEOUT,
        validateStatus: (status) => (status >= 200 && status < 300) || expected.includes(status),
      }),
    );
  }
}
