import { z } from "zod";
import type { ArtifactStore } from "./artifacts.ts";

/** What one step of a run did. The step writes it when it starts, and again when it ends. */
export const stepReport = z.strictObject({
  step: z.string(),
  status: z.enum(["running", "succeeded", "failed"]),
  started_at: z.iso.datetime(),
  finished_at: z.iso.datetime().nullable(),
  rows: z.record(z.string(), z.number().int()).describe("Rows written, by table."),
  bytes_billed: z.number().int().nonnegative(),
  warnings: z.array(z.string()),
  outputs: z.record(z.string(), z.string()).describe("Output parameters, by name."),
  error: z.string().nullable(),
});
export type StepReport = z.output<typeof stepReport>;

/** URL of the report of a step of a run, below the artifacts' URL. */
export const stepReportUrl = (artifactsUrl: string, runId: string, step: string): string =>
  `${artifactsUrl}/runs/${runId}/steps/${step}.json`;

/** The report of a step that starts now. */
export const stepStarted = (step: string): StepReport => ({
  step,
  status: "running",
  started_at: new Date().toISOString(),
  finished_at: null,
  rows: {},
  bytes_billed: 0,
  warnings: [],
  outputs: {},
  error: null,
});

/**
 * Reads the reports of these steps of a run, in this order. A step that did not start has none.
 * The last report of a killed step still says "running". If the run has ended, it is returned as "failed".
 */
export async function readStepReports(
  artifacts: Pick<ArtifactStore, "read">,
  artifactsUrl: string,
  runId: string,
  steps: readonly string[],
  runHasEnded: boolean,
): Promise<StepReport[]> {
  const texts = await Promise.all(
    steps.map((step) => artifacts.read(stepReportUrl(artifactsUrl, runId, step))),
  );
  return texts
    .filter((text) => text !== undefined)
    .map((text) => stepReport.parse(JSON.parse(text)))
    .map((report) =>
      runHasEnded && report.status === "running" ? { ...report, status: "failed" as const } : report,
    );
}
