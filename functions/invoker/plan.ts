import { z } from "zod";
import type { Launcher, RunState } from "../../contracts/launcher.ts";
import { runRequest, runStatus } from "../../contracts/messages.ts";
import { runDate, runId, runIdFor } from "../../contracts/run.ts";

/** The query of GET /plan: a run request without a run id, and what it is for. */
export const planQuery = z.strictObject({
  slot: z
    .string()
    .min(1)
    .max(250)
    .describe(
      "What the run is for, for example a slot of the schedule. The same slot gives the same run ids.",
    ),
  again: z
    .enum(["yes", "no"])
    .default("no")
    .describe("Whether to run again if the last run of the slot succeeded."),
  ...runRequest.omit({ run_id: true }).shape,
});

export const runPlan = z.strictObject({
  run_id: runId,
  run_date: runDate,
  attempt: z.number().int().positive().describe("1 for the first run of the slot."),
  request: runRequest.describe("The run request to publish."),
});
export type RunPlan = z.output<typeof runPlan>;

/**
 * The run that an Orchestrator requests for a slot: its newest one if that is queued or running, or has succeeded and
 * need not run again; otherwise the next attempt. So a request that comes again starts a new run only if it must.
 */
export async function planRun(
  launcher: Pick<Launcher, "state">,
  { slot, again, ...settings }: z.output<typeof planQuery>,
): Promise<RunPlan> {
  const { run_date } = settings;
  const planOf = (attempt: number): RunPlan => {
    const run_id = runIdFor(run_date, slot, attempt);
    return { run_id, run_date, attempt, request: { run_id, ...settings } };
  };
  let newest: RunState | undefined;
  for (let attempt = 1; ; attempt++) {
    const run = await launcher.state(planOf(attempt).run_id);
    if (run === undefined) return planOf(newest !== undefined && isReusable(newest) ? attempt - 1 : attempt);
    newest = run;
  }

  function isReusable({ state }: RunState): boolean {
    const ended = runStatus.safeParse(state).data;
    return ended === undefined || (ended === "succeeded" && again === "no");
  }
}
