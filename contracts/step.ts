import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
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
  error: z.string().nullable(),
});
export type StepReport = z.output<typeof stepReport>;

/**
 * Where the artifacts of a URL are in this process's file system: file: URLs are there as they are, and Vertex AI
 * mounts every bucket that the job may read under /gcs.
 */
export function artifactPath(url: string): string {
  return url.startsWith("gs://") ? `/gcs/${url.slice("gs://".length)}` : fileURLToPath(url);
}

/** URL of the report of a step of a run, below the artifacts' URL. */
export const stepReportUrl = (artifactsUrl: string, runId: string, step: string): string =>
  `${artifactsUrl.replace(/\/$/, "")}/runs/${runId}/steps/${step}.json`;

export async function writeStepReport(artifactsUrl: string, runId: string, report: StepReport): Promise<void> {
  await writeWhole(artifactPath(stepReportUrl(artifactsUrl, runId, report.step)), JSON.stringify(report, null, 2));
}

/** The report of a step, or undefined when it never started. */
export async function readStepReport(
  artifactsUrl: string,
  runId: string,
  step: string,
): Promise<StepReport | undefined> {
  const path = artifactPath(stepReportUrl(artifactsUrl, runId, step));
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : stepReport.parse(JSON.parse(text));
}

/** Writes a file that readers see whole or not at all; makes the folders above it. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${process.pid}.tmp`);
  await writeFile(temporary, text);
  await rename(temporary, path);
}
