import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { Storage } from "@google-cloud/storage";
import { CloudStorageArtifacts } from "../adapters/cloud-storage.ts";
import { projectDir } from "../lib/project.ts";
import { startCloudStorage } from "./emulators/cloud-storage.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";

describe("Cloud Storage artifacts", () => {
  const url = "gs://artifacts/runs/clv-a/steps/train.json";
  let emulator: Awaited<ReturnType<typeof startCloudStorage>>;
  let faults: FaultProxy;
  let artifacts: CloudStorageArtifacts;

  before(async () => {
    emulator = await startCloudStorage();
    faults = await startFaultProxy(emulator.endpoint, "storage.googleapis.com");
    const storage = new Storage({ projectId: "p", apiEndpoint: faults.endpoint });
    await storage.createBucket("artifacts");
    artifacts = new CloudStorageArtifacts(storage);
  });
  after(async () => {
    await faults?.close();
    await emulator?.close();
  });
  beforeEach(() => faults.reset());
  afterEach(() => assert.deepEqual(faults.wrong, [], "Google's description of the API"));

  it("write and read text; a missing file is undefined", async () => {
    assert.equal(await artifacts.read("gs://artifacts/none.json"), undefined);
    await artifacts.write(url, '{"step": "train «ü»"}');
    await artifacts.write(url, '{"step": "score «ü»"}');
    assert.equal(await artifacts.read(url), '{"step": "score «ü»"}');
  });

  for (const fault of [429, 500, 503] as const)
    it(`retry after ${fault}`, async () => {
      faults.fail(/^GET/, fault);
      assert.equal(await artifacts.read(url), '{"step": "score «ü»"}');
      faults.fail(/^POST/, fault);
      await artifacts.write(url, '{"step": "score «ü»"}');
    });

  it("report refusals and missing buckets", async () => {
    faults.fail(/^GET/, 403);
    await assert.rejects(artifacts.read(url), /injected 403/);
    await assert.rejects(artifacts.write("gs://nobodys/file.json", "{}"), /not.*found/i);
  });

  it("refuse URLs other than gs://", async () => {
    await assert.rejects(artifacts.read("file:///etc/passwd"), /allowed is gs:\/\/bucket\/path/);
  });

  it("take the report, artifacts and outputs of a job, which uses no mounted bucket", async () => {
    const input = {
      inputs: { parameterValues: { step: "train", run_id: "run-1", run_date: "2024-01-01" } },
      outputs: {
        artifacts: { model: { artifacts: [{ uri: "gs://artifacts/runs/run-1/tasks/train/model" }] } },
        outputFile: "/gcs/artifacts/runs/run-1/tasks/train/executor_output.json",
      },
    };
    const job = `
      import { z } from "zod";
      import { runJob } from "./jobs/job.ts";
      await runJob(z.object({}), async (step) => {
        step.report.outputs.model_id = "m-1";
        await step.writeArtifact("model", "fitted");
      });`;
    const args = ["--input-type=module-typescript", "--eval", job, "--"];
    await promisify(execFile)(process.execPath, [...args, "--executor-input", JSON.stringify(input)], {
      cwd: projectDir,
      env: {
        STORAGE_ENDPOINT: faults.endpoint,
        WAREHOUSE_URL: "bigquery://p/EU",
        MESSENGER_URL: "pubsub://p",
        ARTIFACTS_URL: "gs://artifacts",
        TIME_LIMIT_SECONDS: "60",
      },
    });
    const read = (path: string) => artifacts.read(`gs://artifacts/runs/run-1/${path}`);
    assert.equal(await read("tasks/train/model"), "fitted");
    assert.equal(await read("tasks/train/executor_output.json"), '{"parameterValues":{"model_id":"m-1"}}');
    assert.equal(JSON.parse((await read("steps/train.json"))!).status, "succeeded");
    assert.ok(!existsSync("/gcs"));
  });
});
