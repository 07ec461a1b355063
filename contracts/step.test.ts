import assert from "node:assert/strict";
import { readStepReports, stepReportUrl, stepStarted } from "./step.ts";

describe("step reports", () => {
  const features = { ...stepStarted("features"), status: "succeeded" as const };
  const train = stepStarted("train");
  const files = new Map(
    [features, train].map((report) => [
      stepReportUrl("gs://bucket", "run-1", report.step),
      JSON.stringify(report),
    ]),
  );
  const artifacts = { read: async (url: string) => files.get(url) };
  const read = (steps: string[], runHasEnded: boolean) =>
    readStepReports(artifacts, "gs://bucket", "run-1", steps, runHasEnded);

  it("are read in the order of the steps, without those that did not start", async () => {
    assert.deepEqual([...files.keys()][0], "gs://bucket/runs/run-1/steps/features.json");
    assert.deepEqual(await read(["train", "features", "score"], false), [train, features]);
    assert.deepEqual(await read([], false), []);
  });

  it("report a step as failed that still ran when the run ended", async () => {
    assert.deepEqual(await read(["features", "train"], true), [features, { ...train, status: "failed" }]);
  });

  it("are read as they ended", async () => {
    const failed = { ...train, status: "failed", error: "No memory.", warnings: ["Few customers."] };
    const url = stepReportUrl("gs://bucket", "run-2", "train");
    files.set(url, JSON.stringify(failed));
    const reports = await readStepReports(artifacts, "gs://bucket", "run-2", ["train"], false);
    assert.deepEqual(reports, [failed]);
  });

  it("start with nothing written and no warning", () => {
    const { started_at, ...rest } = train;
    assert.ok(Date.parse(started_at) <= Date.now());
    assert.deepEqual(rest, {
      ...{ step: "train", status: "running", finished_at: null, error: null },
      ...{ rows: {}, bytes_billed: 0, warnings: [], outputs: {} },
    });
  });

  it("must be valid", async () => {
    files.set(stepReportUrl("gs://bucket", "run-1", "score"), '{"step": "score"}');
    await assert.rejects(read(["score"], true), /status/);
  });
});
