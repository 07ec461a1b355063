import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Storage } from "@google-cloud/storage";
import { CloudStorageArtifacts } from "./cloud-storage.ts";

describe("Cloud Storage artifacts", () => {
  const files = new Map<string, string>();
  let failures: { code: number }[];
  let calls: number;
  const answer = () => {
    calls += 1;
    const failure = failures.shift();
    if (failure !== undefined) throw Object.assign(new Error(`answered ${failure.code}`), failure);
  };
  const storage = {
    bucket: (bucket: string) => {
      interface File {
        readonly name: string;
        download(): Promise<[Buffer]>;
      }
      const getFiles = async ({ prefix }: { prefix: string }): Promise<[File[]]> => {
        answer();
        const names = [...files.keys()].filter((key) => key.startsWith(`${bucket} ${prefix}`));
        return [names.map((key) => file(key.slice(bucket.length + 1)))];
      };
      const file = (name: string) => ({
        name,
        bucket: { getFiles },
        download: async (): Promise<[Buffer]> => {
          answer();
          const text = files.get(`${bucket} ${name}`);
          if (text === undefined) throw Object.assign(new Error("No such object"), { code: 404 });
          return [Buffer.from(text)];
        },
        save: async (text: string, options: object) => {
          answer();
          assert.deepEqual(options, { resumable: false });
          files.set(`${bucket} ${name}`, text);
        },
      });
      return { file };
    },
  };
  const artifacts = new CloudStorageArtifacts(storage as unknown as Storage);
  beforeEach(() => {
    files.clear();
    failures = [];
    calls = 0;
  });

  it("are written to and read from the bucket and the path of the URL", async () => {
    await artifacts.write("gs://my-bucket/runs/a b.json", "ä");
    assert.deepEqual([...files], [["my-bucket runs/a b.json", "ä"]]);
    assert.equal(await artifacts.read("gs://my-bucket/runs/a b.json"), "ä");
  });

  it("of a folder are those below it with the suffix", async () => {
    for (const path of ["a/1.bin", "a/2.bin", "a/3.txt", "ab/4.bin"])
      await artifacts.write(`gs://b/${path}`, path);
    failures = [{ code: 503 }];
    assert.deepEqual((await artifacts.readFolder("gs://b/a", ".bin")).map(String), ["a/1.bin", "a/2.bin"]);
    assert.deepEqual(await artifacts.readFolder("gs://b/none", ".bin"), []);
  });

  it("are undefined where there is none, which is asked once", async () => {
    assert.equal(await artifacts.read("gs://b/none"), undefined);
    assert.equal(calls, 1);
  });

  it("are read and written again after 503, and not after 403", async () => {
    failures = [{ code: 503 }];
    await artifacts.write("gs://b/a", "1");
    failures = [{ code: 503 }];
    assert.equal(await artifacts.read("gs://b/a"), "1");
    assert.equal(calls, 4);
    failures = [{ code: 403 }];
    await assert.rejects(artifacts.read("gs://b/a"), { code: 403 });
    failures = [{ code: 403 }];
    await assert.rejects(artifacts.write("gs://b/a", "2"), { code: 403 });
    assert.equal(calls, 6);
  });

  it("say what a URL must be like", async () => {
    for (const url of ["file:///a/b", "gs://bucket", "gs://bucket/", "gs:///path", "xgs://bucket/path"]) {
      const message = `${url} is not a file in Cloud Storage; allowed is gs://bucket/path.`;
      await assert.rejects(artifacts.read(url), { name: "UserError", message });
      await assert.rejects(artifacts.write(url, ""), { name: "UserError", message });
    }
    assert.equal(calls, 0);
  });

  it("are at STORAGE_ENDPOINT, if it is set", async () => {
    const asked: (string | undefined)[] = [];
    const server = createServer(({ url }, response) => {
      asked.push(url);
      response.end("found");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    process.env.STORAGE_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      assert.equal(await new CloudStorageArtifacts().read("gs://my-bucket/a"), "found");
      assert.match(asked.join(), /\/b\/my-bucket\/o\/a\?/);
    } finally {
      delete process.env.STORAGE_ENDPOINT;
      server.close();
      server.closeAllConnections();
    }
  });
});
