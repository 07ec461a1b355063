import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { DuckDbWarehouse } from "../adapters/duckdb.ts";
import { stepReport } from "../contracts/step.ts";

/** Runs jobs as processes, by the job protocol. */
describe("job", () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);
  const reportFile = (): string => file("runs/run-1/steps/train.json");
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "job-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const input = (parameterValues: object = {}): object => ({
    inputs: {
      parameterValues: {
        step: "train",
        run_id: "run-1",
        run_date: "2024-01-01",
        weeks: "7",
        ...parameterValues,
      },
    },
    outputs: {
      artifacts: { model: { artifacts: [{ uri: pathToFileURL(file("model.json")).href }] } },
      outputFile: file("outputs.json"),
    },
  });

  /** Runs a job with this code as its work. It has the parameter weeks. */
  async function run(
    work: string,
    args: string[] = ["--executor-input", JSON.stringify(input())],
    env: Record<string, string> = {},
  ): Promise<{ code: number | null; log: string; errors: string }> {
    const job = JSON.stringify(new URL("./job.ts", import.meta.url).href);
    const userError = JSON.stringify(new URL("../lib/user-error.ts", import.meta.url).href);
    // Several jobs can run at the same time.
    const main = file(`main-${randomUUID()}.ts`);
    writeFileSync(
      main,
      `import { existsSync, readFileSync } from "node:fs";
       import { z } from ${JSON.stringify(import.meta.resolve("zod"))};
       import { runJob } from ${job};
       import { UserError } from ${userError};
       await runJob(z.object({ weeks: z.coerce.number().int() }), async (step) => { ${work} });`,
    );
    const child = spawn(process.execPath, [main, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        WAREHOUSE_URL: `duckdb://${file("warehouse.duckdb")}`,
        MESSENGER_URL: "http://127.0.0.1:1",
        ARTIFACTS_URL: pathToFileURL(folder).href,
        TIME_LIMIT_SECONDS: "60",
        ...env,
      },
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const [log, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { log, errors, code: await ended };
  }
  const report = () => stepReport.parse(JSON.parse(readFileSync(reportFile(), "utf8")));

  it("writes a report when it starts and when it ends, output parameters and artifacts", async () => {
    const { code, log } = await run(`
      const path = ${JSON.stringify(reportFile())};
      step.report.warnings.push(JSON.parse(readFileSync(path, "utf8")).status);
      step.report.rows["rfm.models"] = step.parameters.weeks;
      step.report.outputs.model_id = step.parameters.run_date;
      await step.writeArtifact("model", "fitted");`);
    assert.equal(code, 0);
    const { started_at, finished_at, ...rest } = report();
    assert.ok(started_at <= finished_at!);
    assert.deepEqual(rest, {
      step: "train",
      status: "succeeded",
      rows: { "rfm.models": 7 },
      bytes_billed: 0,
      warnings: ["running"],
      outputs: { model_id: "2024-01-01" },
      error: null,
    });
    assert.equal(readFileSync(file("outputs.json"), "utf8"), '{"parameterValues":{"model_id":"2024-01-01"}}');
    assert.equal(readFileSync(file("model.json"), "utf8"), "fitted");
    const lines = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ message, severity, run_id, step }) => [message, severity, run_id, step]),
      [
        ["train of 2024-01-01 started", "INFO", "run-1", "train"],
        ["train succeeded", "INFO", "run-1", "train"],
      ],
    );
  });

  it("takes a folder of artifacts with a slash at its end", async () => {
    const { href } = pathToFileURL(folder);
    const work = "step.report.warnings.push(step.artifactsUrl);";
    assert.equal((await run(work, undefined, { ARTIFACTS_URL: `${href}/` })).code, 0);
    assert.deepEqual(report().warnings, [href]);
  });

  it("ends with exit code 1, the error in its report and no outputs when the work throws", async () => {
    const { code, log } = await run(`
      step.report.outputs.model_id = "m-1";
      throw new UserError("no repeat purchases", { remedy: "Take a longer history." });`);
    assert.equal(code, 1);
    const { status, error, finished_at } = report();
    assert.deepEqual(
      { status, error },
      { status: "failed", error: "no repeat purchases\nTake a longer history." },
    );
    assert.ok(finished_at !== null);
    assert.ok(!existsSync(file("outputs.json")));
    assert.equal(JSON.parse(log.trim().split("\n").at(-1)!).severity, "ERROR");
  });

  it("fails for an invalid parameter, and names it in its report", async () => {
    const { code } = await run("", ["--executor-input", JSON.stringify(input({ weeks: "many" }))]);
    assert.equal(code, 1);
    assert.match(report().error!, /^parameters: weeks: .*number/);
  });

  it("fails when it writes an artifact that the pipeline does not declare", async () => {
    const { code } = await run('await step.writeArtifact("chart", "");');
    assert.equal(code, 1);
    assert.match(report().error!, /no output artifact chart of train/);
  });

  it("fails when its report can't be written, and logs why", async () => {
    writeFileSync(file("runs"), "");
    const { code, log } = await run("");
    assert.equal(code, 1);
    assert.match(JSON.parse(log.trim().split("\n").at(-1)!).message, /^train failed: .*runs/);
  });

  it("fails when its outputs can't be written", async () => {
    writeFileSync(file("no-folder"), "");
    const given = { ...input(), outputs: { outputFile: file("no-folder/outputs.json") } };
    assert.equal((await run("", ["--executor-input", JSON.stringify(given)])).code, 1);
    assert.equal(report().status, "failed");
  });

  for (const [how, work] of [
    ["hangs", "await new Promise((resolve) => setTimeout(resolve, 60_000));"],
    [
      "hangs with the warehouse open",
      "await step.warehouse(); await new Promise(() => setInterval(() => {}, 1000));",
    ],
  ] as const) {
    it(`fails when it ${how} beyond its time limit, and reports it`, async () => {
      const { code } = await run(work, undefined, { TIME_LIMIT_SECONDS: "0.3" });
      assert.equal(code, 1);
      const { status, error } = report();
      assert.deepEqual(
        { status, error },
        { status: "failed", error: "the step took longer than its limit of 0.3 s" },
      );
      assert.ok(!existsSync(file("outputs.json")));
    });
  }

  it("waits for the warehouse for half of its time limit, and reports that another process has it open", async () => {
    const holder = await DuckDbWarehouse.open(file("warehouse.duckdb"));
    try {
      assert.equal((await run("await step.warehouse();", undefined, { TIME_LIMIT_SECONDS: "8" })).code, 1);
      assert.match(report().error ?? "", /another process has it open/);
      const opening = run("await step.warehouse();");
      await setTimeout(1000);
      await holder.close();
      assert.equal((await opening).code, 0);
    } finally {
      await holder.close();
    }
  });

  it("ends when its work is done, not at its time limit", async () => {
    const startedAt = performance.now();
    assert.equal((await run("")).code, 0);
    assert.ok(performance.now() - startedAt < 30_000);
  });

  it("closes the warehouse after success and failure, so that its file is complete", async () => {
    const work = `const warehouse = await step.warehouse();
      await warehouse.withConnection((connection) => connection.run("CREATE OR REPLACE TABLE t AS SELECT 1"));
      const unwritten = ${JSON.stringify(file("warehouse.duckdb.wal"))};
      setTimeout(() => step.log.info(existsSync(unwritten) ? "open" : "closed"), 300);
      if (step.parameters.weeks > 7) throw new Error("broken");`;
    const failing = ["--executor-input", JSON.stringify(input({ weeks: "8" }))];
    for (const args of [failing, undefined]) assert.match((await run(work, args)).log, /"message":"closed"/);
  });

  it("names what is wrong in its executor input or its environment", async () => {
    const cases: [string[], Record<string, string>, RegExp][] = [
      [["--executor-input", "{no json"], {}, /--executor-input: .*expected object.*given: "{no json"/],
      [[], {}, /--executor-input: outputs: /],
      [
        ["--executor-input", JSON.stringify(input({ run_id: "A B" }))],
        {},
        /run_id: must be 3 to 63 .*given: "A B"/,
      ],
      [
        ["--executor-input", JSON.stringify(input())],
        { TIME_LIMIT_SECONDS: "soon" },
        /environment: TIME_LIMIT_SECONDS: /,
      ],
    ];
    const results = await Promise.all(
      cases.map(async ([args, env, message]) => ({ ...(await run("", args, env)), message })),
    );
    for (const { code, errors, message } of results) {
      assert.equal(code, 1);
      assert.match(errors, message);
    }
    assert.ok(!existsSync(reportFile()));
  });
});
