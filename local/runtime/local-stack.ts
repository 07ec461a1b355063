import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { REQUESTS } from "../../contracts/messages.ts";
import { createServer } from "../../functions/invoker/server.ts";
import { routines } from "../../jobs/clv/routines.ts";
import { IMAGES, pipelineSpec } from "../../jobs/pipeline.ts";
import type { Logger } from "../../lib/log.ts";
import { projectDir, sqlDir } from "../../lib/project.ts";
import { UserError } from "../../lib/user-error.ts";
import { LocalLauncher, type LocalLauncherOptions } from "./launcher.ts";
import { LocalMessenger } from "./messenger.ts";

export { projectDir, sqlDir };

export interface LocalStackOptions {
  /** Folder of the warehouse and of the runs' files. */
  readonly dataDir: string;
  /** Port of the invoker on 127.0.0.1; 0 takes a free one. */
  readonly port: number;
  readonly log: Logger;
  readonly earliestRunDate?: () => string | undefined;
  /** Environment of the jobs beyond the local one, or in its place: another WAREHOUSE_URL or MESSENGER_URL. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where steps run, if not as the sources are: in images, which know the data folder by another URL. */
  readonly launcher?: Pick<LocalLauncherOptions, "artifacts" | "dataUrl" | "entrypoints">;
  readonly onTask?: LocalLauncherOptions["onTask"];
  readonly onOutput?: LocalLauncherOptions["onOutput"];
}

/** The whole system on one machine. */
export interface LocalStack {
  readonly messenger: LocalMessenger;
  readonly launcher: LocalLauncher;
  readonly server: Server;
  readonly url: string;
  /** Stops the runs under way, then the servers. */
  close(): Promise<void>;
}

export const warehousePath = (dataDir: string): string => join(resolve(dataDir), "warehouse.duckdb");

function warehouseUrl(dataDir: string): string {
  const url = new URL(pathToFileURL(warehousePath(dataDir)));
  url.searchParams.set("routines", pathToFileURL(join(projectDir, "jobs/clv/routines.ts")).href);
  return url.href.replace(/^file:/, "duckdb:");
}

/** Opens the embedded warehouse, for as long as no run is under way. */
export const openLocalWarehouse = (dataDir: string): Promise<DuckDbWarehouse> =>
  DuckDbWarehouse.open(warehousePath(dataDir), { routines });

/** Starts Messenger and Workload in this process. Throws a UserError when the port is taken. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const { log, port } = options;
  const dataDir = isAbsolute(options.dataDir) ? options.dataDir : resolve(options.dataDir);
  const messenger = await LocalMessenger.start(log);
  const launcher = new LocalLauncher({
    dataDir,
    artifacts: fileArtifacts,
    spec: pipelineSpec({
      images: { "sql-runner": "sql-runner", clv: "clv", notify: "notify" },
      env: {
        WAREHOUSE_URL: warehouseUrl(dataDir),
        MESSENGER_URL: messenger.url,
        ARTIFACTS_URL: pathToFileURL(dataDir).href,
        SQL_DIR: sqlDir,
        ...options.env,
      },
      retry: { times: 1, after: "0.2s" },
    }),
    entrypoints: Object.fromEntries(
      IMAGES.map((image) => [image, [process.execPath, join(projectDir, "jobs", image, "main.ts")]]),
    ),
    ...options.launcher,
    log,
    ...(options.onTask === undefined ? {} : { onTask: options.onTask }),
    ...(options.onOutput === undefined ? {} : { onOutput: options.onOutput }),
  });
  const server = createServer({
    launcher,
    log,
    ...(options.earliestRunDate === undefined ? {} : { earliestRunDate: options.earliestRunDate }),
  });
  await listen(server, port).catch(async (error) => {
    await messenger.close();
    throw error;
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  messenger.push({ topic: REQUESTS, url: () => `${url}/`, maxDeliveryAttempts: 5, minimumBackoff: 200 });
  return {
    messenger,
    launcher,
    server,
    url,
    async close() {
      await launcher.close();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await messenger.close();
    },
  };
}

/** Listens on 127.0.0.1. Throws a UserError when the port is taken. */
export async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new UserError(`Port ${port} of 127.0.0.1 is taken by another process.`, {
      remedy: `End that process, or choose another port: --port ${port + 1}.`,
      cause: error,
    });
  }
}
