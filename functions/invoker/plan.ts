import { z } from "zod";
import { type Launcher, type RunState, runState } from "../../contracts/launcher.ts";
import { runRequest, runStatus } from "../../contracts/messages.ts";
import type { RetrainingSchedule } from "../../contracts/retraining.ts";
import { runDate, runId, runIdFor, runSettings } from "../../contracts/run.ts";
import { isRetrainingDue } from "./retraining.ts";

/** The query of GET /plan: a run request without a run id. */
export const planQuery = z.strictObject({
  again: z
    .enum(["yes", "no"])
    .default("no")
    .describe("Whether to run again if the last run of the date succeeded."),
  ...runRequest.omit({ run_id: true }).shape,
  retrain: runSettings.shape.retrain
    .unwrap()
    .optional()
    .describe(
      "Whether to fit a new model. Default: as the stack's schedule of retraining says; yes without one.",
    ),
});

export const runPlan = z.strictObject({
  run_id: runId,
  run_date: runDate,
  attempt: z.number().int().positive().describe("1 for the first run of the date."),
  state: z
    .enum(["new", ...runState.shape.state.options])
    .describe("new, or the state of the run that is reused, with the settings that it has."),
  request: runRequest.describe("The run request to publish."),
});
export type RunPlan = z.output<typeof runPlan>;

/**
 * The run that an Orchestrator requests for a date: its newest one if that is queued or running, or has succeeded and
 * need not run again; otherwise the next attempt. So a request that comes again starts a new run only if it must. If the
 * query does not say whether to fit a new model, the schedule of retraining decides.
 */
export async function planRun(
  launcher: Pick<Launcher, "state">,
  { again, ...query }: z.output<typeof planQuery>,
  retraining?: RetrainingSchedule,
): Promise<RunPlan> {
  const { run_date } = query;
  const isDue = retraining === undefined || isRetrainingDue(run_date, retraining);
  const settings = { ...query, retrain: query.retrain ?? (isDue ? "yes" : "no") } as const;
  const planOf = (attempt: number, state: RunPlan["state"]): RunPlan => {
    const run_id = runIdFor(run_date, attempt);
    return { run_id, run_date, attempt, state, request: { run_id, ...settings } };
  };
  let newest: RunState | undefined;
  for (let attempt = 1; ; attempt++) {
    const run = await launcher.state(runIdFor(run_date, attempt));
    if (run === undefined)
      return newest !== undefined && isReusable(newest)
        ? planOf(attempt - 1, newest.state)
        : planOf(attempt, "new");
    newest = run;
  }

  function isReusable({ state }: RunState): boolean {
    const ended = runStatus.safeParse(state).data;
    return ended === undefined || (ended === "succeeded" && again === "no");
  }
}
