import assert from "node:assert/strict";
import { GoogleAuth, OAuth2Client } from "google-auth-library";
import { VertexAiLauncher, type VertexAiOptions } from "../adapters/vertex-ai.ts";
import { stepStarted } from "../contracts/step.ts";
import { IMAGES, pipelineSpec } from "../jobs/pipeline.ts";
import { startVertexAi, type VertexAiEmulator } from "./emulators/vertex-ai.ts";
import { type FaultyServer, startFaultyServer } from "./fault-proxy.ts";

/** Against Google's own protobuf: a field that it lacks is refused. */
describe("Vertex AI launcher, by Google's protobuf", () => {
  const parent = "projects/p/locations/europe-west1/pipelineJobs";
  const files = new Map<string, string>();
  const spec = pipelineSpec({
    images: Object.fromEntries(IMAGES.map((image) => [image, `x/${image}@sha256:1`])) as Record<
      (typeof IMAGES)[number],
      string
    >,
    env: { WAREHOUSE_URL: "bigquery://p/EU" },
  });
  const parameters = { run_date: "2024-01-01", horizon_weeks: 39, annual_discount_rate: 0.1 };
  let vertex: VertexAiEmulator;
  let faults: FaultyServer;

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
    faults = await startFaultyServer(vertex.endpoint);
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

  it("makes a job, which is there with its pipeline and parameters", async () => {
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

  it("is refused a pipeline that is not Kubeflow's, and says why", async () => {
    files.set("gs://b/pipeline.json", JSON.stringify({ ...spec, steps: [] }));
    await assert.rejects(launcherOf().launch("clv-b", parameters), /no field named "steps"/);
    assert.equal(await launcherOf().state("clv-b"), undefined);
  });

  it("tells the states that a job can have", async () => {
    await launcherOf().launch("clv-states", parameters);
    for (const [told, state] of [
      ["PENDING", "running"],
      ["QUEUED", "running"],
      ["RUNNING", "running"],
      ["PAUSED", "running"],
      ["CANCELLING", "running"],
      ["SUCCEEDED", "succeeded"],
      ["CANCELLED", "cancelled"],
      ["FAILED", "failed"],
    ] as const) {
      await vertex.change(`${parent}/clv-states`, { state: `PIPELINE_STATE_${told}` });
      assert.equal((await launcherOf().state("clv-states"))?.state, state, told);
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

  it("cancels", async () => {
    await launcherOf().launch("clv-cancelled", parameters);
    await launcherOf().cancel("clv-cancelled");
    assert.equal((await launcherOf().state("clv-cancelled"))?.state, "cancelled");
  });

  for (const fault of [429, 500, 503, "refused", "lost", { late: 3000 }] as const) {
    const kind = typeof fault === "object" ? "late" : String(fault);
    it(`survives ${kind}: the job is made once, and told of`, async () => {
      const before = faults.asked.length;
      faults.fail(/^POST/, fault);
      // Where only the answer was lost the job is there already, which is as good.
      assert.equal(await launcherOf().launch(`clv-${kind}`, parameters), kind !== "lost" && kind !== "late");
      assert.equal(faults.asked.length - before, 2);
      faults.fail(/^GET/, fault);
      assert.equal((await launcherOf().state(`clv-${kind}`))?.state, "running");
    });
  }

  it("gives up when it stays so, with what was answered", async () => {
    faults.fail(/^POST/, ...Array(9).fill(503));
    await assert.rejects(launcherOf().launch("clv-never", parameters), /injected 503/);
  });
});
