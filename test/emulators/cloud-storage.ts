import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../lib/project.ts";
import { startServer } from "./server.ts";

const SERVER = "github.com/fsouza/fake-gcs-server@v1.56.1";

/** Starts fake-gcs-server: Cloud Storage in memory. Go builds it on first use, in a minute or two. */
export async function startCloudStorage(): Promise<{ endpoint: string; close(): Promise<void> }> {
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
  return { endpoint: `http://127.0.0.1:${server.port}`, close: () => server.close() };
}
