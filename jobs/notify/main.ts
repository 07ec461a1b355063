import { z } from "zod";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import { EVENTS, runEvent } from "../../contracts/messages.ts";
import { type StepReport, stepReport, stepReportUrl } from "../../contracts/step.ts";
import type { Target } from "../../contracts/warehouse.ts";
import { parse } from "../../lib/user-error.ts";
import { runJob } from "../job.ts";
import { STEPS } from "../pipeline.ts";

/** How the steps before the exit task ended: PipelineTaskFinalStatus of pipeline_spec.proto. */
const finalStatus = z.preprocess(
  (value) => (typeof value === "string" ? JSON.parse(value) : value),
  z.object({ state: z.string(), error: z.object({ message: z.string().default("") }).prefault({}) }),
);

const environment = z.object({
  OPERATIONS_DATASET: z.string().default("ops"),
  GIT_COMMIT: z.string().default(""),
  IMAGES: z.string().default("{}").describe("Images of the jobs by digest, as JSON."),
});

const endings: Record<string, "succeeded" | "cancelled"> = { SUCCEEDED: "succeeded", CANCELLED: "cancelled" };

/** Tells how the run ended: a row in ops.runs, and the final event, which is sent even when the row can't be kept. */
await runJob(
  z.object({ status: finalStatus }),
  async ({ parameters, report, log, artifactsUrl, warehouse, publisher }) => {
    const { run_id, run_date } = parameters;
    const env = parse(environment, process.env, "environment");
    const steps = await readReports(artifactsUrl, run_id);
    const failed = steps.find(({ status }) => status !== "succeeded");
    const status = endings[parameters.status.state] ?? "failed";
    const event = runEvent.parse({
      run_id,
      run_date,
      status,
      failed_step: status === "succeeded" ? null : (failed?.step ?? null),
      reason: status === "succeeded" ? null : reasonOf(failed, parameters.status.error.message),
      finished_at: new Date().toISOString(),
      steps: steps.map((step) => (step.status === "running" ? { ...step, status: "failed" } : step)),
    });

    try {
      const tables = await warehouse();
      const runs: Target = { project: tables.project, dataset: env.OPERATIONS_DATASET, name: "runs" };
      await tables.replaceRows(runs, { run_date, run_id }, [
        {
          run_id,
          run_date,
          status: event.status,
          failed_step: event.failed_step,
          reason: event.reason,
          started_at: steps[0]?.started_at ?? event.finished_at,
          finished_at: event.finished_at,
          git_commit: env.GIT_COMMIT,
          images: env.IMAGES,
          model_id: steps.find(({ outputs }) => outputs.model_id)?.outputs.model_id ?? null,
          rows_written: steps.flatMap(({ rows }) => Object.values(rows)).reduce((sum, rows) => sum + rows, 0),
          bytes_billed: steps.reduce((sum, step) => sum + step.bytes_billed, 0),
          warnings: steps.flatMap(({ warnings }) => warnings).join("\n"),
        },
      ]);
      report.rows[`${runs.dataset}.${runs.name}`] = 1;
    } catch (error) {
      const warning = `The run's row in ${env.OPERATIONS_DATASET}.runs could not be written: ${(error as Error).message}`;
      log.warn({ err: error }, warning);
      report.warnings.push(warning);
    }
    await (await publisher()).publish(EVENTS, event, { run_id, status: event.status });
    // The monitoring counts these lines.
    log.info({ run_date, status: event.status, failed_step: event.failed_step }, `run ${event.status}`);
  },
);

async function readReports(artifactsUrl: string, runId: string): Promise<StepReport[]> {
  const texts = await Promise.all(
    Object.keys(STEPS).map((step) => fileArtifacts.read(stepReportUrl(artifactsUrl, runId, step))),
  );
  return texts.flatMap((text) => (text === undefined ? [] : [stepReport.parse(JSON.parse(text))]));
}

function reasonOf(failed: StepReport | undefined, message: string): string {
  if (failed?.error) return failed.error;
  const silent =
    failed === undefined
      ? "No step says why."
      : `Step ${failed.step} ended without a word: it was killed, or its machine died.`;
  return message === "" ? silent : `${silent} ${message}`;
}
