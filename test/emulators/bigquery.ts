import { cpSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pythonEnvironment } from "../../local/runtime/python.ts";
import { type FaultProxy, startFaultProxy } from "../fault-proxy.ts";
import { startServer } from "./server.ts";

export interface BigQueryEmulator {
  readonly project: string;
  /** For adapters/bigquery.ts, and for BIGQUERY_EMULATOR_HOST of the Python clients. */
  readonly endpoint: string;
  /** Injects faults between all clients and the emulator. */
  readonly faults: FaultProxy;
  /** @throws Error if a request was not as Google describes its API. */
  close(): Promise<void>;
}

/**
 * Starts an empty local-bigquery: BigQuery's REST interface on DuckDB. Its dry runs report 0 bytes. It exports to, and
 * reads files from, the Cloud Storage emulator of this endpoint. Every request of every client is checked by Google's own
 * description of the API.
 */
export async function startBigQuery({
  project = "demo",
  storageEndpoint,
}: {
  readonly project?: string;
  readonly storageEndpoint?: string;
} = {}): Promise<BigQueryEmulator> {
  const lock = join(import.meta.dirname, "local-bigquery.lock");
  const bin = await pythonEnvironment("local-bigquery", "3.13", lock);
  const home = mkdtempSync(join(tmpdir(), "local-bigquery-"));
  // DuckDB looks for extensions in the home folder before it downloads them.
  for (const folder of globSync(join(bin, "../lib/*/site-packages/duckdb_extension_*/extensions")))
    cpSync(folder, join(home, ".duckdb/extensions"), { recursive: true });
  for (const file of globSync(join(home, ".duckdb/extensions/*/*.duckdb_extension")))
    cpSync(file, join(file, "..", platform(), file.slice(file.lastIndexOf("/") + 1)));
  const server = await startServer({
    command: (port) => [
      join(bin, "python"),
      join(import.meta.dirname, "serve_local_bigquery.py"),
      "serve",
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
      "--grpc-port",
      "0",
      "--project",
      project,
      "--data-dir",
      join(home, "data"),
    ],
    env: { HOME: home, ...(storageEndpoint && { STORAGE_EMULATOR_HOST: storageEndpoint }) },
    isUp: async (port) => (await fetch(`http://127.0.0.1:${port}/$discovery/rest`)).ok,
  });
  const faults = await startFaultProxy(`http://127.0.0.1:${server.port}`, "bigquery.googleapis.com");
  return {
    project,
    endpoint: faults.endpoint,
    faults,
    async close() {
      await faults.close();
      await server.close();
      rmSync(home, { recursive: true, force: true });
      const wrong = [...new Set(faults.wrong)];
      if (wrong.length > 0) throw new Error(`Not as Google describes BigQuery's API: ${wrong.join("; ")}`);
    },
  };
}

/** DuckDB's name for this platform. */
const platform = (): string =>
  `${process.platform === "darwin" ? "osx" : process.platform}_${process.arch === "x64" ? "amd64" : process.arch}`;
