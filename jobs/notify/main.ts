import { z } from "zod";
import { jobArtifacts } from "../../adapters/artifacts.ts";
import { EVENTS, runEvent } from "../../contracts/messages.ts";
import { readStepReports, type StepReport } from "../../contracts/step.ts";
import type { Target } from "../../contracts/warehouse.ts";
import { parse } from "../../lib/user-error.ts";
import { within } from "../../lib/within.ts";
import { runJob } from "../job.ts";

const parametersSchema = z.object({
  /** The steps before the exit task, in order, separated by commas. */
  steps: z.string().transform((names) => names.split(",")),
  /** How these steps ended: PipelineTaskFinalStatus of pipeline_spec.proto, as an object or as JSON text. */
  status: z.preprocess(
    (value) => (typeof value === "string" ? JSON.parse(value) : value),
    z.object({ state: z.string(), error: z.object({ message: z.string().default("") }).prefault({}) }),
  ),
});

const environment = z.object({
  GIT_COMMIT: z.string().default(""),
  IMAGES: z.string().default("{}").describe("Images of the jobs by digest, as JSON."),
});

const STATUSES: Record<string, "succeeded" | "cancelled"> = {
  SUCCEEDED: "succeeded",
  CANCELLED: "cancelled",
};

/** The warehouse may take this long, so that the step ends before its own time limit. */
const WAREHOUSE_LIMIT = 60_000;
const noAnswer = new Error(`the warehouse did not answer within ${WAREHOUSE_LIMIT / 1000} s`);

/**
 * Reports how the run ended: the final event, then a row in ops.runs. Orchestrator waits for the event, so a warehouse
 * that does not answer must not delay it. On one machine the warehouse is opened first: its file has one owner at a time,
 * and Orchestrator opens it as soon as the event arrives.
 */
await runJob(parametersSchema, async ({ parameters, report, log, artifactsUrl, warehouse, publisher }) => {
  const { run_id, run_date } = parameters;
  const env = parse(environment, process.env, "environment");
  const steps = await readStepReports(jobArtifacts, artifactsUrl, run_id, parameters.steps, true);
  const failed = steps.find((step) => step.status !== "succeeded");
  const status = STATUSES[parameters.status.state] ?? "failed";
  const event = runEvent.parse({
    run_id,
    run_date,
    status,
    failed_step: status === "succeeded" ? null : (failed?.step ?? null),
    reason: status === "succeeded" ? null : reasonOf(failed, parameters.status.error.message),
    finished_at: new Date().toISOString(),
    steps,
  });

  const opened = await within(WAREHOUSE_LIMIT, warehouse(), noAnswer).catch((error: Error) => error);
  await (await publisher()).publish(EVENTS, event, { run_id, status: event.status });
  log.info({ run_date, status: event.status, failed_step: event.failed_step }, `run ${event.status}`);

  try {
    if (opened instanceof Error) throw opened;
    const runs: Target = { project: opened.project, dataset: "ops", name: "runs" };
    const row = [
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
    ];
    await within(WAREHOUSE_LIMIT, opened.replaceRows(runs, { run_date, run_id }, row), noAnswer);
    report.rows["ops.runs"] = 1;
  } catch (error) {
    const warning = `The run's row in ops.runs could not be written: ${(error as Error).message}`;
    log.warn({ err: error }, warning);
    report.warnings.push(warning);
  }
});
// A warehouse that still does not answer would keep the process running.
process.exit();

function reasonOf(failed: StepReport | undefined, message: string): string {
  if (failed?.error) return failed.error;
  const reason =
    failed === undefined
      ? "No step reported an error."
      : `Step ${failed.step} reported no error: it was killed, or its machine stopped.`;
  return message === "" ? reason : `${reason} ${message}`;
}
