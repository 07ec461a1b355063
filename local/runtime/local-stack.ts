import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { REQUESTS, type RunEvent, type RunRequest } from "../../contracts/messages.ts";
import type { InvokerOptions } from "../../functions/invoker/invoker.ts";
import { createServer } from "../../functions/invoker/server.ts";
import { CANDIDATES, type Candidate } from "../../jobs/candidates.ts";
import { routines } from "../../jobs/clv/routines.ts";
import { IMAGES, type Image, pipelineSpec } from "../../jobs/pipeline.ts";
import { projectDir, sqlDir } from "../../lib/project.ts";
import { UserError } from "../../lib/user-error.ts";
import { LocalLauncher, type LocalLauncherOptions } from "./launcher.ts";
import { LocalMessenger } from "./messenger.ts";
import { requestRun } from "./orchestrator.ts";
import { pythonEnvironment } from "./python.ts";

export interface LocalStackOptions
  extends Omit<InvokerOptions, "launcher">,
    Pick<LocalLauncherOptions, "onTask" | "onOutput"> {
  /** Folder of the warehouse and of the runs' files. */
  readonly dataDir: string;
  /** Port of the invoker on 127.0.0.1. 0 selects a free one. */
  readonly port: number;
  /** The candidates that compete with the built-in model. @default none */
  readonly candidates?: readonly Candidate[];
  /** Environment of the jobs. Replaces local values, for example WAREHOUSE_URL or MESSENGER_URL. */
  readonly env?: Readonly<Record<string, string>>;
  /** Runs the steps in images, which know the data folder by another URL. @default the jobs' sources */
  readonly launcher?: Partial<
    Pick<LocalLauncherOptions, "artifacts" | "dataUrl" | "entrypoints" | "runStep">
  >;
}

/** The whole system on one machine. */
export interface LocalStack {
  readonly messenger: LocalMessenger;
  readonly launcher: LocalLauncher;
  readonly url: string;
  /** Cancels the current runs, then stops the servers. */
  close(): Promise<void>;
}

export const warehousePath = (dataDir: string): string => join(resolve(dataDir), "warehouse.duckdb");

function warehouseUrl(dataDir: string): string {
  const url = new URL(pathToFileURL(warehousePath(dataDir)));
  url.searchParams.set("routines", pathToFileURL(join(projectDir, "jobs/clv/routines.ts")).href);
  return url.href.replace(/^file:/, "duckdb:");
}

/** Opens the local warehouse. It must be closed before a step of a run can open it. */
export const openLocalWarehouse = (dataDir: string): Promise<DuckDbWarehouse> =>
  DuckDbWarehouse.open(warehousePath(dataDir), { routines });

/** Starts Messenger and Workload in this process. @throws UserError when the port is in use. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const { dataDir: folder, port, candidates = [], env, launcher: elsewhere, ...shared } = options;
  const dataDir = resolve(folder);
  const messenger = await LocalMessenger.start(shared.log);
  const launcher = new LocalLauncher({
    dataDir,
    artifacts: fileArtifacts,
    spec: pipelineSpec({
      images: Object.fromEntries([...IMAGES, ...candidates].map((image) => [image, image])) as Record<
        Image,
        string
      >,
      candidates,
      env: {
        WAREHOUSE_URL: warehouseUrl(dataDir),
        MESSENGER_URL: messenger.url,
        ARTIFACTS_URL: pathToFileURL(dataDir).href,
        SQL_DIR: sqlDir,
        ...env,
      },
      retryDelay: "0.2s",
    }),
    entrypoints: {
      ...Object.fromEntries(
        IMAGES.map((image) => [image, [process.execPath, join(projectDir, "jobs", image, "main.ts")]]),
      ),
      ...(await candidateEntrypoints(candidates)),
    },
    ...elsewhere,
    ...shared,
  });
  const server = createServer({ ...shared, launcher });
  await listen(server, port).catch(async (error) => {
    await messenger.close();
    throw error;
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  messenger.push({ topic: REQUESTS, url: `${url}/`, maxDeliveryAttempts: 5, minimumBackoff: 200 });
  return {
    messenger,
    launcher,
    url,
    async close() {
      await launcher.close();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await messenger.close();
    },
  };
}

/** Runs the pipeline once, on a stack of its own. Returns the final event. @throws UserError after an hour */
export async function runOnce(
  request: RunRequest,
  signal: AbortSignal,
  options: Omit<LocalStackOptions, "port">,
): Promise<RunEvent> {
  const stack = await startLocalStack({ ...options, port: 0 });
  const { messenger, url: invokerUrl } = stack;
  const limits = { timeLimit: 3_600_000, pollInterval: 2000 };
  return await requestRun(request, { messenger, invokerUrl, ...limits, signal }).finally(() => stack.close());
}

/** The programs of candidates. Makes the environments of those in Python where they are missing, which takes up to a minute. */
export async function candidateEntrypoints(
  candidates: readonly Candidate[],
): Promise<Record<string, readonly string[]>> {
  const entries = candidates.map(async (name): Promise<[string, string[]]> => {
    const folder = join(projectDir, "jobs", name);
    if (CANDIDATES[name].language === "typescript")
      return [name, [process.execPath, join(folder, "main.ts")]];
    // As in jobs/python.Dockerfile: what its image would refuse fails here.
    const options = ["--require-hashes", "--only-binary", ":all:"];
    const bin = await pythonEnvironment(name, "3.11", join(folder, "requirements.lock"), ...options);
    return [name, [join(bin, "python"), join(folder, "main.py")]];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Listens on 127.0.0.1. @throws UserError when the port is in use. */
async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new UserError(`Port ${port} of 127.0.0.1 is in use by another process.`, {
      remedy: `Stop that process, or use another port: --port ${port + 1}.`,
      cause: error,
    });
  }
}
