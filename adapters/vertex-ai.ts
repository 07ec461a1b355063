import { GoogleAuth } from "google-auth-library";
import { z } from "zod";
import type { ArtifactStore } from "../contracts/artifacts.ts";
import type { Launcher, RunState } from "../contracts/launcher.ts";
import { stepReport, stepReportUrl } from "../contracts/step.ts";
import { parse, UserError } from "../lib/user-error.ts";
import { withRetries } from "./retry.ts";

export interface VertexAiOptions {
  readonly project: string;
  readonly region: string;
  /** Whom the jobs run as: e-mail of a service account. */
  readonly serviceAccount: string;
  /** URL of the PipelineSpec, JSON. */
  readonly pipelineSpecUrl: string;
  /** URL of the folder where runs keep their files. */
  readonly artifactsUrl: string;
  readonly artifacts: ArtifactStore;
  /** How long an answer may take, milliseconds; then it is asked for again. @default 20000 */
  readonly timeout?: number;
  /** @default the regional endpoint of Vertex AI */
  readonly endpoint?: string;
  /** @default the account that this process runs as */
  readonly auth?: Pick<GoogleAuth, "request">;
}

/** The part of a PipelineJob that is read: cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs */
const pipelineJob = z.object({
  state: z.string().default("PIPELINE_STATE_UNSPECIFIED"),
  error: z.object({ message: z.string().default("") }).optional(),
  jobDetail: z
    .object({ taskDetails: z.array(z.object({ taskName: z.string().default("") })).default([]) })
    .prefault({}),
  runtimeConfig: z.object({ parameterValues: z.object({ run_date: z.string() }) }),
});

const STATES: Readonly<Record<string, RunState["state"]>> = {
  PIPELINE_STATE_SUCCEEDED: "succeeded",
  PIPELINE_STATE_FAILED: "failed",
  PIPELINE_STATE_CANCELLED: "cancelled",
};

/**
 * Runs the pipeline in Vertex AI Pipelines. A job's id is the run's, so that a run that is launched twice starts once.
 * It speaks REST, because the client of all of Vertex AI is a bundle of 57 MB, which Cloud Run would load at every start.
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
    // 409: a job of this id exists.
    const { status } = await this.#request("POST", `?pipelineJobId=${runId}`, [409], job);
    return status !== 409;
  }

  async state(runId: string): Promise<RunState | undefined> {
    const { status, data } = await this.#request("GET", `/${runId}`, [404]);
    if (status === 404) return undefined;
    const job = parse(pipelineJob, data, `What Vertex AI tells of ${runId}`);
    const state = STATES[job.state] ?? "running";
    const { artifacts, artifactsUrl } = this.#options;
    const texts = await Promise.all(
      job.jobDetail.taskDetails.map(({ taskName }) =>
        artifacts.read(stepReportUrl(artifactsUrl, runId, taskName)),
      ),
    );
    const steps = texts.flatMap((text) => (text === undefined ? [] : [stepReport.parse(JSON.parse(text))]));
    return {
      run_id: runId,
      run_date: job.runtimeConfig.parameterValues.run_date,
      state,
      error: job.error?.message || null,
      // A step that was killed last said that it was running.
      steps: steps.map((step) =>
        state !== "running" && step.status === "running" ? { ...step, status: "failed" } : step,
      ),
    };
  }

  async cancel(runId: string): Promise<void> {
    await this.#request("POST", `/${runId}:cancel`, [], {});
  }

  /**
   * An answer of 2xx, or one of those expected. The job's id makes it safe to ask again. The client's own retries share
   * one time limit, so that a late answer would end them all.
   */
  #request(method: "GET" | "POST", path: string, expected: readonly number[], data?: object) {
    return withRetries(() =>
      this.#auth.request<unknown>({
        url: this.#jobs + path,
        method,
        ...(data === undefined ? {} : { data }),
        timeout: this.#options.timeout ?? 20_000,
        validateStatus: (status) => (status >= 200 && status < 300) || expected.includes(status),
      }),
    );
  }
}
