/**
 * npm run bench:load: the invoker under load on one core, beside a minimal service of the same contract with Flask and
 * gunicorn, in one run. Both validate the pushed request, log a line for it, and remember its run.
 * Times are of this machine: compare figures of one run only.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import Table from "cli-table3";
import { Command } from "commander";
import { bundle } from "../jobs/bundle.ts";
import { pythonEnvironment } from "../local/runtime/python.ts";
import { freePort } from "../test/emulators/server.ts";
import { residentMb } from "./measure.ts";

const { requests: REQUESTS } = new Command("npm run bench:load --")
  .description("Measures the invoker beside a minimal service with Flask and gunicorn, each on one core.")
  .helpOption("--help", "shows this help")
  .option("--requests <number>", "requests to each service", Number, 20_000)
  .parse()
  .opts<{ requests: number }>();
/** Requests that are sent at the same time. */
const AT_ONCE = 16;
/** Requests that are not answered yet when the service gets SIGTERM, and milliseconds that each takes. */
const IN_FLIGHT = 8;
const DELAY = 500;

interface Service {
  readonly name: string;
  readonly command: (port: number) => readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const folder = mkdtempSync(join(tmpdir(), "load-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const { script } = bundle("invoker");
const program = join(folder, "main.mjs");
writeFileSync(program, script);
const bin = await pythonEnvironment("service", "3.11", join(import.meta.dirname, "service.lock"));

const invoker: Service = {
  name: "invoker",
  command: () => [process.execPath, join(import.meta.dirname, "load-invoker.ts")],
  env: {},
};
const flask: Service = {
  name: "Flask, gunicorn",
  command: (port) => [
    join(bin, "gunicorn"),
    ...["--bind", `127.0.0.1:${port}`, "--workers", "1", "--threads", String(AT_ONCE)],
    ...["--chdir", import.meta.dirname, "load-flask:app"],
  ],
  env: {},
};
/** As Cloud Run starts it: it calls Vertex AI only for a request. */
const deployed: Service = {
  name: "invoker, bundled",
  command: () => [process.execPath, program],
  env: {
    LAUNCHER_URL: "vertex-ai://my-project/europe-west1",
    PIPELINE_SPEC_URL: "gs://my-bucket/pipeline.json",
    ARTIFACTS_URL: "gs://my-bucket",
    JOBS_SERVICE_ACCOUNT: "jobs@my-project.iam.gserviceaccount.com",
  },
};

const table = new Table({
  head: [
    "service",
    "start-up",
    "requests/s",
    "p50",
    "p99",
    `memory after ${count(REQUESTS / 2)}`,
    `after ${count(REQUESTS)}`,
    "answered after SIGTERM",
  ],
  style: { head: [] },
});
for (const [service, started] of [
  [invoker, deployed],
  [flask, flask],
] as const) {
  const startUp = await timeOfStart(started);
  const { perSecond, latencies, memory } = await load(service);
  const answered = await terminated(service);
  table.push([
    service.name,
    milliseconds(startUp),
    count(perSecond),
    milliseconds(quantile(latencies, 0.5)),
    milliseconds(quantile(latencies, 0.99)),
    ...memory.map((mb) => (mb === undefined ? "–" : `${Math.round(mb)} MB`)),
    `${answered} of ${IN_FLIGHT}`,
  ]);
}
process.stdout.write(
  `${count(REQUESTS)} push requests to each, ${AT_ONCE} at once. The start-up is that of the bundle, ${(script.length / 1e6).toFixed(1)} MB.\n${table.toString()}\n`,
);

interface Started {
  readonly child: ChildProcess;
  readonly port: number;
  /** Milliseconds until the first healthy answer. */
  readonly startUp: number;
}

/** Starts the service on one core and waits until it is healthy. @throws Error when it ends before that. */
async function start({ name, command, env }: Service, delay = 0): Promise<Started> {
  const port = await freePort();
  const oneCore = process.platform === "linux" ? ["taskset", "--cpu-list", "0"] : [];
  const [executable, ...args] = [...oneCore, ...command(port)];
  const startedAt = performance.now();
  const child = spawn(executable!, args, {
    stdio: "ignore",
    env: { PATH: process.env.PATH, ...env, PORT: String(port), DELAY_MS: String(delay) },
  });
  while ((await send(port, "GET", "/healthcheck")) !== 200) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}.`);
    await setTimeout(2);
  }
  return { child, port, startUp: performance.now() - startedAt };
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = child.exitCode === null ? once(child, "exit") : undefined;
  child.kill("SIGTERM");
  await ended;
}

/** The median of three starts. */
async function timeOfStart(service: Service): Promise<number> {
  const times: number[] = [];
  for (let time = 0; time < 3; time += 1) {
    const { child, startUp } = await start(service);
    times.push(startUp);
    await stop(child);
  }
  return quantile(times, 0.5);
}

/** Sends all requests. Memory is in MB: after half of them, and after all. */
async function load(service: Service) {
  const { child, port } = await start(service);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const latencies: number[] = [];
  const memory: (number | undefined)[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < REQUESTS) {
      next += 1;
      if (next === Math.ceil(REQUESTS / 2)) memory.push(residentMb(child.pid!));
      const body = pushOf(`load-${next}`);
      const sentAt = performance.now();
      const status = await send(port, "POST", "/", body, agent);
      if (status !== 204) throw new Error(`${service.name} answered ${status}.`);
      latencies.push(performance.now() - sentAt);
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  const perSecond = (1000 * REQUESTS) / (performance.now() - startedAt);
  memory.push(residentMb(child.pid!));
  agent.destroy();
  await stop(child);
  return { perSecond, latencies, memory };
}

/** How many of the requests that are in flight at SIGTERM are answered. */
async function terminated(service: Service): Promise<number> {
  const { child, port } = await start(service, DELAY);
  const sent = Array.from({ length: IN_FLIGHT }, (_, index) =>
    send(port, "POST", "/", pushOf(`stop-${index}`)),
  );
  await setTimeout(DELAY / 2);
  await stop(child);
  return (await Promise.all(sent)).filter((status) => status === 204).length;
}

function pushOf(run_id: string): string {
  const data = Buffer.from(JSON.stringify({ run_id, run_date: "1997-10-01" })).toString("base64");
  return JSON.stringify({ message: { data, messageId: run_id, attributes: { run_id } }, subscription: "s" });
}

/** The status of the answer; 0 if there is none. */
async function send(
  port: number,
  method: string,
  path: string,
  body?: string,
  agent: Agent | false = false,
): Promise<number> {
  return await new Promise((resolve) => {
    const headers = { "content-type": "application/json" };
    const sent = httpRequest({ host: "127.0.0.1", port, method, path, agent, headers }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode ?? 0));
    });
    sent.once("error", () => resolve(0)).end(body);
  });
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(share * (values.length - 1))]!;
}

function milliseconds(value: number): string {
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
