import assert from "node:assert/strict";
import { readStepReports, stepReportUrl, stepStarted } from "./step.ts";

describe("step reports", () => {
  const features = { ...stepStarted("features"), status: "succeeded" as const };
  const train = stepStarted("train");
  const files = new Map(
    [features, train].map((report) => [
      stepReportUrl("gs://bucket/", "run-1", report.step),
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

  it("must be valid", async () => {
    files.set(stepReportUrl("gs://bucket", "run-1", "score"), '{"step": "score"}');
    await assert.rejects(read(["score"], true), /status/);
  });
});
