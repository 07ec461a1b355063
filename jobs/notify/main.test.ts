import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json, text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import { type RunEvent, runEvent } from "../../contracts/messages.ts";
import { type StepReport, stepReport, stepReportUrl, stepStarted } from "../../contracts/step.ts";

/** Runs the job as a process, with a Messenger that records what it sends and a warehouse without tables. */
describe("notify", () => {
  const published: { url: string; data: unknown; attributes: unknown }[] = [];
  let folder: string;
  let artifactsUrl: string;
  let messenger: Server;

  before(async () => {
    messenger = createServer(async (request, response) => {
      const body = (await json(request)) as { data: unknown; attributes: unknown };
      published.push({ url: request.url!, ...body });
      response.end('{"id": "1"}');
    }).listen(0, "127.0.0.1");
    await once(messenger, "listening");
  });
  after(() => void messenger.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "notify-"));
    artifactsUrl = pathToFileURL(folder).href;
    published.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Returns the event that the job sends after these reports and this status of the steps. */
  async function notify(status: unknown, ...reports: StepReport[]): Promise<RunEvent> {
    for (const report of reports)
      await fileArtifacts.write(stepReportUrl(artifactsUrl, "run-1", report.step), JSON.stringify(report));
    const parameterValues = {
      ...{ step: "notify", run_id: "run-1", run_date: "2024-01-01", horizon_weeks: 39 },
      ...{ steps: "features,train,score", status },
    };
    const input = { inputs: { parameterValues }, outputs: { outputFile: join(folder, "outputs.json") } };
    const args = [join(import.meta.dirname, "main.ts"), "--executor-input", JSON.stringify(input)];
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        WAREHOUSE_URL: `duckdb://${join(folder, "warehouse.duckdb")}`,
        MESSENGER_URL: `http://127.0.0.1:${(messenger.address() as AddressInfo).port}`,
        ARTIFACTS_URL: artifactsUrl,
        TIME_LIMIT_SECONDS: "60",
      },
    });
    const closed = once(child, "close");
    const log = await text(child.stdout);
    assert.deepEqual(await closed, [0, null], log);
    assert.equal(published.length, 1);
    const { url, data, attributes } = published[0]!;
    const event = runEvent.parse(data);
    assert.deepEqual([url, attributes], ["/topics/events", { run_id: "run-1", status: event.status }]);
    return event;
  }
  const succeeded = (step: string): StepReport => ({ ...stepStarted(step), status: "succeeded" });

  it("sends the final event with the steps in order, even if the run's row can't be written", async () => {
    const reports = ["score", "features"].map(succeeded);
    const { status, failed_step, reason, steps } = await notify({ state: "SUCCEEDED" }, ...reports);
    assert.deepEqual([status, failed_step, reason], ["succeeded", null, null]);
    assert.deepEqual(steps, reports.toReversed());
    const own = await fileArtifacts.read(stepReportUrl(artifactsUrl, "run-1", "notify"));
    assert.match(stepReport.parse(JSON.parse(own!)).warnings.join(), /row in ops\.runs could not be written/);
  });

  it("reports the failed step and its error", async () => {
    const train: StepReport = { ...stepStarted("train"), status: "failed", error: "no repeat purchases" };
    const status = { state: "FAILED", error: { message: "exit code 1" } };
    const event = await notify(JSON.stringify(status), succeeded("features"), train);
    assert.deepEqual(
      [event.status, event.failed_step, event.reason],
      ["failed", "train", "no repeat purchases"],
    );
  });

  it("reports a step that was killed before it could report an error", async () => {
    const status = { state: "FAILED", error: { message: "The replica ran out of memory." } };
    const event = await notify(status, succeeded("features"), stepStarted("train"));
    assert.deepEqual(
      event.steps.map((step) => step.status),
      ["succeeded", "failed"],
    );
    assert.equal(event.failed_step, "train");
    assert.match(
      event.reason!,
      /^Step train reported no error: it was killed.* The replica ran out of memory\.$/,
    );
  });

  it("reports a run whose steps did not start", async () => {
    const event = await notify({ state: "CANCELLED" });
    assert.deepEqual(
      [event.status, event.failed_step, event.reason],
      ["cancelled", null, "No step reported an error."],
    );
  });
});
