import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { CRC32C, Storage } from "@google-cloud/storage";
import { CloudStorageArtifacts } from "./cloud-storage.ts";

/** The client compares it with what it sent or got. */
function checksum(contents: string): string {
  const sum = new CRC32C();
  sum.update(Buffer.from(contents));
  return sum.toString();
}

/** Through the real client, against the two calls of Cloud Storage's JSON interface that it makes. */
describe("Cloud Storage artifacts", () => {
  const objects = new Map<string, string>();
  let server: Server;
  let artifacts: CloudStorageArtifacts;

  before(async () => {
    server = createServer(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://storage");
      if (request.method === "POST") {
        // A multipart upload: the object's metadata, then its contents.
        const parts = (await text(request)).split(/\r?\n--/);
        const contents = parts[1]!.split(/\r?\n\r?\n/)[1]!;
        objects.set(searchParams.get("name")!, contents);
        const metadata = { crc32c: checksum(contents) };
        return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(metadata));
      }
      const contents = objects.get(decodeURIComponent(pathname.split("/o/")[1]!));
      if (contents === undefined) return response.writeHead(404).end("Not Found");
      const headers = { "x-goog-hash": `crc32c=${checksum(contents)}` };
      return response.writeHead(200, headers).end(contents);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const apiEndpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    artifacts = new CloudStorageArtifacts(new Storage({ projectId: "p", apiEndpoint }));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  it("keep a text, and know when there is none", async () => {
    const url = "gs://artifacts/runs/clv-a/steps/train.json";
    assert.equal(await artifacts.read(url), undefined);
    await artifacts.write(url, '{"step": "train"}');
    assert.equal(await artifacts.read(url), '{"step": "train"}');
    assert.deepEqual([...objects.keys()], ["runs/clv-a/steps/train.json"]);
  });

  it("are files in buckets", async () => {
    await assert.rejects(artifacts.read("file:///etc/passwd"), /allowed is gs:\/\/bucket\/path/);
  });
});
