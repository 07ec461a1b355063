import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { BigQueryWarehouse } from "../adapters/bigquery.ts";
import { PROGRAMS, type Program } from "../jobs/bundle.ts";
import { CANDIDATES, parseCandidates } from "../jobs/candidates.ts";
import { IMAGES, stepsOf } from "../jobs/pipeline.ts";
import { createLogger } from "../lib/log.ts";
import { type LocalStack, startLocalStack } from "../local/runtime/local-stack.ts";
import { confirmRun, requestRun } from "../local/runtime/orchestrator.ts";
import { CandidateStep, CUSTOMERS } from "./candidate-step.ts";
import { cdnow } from "./cdnow.ts";
import { startBigQuery } from "./emulators/bigquery.ts";
import { startCloudStorage } from "./emulators/cloud-storage.ts";
import { prepareWarehouse } from "./emulators/warehouse.ts";
import { type Image, Images } from "./images.ts";

const project = new URL("../", import.meta.url).pathname;
const ALL = Object.keys(PROGRAMS) as Program[];

describe("images, built and run", () => {
  let images: Images;
  const built: Record<string, Image> = {};
  const measured: Record<string, string> = {};
  before(async () => {
    images = await Images.open();
  });
  after(async () => {
    await images?.close();
    for (const [image, text] of Object.entries(measured)) process.stdout.write(`      ${image}: ${text}\n`);
  });

  const start = (command: readonly string[]): ChildProcess =>
    spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });

  /** Runs a command to its end. */
  async function run(command: readonly string[]) {
    const child = start(command);
    let [stdout, stderr] = ["", ""];
    child.stdout?.on("data", (chunk) => (stdout += chunk));
    child.stderr?.on("data", (chunk) => (stderr += chunk));
    const [status] = await once(child, "close");
    return { status, stdout, stderr };
  }

  for (const program of ALL)
    it(`${program} is built: Node, one file, and what it reads`, async () => {
      const startedAt = performance.now();
      const image = await images.build(program);
      built[program] = image;
      measured[program] = `${image.size}, built in ${seconds(startedAt)}`;
      assert.deepEqual(image.config, {
        User: "65532",
        WorkingDir: "/app",
        Entrypoint: ["/usr/local/bin/node", "/app/main.mjs"],
      });
      const read = [`/app/node_modules/@dataform/core/`, `/app/sql/`];
      const added = image.added.filter((file) => !read.some((path) => file.startsWith(path)));
      assert.deepEqual(added, [
        ...["/app", "/app/main.mjs"],
        ...(program === "sql-runner"
          ? [
              "/app/node_modules",
              "/app/node_modules/@dataform",
              "/app/node_modules/@dataform/core",
              "/app/sql",
            ]
          : []),
        ...["/usr/local", "/usr/local/bin", "/usr/local/bin/node"],
      ]);
      assert.doesNotMatch(image.added.join("\n"), /\.map$|\.test\.|golden/m);
    });

  it("the SQL runner has the SQL project and the core that compiles it", () => {
    const { added } = built["sql-runner"]!;
    const sql = added.flatMap((file) => /^\/app\/sql\/(.+\..+)$/.exec(file)?.[1] ?? []);
    const sources = globSync("**/*.{sqlx,js,yaml}", {
      cwd: join(project, "sql"),
      exclude: ["**/*.test.yaml"],
    });
    assert.deepEqual(sql, sources.sort());
    assert.ok(added.includes("/app/node_modules/@dataform/core/bundle.js"));
  });

  it("builds from the sources of the program alone", async () => {
    const { added } = await images.build("invoker", "build");
    const top = added.flatMap((file) => /^\/app\/([^/]+)$/.exec(file)?.[1] ?? []);
    assert.deepEqual(top, [
      ...["adapters", "contracts", "functions", "image", "jobs", "lib", "node_modules"],
      ...["package-lock.json", "package.json", "packages"],
    ]);
    const tests = added.filter((file) => /^\/app\/(?!node_modules).*\.(test\.\w+|golden\.\w+)$/.test(file));
    assert.deepEqual(tests, []);
  });

  it("runs as a user who writes to temporary folders alone and sees nothing of the machine", async () => {
    const script = `
      const open = [];
      const look = (path) => {
        if (["/proc", "/sys", "/dev"].includes(path)) return;
        try { fs.accessSync(path, fs.constants.W_OK); open.push(path); } catch {}
        for (const entry of fs.readdirSync(path, { withFileTypes: true }))
          if (entry.isDirectory()) try { look(path.replace(/\\/$/, "") + "/" + entry.name); } catch {}
      };
      look("/");
      console.log(JSON.stringify({ user: process.getuid(), open, machine: fs.existsSync(process.argv[1]) }));`;
    for (const program of ALL) {
      const { stdout, stderr } = await run([
        ...built[program]!.command({ entrypoint: ["/usr/local/bin/node", "--eval", script] }),
        project,
      ]);
      assert.deepEqual(
        JSON.parse(stdout || "{}"),
        { user: 65532, open: ["/tmp", "/var/lock", "/var/tmp"], machine: false },
        stderr,
      );
    }
  });

  for (const program of IMAGES)
    it(`${program} starts, and reports what is not set`, async () => {
      const startedAt = performance.now();
      const { status, stderr } = await run(built[program]!.command());
      measured[program] += `, started in ${seconds(startedAt)}`;
      assert.equal(status, 1);
      assert.match(stderr, /--executor-input: outputs/);
    });

  for (const candidate of parseCandidates(Object.keys(CANDIDATES).join(",")))
    it(`the candidate ${candidate} is built, and works from its image`, async () => {
      const startedAt = performance.now();
      const image = await images.build(candidate);
      measured[candidate] = `${image.size}, built in ${seconds(startedAt)}`;
      assert.equal(image.config.User, "65532");
      assert.doesNotMatch(image.added.join("\n"), /\.test\.|golden|requirements\.in/);
      const step = await CandidateStep.open(candidate);
      try {
        const command = (env: Readonly<Record<string, string>>) =>
          image.command({ env: { ...env, HOME: "/tmp" }, volume: step.folder });
        const { code, log, report } = await step.run(command, "image");
        assert.equal(code, 0, log);
        assert.deepEqual(report.rows, { predictions: 2 * CUSTOMERS });
        assert.equal((await step.predictions("image")).length, 2 * CUSTOMERS);
      } finally {
        await step.close();
      }
    });

  it("the invoker serves, and ends soon after SIGTERM", async () => {
    const startedAt = performance.now();
    const env = {
      PORT: "0",
      LAUNCHER_URL: "vertex-ai://my-project/europe-west1",
      PIPELINE_SPEC_URL: "gs://artifacts/pipeline.json",
      ARTIFACTS_URL: "gs://artifacts",
      JOBS_SERVICE_ACCOUNT: "jobs@my-project.iam.gserviceaccount.com",
    };
    const invoker = start(built.invoker!.command({ env }));
    let log = "";
    invoker.stderr?.on("data", (chunk) => (log += chunk));
    try {
      while (!/"port":\d+/.test(log)) {
        assert.equal(invoker.exitCode, null, log);
        await setTimeout(10);
      }
      const port = /"port":(\d+)/.exec(log)?.[1];
      const answer = await fetch(`http://127.0.0.1:${port}/healthcheck`);
      measured.invoker += `, answered in ${seconds(startedAt)}`;
      assert.deepEqual(await answer.json(), { status: "ok" });
      const stoppedAt = performance.now();
      const ended = once(invoker, "close");
      // Signals to buildah do not reach what it runs.
      process.kill(innermost(invoker.pid!), "SIGTERM");
      assert.deepEqual(await ended, [0, null], log);
      assert.ok(performance.now() - stoppedAt < 8000, `it took ${seconds(stoppedAt)}`);
    } finally {
      if (invoker.exitCode === null) process.kill(innermost(invoker.pid!), "SIGKILL");
    }
  });

  it("a whole run, each step in its image: Vertex AI's paths, the protocols of BigQuery and Cloud Storage", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "images-"));
    const bigQuery = await startBigQuery();
    const log = createLogger({ component: "local" }, "error");
    const cloudStorage = await startCloudStorage();
    await cloudStorage.storage.createBucket("artifacts");
    const started: string[] = [];
    let edition: LocalStack | undefined;
    try {
      const orders = join(dataDir, "orders.csv");
      writeFileSync(orders, cdnow(10));
      await prepareWarehouse(bigQuery, orders);
      const { project } = bigQuery;
      const warehouseUrl = `bigquery://${project}/EU?endpoint=${bigQuery.endpoint}`;
      edition = await startLocalStack({
        dataDir,
        port: 0,
        log,
        env: {
          WAREHOUSE_URL: warehouseUrl,
          ARTIFACTS_URL: "gs://artifacts",
          STORAGE_ENDPOINT: cloudStorage.endpoint,
          SQL_DIR: "sql",
          SQL_VARS: JSON.stringify({ orders_project: project, marts_project: project }),
        },
        launcher: {
          dataUrl: "gs://artifacts",
          artifacts: cloudStorage.artifacts,
          entrypoints: Object.fromEntries(
            IMAGES.map((image) => [image, (env) => built[image]!.command({ env })]),
          ),
        },
        onTask: (_, { task, state }) => {
          if (state === "started") started.push(task);
        },
      });
      const startedAt = performance.now();
      const event = await requestRun(
        { run_id: "run-1", run_date: "1997-10-01" },
        {
          messenger: edition.messenger,
          invokerUrl: edition.url,
          timeLimit: 500_000,
          pollInterval: 1000,
          signal: new AbortController().signal,
        },
      );
      measured["a whole run"] = seconds(startedAt);
      assert.equal(event.reason, null);
      assert.equal(event.status, "succeeded");
      assert.deepEqual(started, [...Object.keys(stepsOf()), "notify"]);
      const { customers } = await confirmRun(event, new BigQueryWarehouse(warehouseUrl));
      assert.equal(customers, 2357);
      assert.ok(await cloudStorage.artifacts.read("gs://artifacts/runs/run-1/tasks/train/model"));
    } finally {
      await edition?.close();
      await bigQuery.close();
      await cloudStorage.close();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** The process that a process has started, which has started one, and so on. */
function innermost(pid: number): number {
  const [child] = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean),
  );
  return child === undefined ? pid : innermost(Number(child));
}
