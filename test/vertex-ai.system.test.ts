import assert from "node:assert/strict";
import { GoogleAuth, OAuth2Client } from "google-auth-library";
import { VertexAiLauncher, type VertexAiOptions } from "../adapters/vertex-ai.ts";
import { stepStarted } from "../contracts/step.ts";
import { IMAGES, pipelineSpec } from "../jobs/pipeline.ts";
import { startVertexAi, type VertexAiEmulator } from "./emulators/vertex-ai.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";

/** The emulator refuses fields that Google's protobuf does not have. */
describe("Vertex AI launcher with Google's protobuf", () => {
  const parent = "projects/p/locations/europe-west1/pipelineJobs";
  const files = new Map<string, string>();
  const spec = pipelineSpec({
    images: Object.fromEntries(
      [...IMAGES, "boosting"].map((image) => [image, `x/${image}@sha256:1`]),
    ) as Record<(typeof IMAGES)[number] | "boosting", string>,
    candidates: ["boosting"],
    customJobs: {
      project: "p",
      region: "europe-west1",
      serviceAccount: "candidates@p.iam.gserviceaccount.com",
    },
    env: { WAREHOUSE_URL: "bigquery://p/EU" },
  });
  const parameters = { run_date: "2024-01-01", horizon_weeks: 39, annual_discount_rate: 0.1 };
  let vertex: VertexAiEmulator;
  let faults: FaultProxy;

  const launcherOf = (options: Partial<VertexAiOptions> = {}): VertexAiLauncher => {
    const authClient = new OAuth2Client();
    authClient.setCredentials({ access_token: "made-up" });
    return new VertexAiLauncher({
      project: "p",
      region: "europe-west1",
      serviceAccount: "jobs@p.iam.gserviceaccount.com",
      pipelineSpecUrl: "gs://b/pipeline.json",
      artifactsUrl: "gs://b",
      artifacts: {
        read: async (url) => files.get(url),
        write: async (url, text) => void files.set(url, text),
      },
      endpoint: faults.endpoint,
      auth: new GoogleAuth({ authClient }),
      timeout: 1500,
      ...options,
    });
  };

  before(async () => {
    vertex = await startVertexAi();
    faults = await startFaultProxy(vertex.endpoint);
  });
  after(async () => {
    await faults?.close();
    await vertex?.close();
  });
  beforeEach(() => {
    files.clear();
    files.set("gs://b/pipeline.json", JSON.stringify(spec));
    faults.reset();
  });

  it("creates a job with the pipeline and the parameters", async () => {
    assert.equal(await launcherOf().launch("clv-a", parameters), true);
    assert.equal(await launcherOf().launch("clv-a", parameters), false);
    const answer = await fetch(`${vertex.endpoint}/v1/${parent}/clv-a`);
    const job = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual(job.pipelineSpec, spec);
    assert.deepEqual(job.runtimeConfig, {
      gcsOutputDirectory: "gs://b/runs/clv-a",
      parameterValues: { run_id: "clv-a", ...parameters },
    });
    assert.deepEqual(
      [job.serviceAccount, job.labels],
      ["jobs@p.iam.gserviceaccount.com", { run_id: "clv-a" }],
    );
  });

  it("reports why a pipeline that is not Kubeflow's is refused", async () => {
    files.set("gs://b/pipeline.json", JSON.stringify({ ...spec, steps: [] }));
    await assert.rejects(launcherOf().launch("clv-b", parameters), /no field named "steps"/);
    assert.equal(await launcherOf().state("clv-b"), undefined);
  });

  it("reports the state of a job", async () => {
    await launcherOf().launch("clv-states", parameters);
    for (const [jobState, state] of [
      ["PENDING", "running"],
      ["QUEUED", "running"],
      ["RUNNING", "running"],
      ["PAUSED", "running"],
      ["CANCELLING", "running"],
      ["SUCCEEDED", "succeeded"],
      ["CANCELLED", "cancelled"],
      ["FAILED", "failed"],
    ] as const) {
      await vertex.change(`${parent}/clv-states`, { state: `PIPELINE_STATE_${jobState}` });
      assert.equal((await launcherOf().state("clv-states"))?.state, state, jobState);
    }
    const report = stepStarted("train");
    files.set("gs://b/runs/clv-states/steps/train.json", JSON.stringify(report));
    await vertex.change(`${parent}/clv-states`, {
      error: { code: 9, message: "The replica exited with 1" },
      jobDetail: { taskDetails: [{ taskName: "train", state: "FAILED" }, { taskName: "score" }] },
    });
    const { error, steps } = (await launcherOf().state("clv-states"))!;
    assert.deepEqual([error, steps], ["The replica exited with 1", [{ ...report, status: "failed" }]]);
  });

  for (const fault of [429, 500, 503, "refused", "lost", { late: 3000 }] as const) {
    const kind = typeof fault === "object" ? "late" : String(fault);
    it(`retries after ${kind}: creates the job once and reads its state`, async () => {
      const before = faults.requests.length;
      faults.fail(/^POST/, fault);
      // If only the answer is lost or late, the job already exists at the second try.
      assert.equal(await launcherOf().launch(`clv-${kind}`, parameters), kind !== "lost" && kind !== "late");
      assert.equal(faults.requests.length - before, 2);
      faults.fail(/^GET/, fault);
      assert.equal((await launcherOf().state(`clv-${kind}`))?.state, "running");
    });
  }

  it("fails with the last answer when the fault persists", async () => {
    faults.fail(/^POST/, ...Array(9).fill(503));
    await assert.rejects(launcherOf().launch("clv-never", parameters), /injected 503/);
  });
});
