import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { artifactPath, artifactUrl, fileArtifacts, jobArtifacts } from "./artifacts.ts";

describe("artifacts", () => {
  const folder = mkdtempSync(join(tmpdir(), "artifacts-"));
  const url = (name: string): string => pathToFileURL(join(folder, name)).href;
  after(() => rmSync(folder, { recursive: true }));

  it("have the paths that Vertex AI gives to jobs, buckets below /gcs", () => {
    for (const [url, path] of [
      ["file:///a%20b/c", "/a b/c"],
      ["file:///gcsx/c", "/gcsx/c"],
      ["gs://bucket/a/b c.json", "/gcs/bucket/a/b c.json"],
    ] as const) {
      assert.equal(artifactPath(url), path);
      assert.equal(artifactUrl(path), url);
    }
  });

  it("of jobs are files for file: URLs", async () => {
    await jobArtifacts.write(url("job.txt"), "text");
    assert.equal(await jobArtifacts.read(url("job.txt")), "text");
    rmSync(join(folder, "job.txt"));
  });

  it("of jobs are objects in Cloud Storage for gs: URLs", async () => {
    const server = createServer((_, response) => void response.end("an object")).listen(0, "127.0.0.1");
    await once(server, "listening");
    process.env.STORAGE_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      for (const name of ["a", "b"])
        assert.equal(await jobArtifacts.read(`gs://bucket/${name}`), "an object");
    } finally {
      delete process.env.STORAGE_ENDPOINT;
      server.close();
      server.closeAllConnections();
    }
  });

  it("are read as they were written, in folders that are made", async () => {
    await fileArtifacts.write(url("new/folder/ä b.txt"), "ä\n");
    assert.equal(await fileArtifacts.read(url("new/folder/ä b.txt")), "ä\n");
    assert.equal(await fileArtifacts.read(url("new/none.txt")), undefined);
  });

  it("of a folder are read by name, those with the suffix; none where there is no folder", async () => {
    const names = Array.from({ length: 20 }, (_, i) => `${String(20 - i).padStart(2, "0")}.bin`);
    for (const name of [...names, "c.txt"]) await jobArtifacts.write(url(`many/${name}`), Buffer.from(name));
    const read = await jobArtifacts.readFolder(url("many"), ".bin");
    assert.deepEqual(read.map(String), names.toReversed());
    assert.deepEqual(await jobArtifacts.readFolder(url("none"), ".bin"), []);
    assert.deepEqual(await jobArtifacts.readFolder(url("none"), ""), []);
    await assert.rejects(jobArtifacts.readFolder(url("many/c.txt"), ".bin"), { code: "ENOTDIR" });
    rmSync(join(folder, "many"), { recursive: true });
  });

  it("are replaced and not changed: who has opened the old file reads all of it", async () => {
    await fileArtifacts.write(url("replaced.txt"), "old text");
    const reader = await open(join(folder, "replaced.txt"));
    await fileArtifacts.write(url("replaced.txt"), "new");
    assert.equal(await reader.readFile("utf8"), "old text");
    assert.equal(await fileArtifacts.read(url("replaced.txt")), "new");
    await reader.close();
    rmSync(join(folder, "replaced.txt"));
  });

  it("are not taken for missing if they can't be read", async () => {
    await assert.rejects(fileArtifacts.read(url(".")), { code: "EISDIR" });
  });

  it("are whole for readers while several write the same one", async () => {
    const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(50_000));
    const writes = Promise.all(texts.map((text) => fileArtifacts.write(url("same.txt"), text)));
    const seen = await Promise.all(texts.map(() => fileArtifacts.read(url("same.txt"))));
    await writes;
    assert.ok(texts.includes((await fileArtifacts.read(url("same.txt")))!));
    assert.ok(seen.every((text) => text === undefined || texts.includes(text)));
    assert.deepEqual(readdirSync(folder).toSorted(), ["new", "same.txt"]);
  });

  it("leave nothing behind when they can't be written", async () => {
    mkdirSync(join(folder, "taken/full"), { recursive: true });
    await assert.rejects(fileArtifacts.write(url("taken"), "text"), { code: /EISDIR|ENOTEMPTY|EEXIST/ });
    assert.ok(!readdirSync(folder).some((name) => name.startsWith(".taken")));
  });
});
