import assert from "node:assert/strict";
import { Storage } from "@google-cloud/storage";
import { CloudStorageArtifacts } from "../adapters/cloud-storage.ts";
import { startCloudStorage } from "./emulators/cloud-storage.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";

describe("Cloud Storage artifacts", () => {
  const url = "gs://artifacts/runs/clv-a/steps/train.json";
  let emulator: Awaited<ReturnType<typeof startCloudStorage>>;
  let faults: FaultProxy;
  let artifacts: CloudStorageArtifacts;

  before(async () => {
    emulator = await startCloudStorage();
    faults = await startFaultProxy(emulator.endpoint);
    const storage = new Storage({ projectId: "p", apiEndpoint: faults.endpoint });
    await storage.createBucket("artifacts");
    artifacts = new CloudStorageArtifacts(storage);
  });
  after(async () => {
    await faults?.close();
    await emulator?.close();
  });
  beforeEach(() => faults.reset());

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
});
