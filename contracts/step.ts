import { z } from "zod";

/** What one step of a run tells of itself: written when it starts, and again when it ends. */
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
  `${artifactsUrl.replace(/\/$/, "")}/runs/${runId}/steps/${step}.json`;

/** The report of a step that has just begun. */
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
