import { z } from "zod";
import { stepReport } from "./step.ts";

/** State of a run, as GET /runs/{run_id} tells it. */
export const runState = z.object({
  run_id: z.string(),
  run_date: z.string(),
  state: z.enum(["running", "succeeded", "failed", "cancelled"]),
  error: z.string().nullable(),
  steps: z.array(stepReport),
});
export type RunState = z.output<typeof runState>;

/** Starts the pipeline of a run and knows how it is: Vertex AI Pipelines, or child processes on one machine. */
export interface Launcher {
  /** Starts the run's pipeline; false when a run of this id was started before, which is as good. */
  launch(runId: string, parameters: Readonly<Record<string, string | number>>): Promise<boolean>;
  /** undefined when no run of this id was ever launched. */
  state(runId: string): Promise<RunState | undefined>;
  cancel(runId: string): Promise<void>;
}
