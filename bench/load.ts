/**
 * npm run bench:load: the invoker under load on one core, beside a minimal service of the same contract with Flask and
 * gunicorn, in one run. Both validate the pushed request, log a line for it, and remember its run.
 * Times are of this machine: compare figures of one run only.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import Table from "cli-table3";
import { Command } from "commander";
import { bundle } from "../jobs/bundle.ts";
import { pythonEnvironment } from "../local/runtime/python.ts";
import { AT_ONCE, invoker, load, push, type Service, start, stop } from "./load-service.ts";

const { requests: REQUESTS } = new Command("npm run bench:load --")
  .description("Measures the invoker beside a minimal service with Flask and gunicorn, each on one core.")
  .helpOption("--help", "shows this help")
  .option("--requests <number>", "requests to each service", Number, 20_000)
  .parse()
  .opts<{ requests: number }>();
/** Requests that are not answered yet when the service gets SIGTERM, and milliseconds that each takes. */
const IN_FLIGHT = 8;
const DELAY = 500;

const folder = mkdtempSync(join(tmpdir(), "load-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const { script } = bundle("invoker");
const program = join(folder, "main.mjs");
writeFileSync(program, script);
const bin = await pythonEnvironment("service", "3.11", join(import.meta.dirname, "service.lock"));

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
  const { perSecond, latencies, memory } = await load(service, [Math.ceil(REQUESTS / 2), REQUESTS]);
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

/** How many of the requests that are in flight at SIGTERM are answered. */
async function terminated(service: Service): Promise<number> {
  const { child, port } = await start(service, DELAY);
  const sent = Array.from({ length: IN_FLIGHT }, (_, index) => push(port, `stop-${index}`));
  await setTimeout(DELAY / 2);
  await stop(child);
  return (await Promise.all(sent)).filter((status) => status === 204).length;
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
