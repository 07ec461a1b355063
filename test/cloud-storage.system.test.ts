import assert from "node:assert/strict";
import { Storage } from "@google-cloud/storage";
import { CloudStorageArtifacts } from "../adapters/cloud-storage.ts";
import { startCloudStorage } from "./emulators/cloud-storage.ts";
import { type FaultyServer, startFaultyServer } from "./fault-proxy.ts";

describe("Cloud Storage artifacts", () => {
  const url = "gs://artifacts/runs/clv-a/steps/train.json";
  let emulator: Awaited<ReturnType<typeof startCloudStorage>>;
  let faults: FaultyServer;
  let artifacts: CloudStorageArtifacts;

  before(async () => {
    emulator = await startCloudStorage();
    faults = await startFaultyServer(emulator.endpoint);
    const storage = new Storage({ projectId: "p", apiEndpoint: faults.endpoint });
    await storage.createBucket("artifacts");
    artifacts = new CloudStorageArtifacts(storage);
  });
  after(async () => {
    await faults?.close();
    await emulator?.close();
  });
  beforeEach(() => faults.reset());

  it("keep a text, and know when there is none", async () => {
    assert.equal(await artifacts.read("gs://artifacts/none.json"), undefined);
    await artifacts.write(url, '{"step": "train «ü»"}');
    await artifacts.write(url, '{"step": "score «ü»"}');
    assert.equal(await artifacts.read(url), '{"step": "score «ü»"}');
  });

  for (const fault of [429, 500, 503] as const)
    it(`survive ${fault}`, async () => {
      faults.fail(/^GET/, fault);
      assert.equal(await artifacts.read(url), '{"step": "score «ü»"}');
      faults.fail(/^POST/, fault);
      await artifacts.write(url, '{"step": "score «ü»"}');
    });

  it("tell what is refused, and a bucket that is not there from a file that is not", async () => {
    faults.fail(/^GET/, 403);
    await assert.rejects(artifacts.read(url), /injected 403/);
    await assert.rejects(artifacts.write("gs://nobodys/file.json", "{}"), /not.*found/i);
  });

  it("are files in buckets", async () => {
    await assert.rejects(artifacts.read("file:///etc/passwd"), /allowed is gs:\/\/bucket\/path/);
  });
});
