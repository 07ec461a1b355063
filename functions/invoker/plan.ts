import { z } from "zod";
import type { Launcher, RunState } from "../../contracts/launcher.ts";
import { runStatus } from "../../contracts/messages.ts";
import { runDate, runId, runIdFor } from "../../contracts/run.ts";

/** The query of GET /plan. */
export const planQuery = z.strictObject({
  run_date: runDate,
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
    .describe("Whether to run the date again if a run of this slot has succeeded."),
});

export const runPlan = z.strictObject({
  run_id: runId,
  run_date: runDate,
  attempt: z.number().int().positive().describe("1 for the first run of the slot."),
});
export type RunPlan = z.output<typeof runPlan>;

/**
 * The run that an Orchestrator requests for a slot: its newest one if that is queued or running, or has succeeded and
 * need not run again; otherwise the next attempt. So a request that comes again starts a new run only if it must.
 */
export async function planRun(
  launcher: Pick<Launcher, "state">,
  { run_date, slot, again }: z.output<typeof planQuery>,
): Promise<RunPlan> {
  const planOf = (attempt: number) => ({ run_id: runIdFor(run_date, slot, attempt), run_date, attempt });
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
