/** A service under load, on one core: push requests of run requests, as Messenger sends them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { freePort } from "../test/emulators/server.ts";
import { residentMb } from "./measure.ts";

/** Requests that are sent at the same time. */
export const AT_ONCE = 16;

export interface Service {
  readonly name: string;
  readonly command: (port: number) => readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export const invoker: Service = {
  name: "invoker",
  command: () => [process.execPath, join(import.meta.dirname, "load-invoker.ts")],
  env: {},
};

interface Started {
  readonly child: ChildProcess;
  readonly port: number;
  /** Milliseconds until the first healthy answer. */
  readonly startUp: number;
}

/** Starts the service on one core and waits until it is healthy. @throws Error when it ends before that. */
export async function start({ name, command, env }: Service, delay = 0): Promise<Started> {
  const port = await freePort();
  const oneCore = process.platform === "linux" ? ["taskset", "--cpu-list", "0"] : [];
  const [executable, ...args] = [...oneCore, ...command(port)];
  const startedAt = performance.now();
  const child = spawn(executable!, args, {
    stdio: "ignore",
    env: { PATH: process.env.PATH, ...env, PORT: String(port), DELAY_MS: String(delay) },
  });
  while ((await statusOf(port, "/healthcheck")) !== 200) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}.`);
    await setTimeout(2);
  }
  return { child, port, startUp: performance.now() - startedAt };
}

export async function stop(child: ChildProcess): Promise<void> {
  const ended = child.exitCode === null ? once(child, "exit") : undefined;
  child.kill("SIGTERM");
  await ended;
}

interface Load {
  readonly perSecond: number;
  /** Milliseconds, of each request. */
  readonly latencies: readonly number[];
  /** MB that the service holds after each of the counts; undefined where there is no /proc. */
  readonly memory: readonly (number | undefined)[];
}

/**
 * Sends push requests, and measures the service's memory when it has answered so many of them, for each of the counts.
 * @throws Error when it answers one with another status than 204
 */
export async function load(service: Service, counts: readonly number[]): Promise<Load> {
  const { child, port } = await start(service);
  const latencies: number[] = [];
  const memory: (number | undefined)[] = [];
  let sent = 0;
  const client = async (count: number): Promise<void> => {
    while (sent < count) {
      sent += 1;
      const sentAt = performance.now();
      const status = await push(port, `load-${sent}`);
      if (status !== 204) throw new Error(`${service.name} answered ${status}.`);
      latencies.push(performance.now() - sentAt);
    }
  };
  const startedAt = performance.now();
  try {
    for (const count of counts) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => client(count)));
      memory.push(residentMb(child.pid!));
    }
    return { perSecond: (1000 * sent) / (performance.now() - startedAt), latencies, memory };
  } finally {
    await stop(child);
  }
}

/** Pushes the request of a run. Returns the status of the answer. */
export async function push(port: number, run_id: string): Promise<number> {
  const data = Buffer.from(JSON.stringify({ run_id, run_date: "1997-10-01" })).toString("base64");
  const message = { data, messageId: run_id, attributes: { run_id } };
  return await statusOf(port, "/", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message, subscription: "s" }),
  });
}

/** The status of the answer; 0 if there is none. */
const statusOf = (port: number, path: string, init?: RequestInit): Promise<number> =>
  fetch(`http://127.0.0.1:${port}${path}`, init).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => 0,
  );
