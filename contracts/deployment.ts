import { z } from "zod";
import { dagSettings } from "./dag-settings.ts";

/** The stack's output `deployment`: what `npm run smoke` needs to know. */
export const deployment = z.object({
  /** The settings of the DAG and of the workflow. */
  settings: dagSettings,
  orders: z.object({ project: z.string(), dataset: z.string(), table: z.string() }),
  /** Dead letters: run requests that the invoker refuses. */
  deadLetters: z.object({ topic: z.string(), subscription: z.string() }),
  /** Name of the workflow, or of the environment of Composer that has the DAG. */
  orchestrator: z.object({ kind: z.enum(["workflows", "composer"]), name: z.string() }),
  /** Filters of Cloud Monitoring for the metrics that the alerts watch, by their subject. */
  signals: z.record(z.string(), z.string()),
});
export type Deployment = z.output<typeof deployment>;
