import { z } from "zod";
import { stepReport } from "./step.ts";

/** State of a run, as GET /runs/{run_id} returns it. */
export const runState = z.object({
  run_id: z.string(),
  run_date: z.string(),
  state: z
    .enum(["queued", "running", "succeeded", "failed", "cancelled"])
    .describe("queued: the run starts when an earlier run ends."),
  error: z.string().nullable().describe("Why the run failed or was cancelled."),
  steps: z.array(stepReport).describe("The steps that started, in order."),
});
export type RunState = z.output<typeof runState>;

/** Starts runs of the pipeline and knows their state: Vertex AI Pipelines, or child processes on one machine. */
export interface Launcher {
  /** Starts the run's pipeline. Returns false when a run of this id was launched before, which is a success too. */
  launch(runId: string, parameters: Readonly<Record<string, string | number>>): Promise<boolean>;
  /** Returns undefined when no run of this id was launched. */
  state(runId: string): Promise<RunState | undefined>;
}
