import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Storage } from "@google-cloud/storage";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import { CloudStorageArtifacts } from "../../adapters/cloud-storage.ts";
import type { BinaryArtifactStore } from "../../contracts/artifacts.ts";
import { cacheDir } from "../../lib/project.ts";
import { startServer } from "./server.ts";

const SERVER = "github.com/fsouza/fake-gcs-server@v1.56.1";

export interface CloudStorageEmulator {
  readonly endpoint: string;
  /** Client of the emulator. */
  readonly storage: Storage;
  /** Like jobArtifacts, which keeps its first client: that of another test of this process, whose server is closed. */
  readonly artifacts: BinaryArtifactStore;
  close(): Promise<void>;
}

/** Starts fake-gcs-server: Cloud Storage in memory. Go builds it on first use, in a minute or two. */
export async function startCloudStorage(): Promise<CloudStorageEmulator> {
  const folder = join(cacheDir, "go", SERVER.slice(SERVER.lastIndexOf("/") + 1));
  const program = join(folder, "fake-gcs-server");
  if (!existsSync(program)) {
    const env = { ...process.env, GOBIN: folder, GOFLAGS: "-mod=mod" };
    await promisify(execFile)("go", ["install", SERVER], { env }).catch((cause) => {
      throw new Error(`${SERVER} cannot be built. Install Go 1.24 or later.`, { cause });
    });
  }
  const server = await startServer({
    command: (port) => [
      program,
      ...["-scheme", "http", "-host", "127.0.0.1", "-port", String(port)],
      ...["-backend", "memory", "-public-host", `127.0.0.1:${port}`, "-log-level", "error"],
    ],
    isUp: async (port) => (await fetch(`http://127.0.0.1:${port}/_internal/healthcheck`)).ok,
  });
  const endpoint = `http://127.0.0.1:${server.port}`;
  const storage = new Storage({ projectId: "p", apiEndpoint: endpoint });
  const cloudStorage = new CloudStorageArtifacts(storage);
  const storeOf = (url: string) => (url.startsWith("gs://") ? cloudStorage : fileArtifacts);
  const artifacts: BinaryArtifactStore = {
    read: (url) => storeOf(url).read(url),
    write: (url, contents) => storeOf(url).write(url, contents),
    readFolder: (url, suffix) => storeOf(url).readFolder(url, suffix),
  };
  return { endpoint, storage, artifacts, close: () => server.close() };
}
