import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import type { WorkflowPlan } from "../../components/workflows-orchestrator.ts";
import { pythonEnvironment } from "../../local/runtime/python.ts";

const here = import.meta.dirname;

const logLine = z.object({ severity: z.string(), payload: z.unknown() });
const end = z.discriminatedUnion("state", [
  z.object({ state: z.literal("SUCCEEDED"), result: z.unknown() }),
  z.object({ state: z.literal("FAILED"), error: z.unknown() }),
]);

/** How an execution ended, and what it logged. */
export type Execution = z.output<typeof end> & { readonly log: readonly z.output<typeof logLine>[] };

/** Base URLs in place of those of Google's APIs. */
export interface Endpoints {
  readonly pubsub: string;
  readonly bigquery: string;
}

/** Runs a workflow in an emulator of Workflows. @throws Error when the emulator fails. */
export async function runWorkflow(
  { source, environment }: WorkflowPlan,
  endpoints: Endpoints,
  argument: unknown = null,
): Promise<Execution> {
  const settings = environment.SETTINGS.replace("https://pubsub.googleapis.com", endpoints.pubsub);
  const bin = await pythonEnvironment("workflows", "3.11", join(here, "requirements.lock"));
  const folder = mkdtempSync(join(tmpdir(), "workflow-"));
  const file = join(folder, "workflow.yaml");
  writeFileSync(file, source);
  try {
    const { stdout } = await promisify(execFile)(
      join(bin, "python"),
      [join(here, "run_workflow.py"), file, JSON.stringify(argument)],
      {
        env: {
          ...process.env,
          ...environment,
          SETTINGS: settings.replace("https://bigquery.googleapis.com", endpoints.bigquery),
          GOOGLE_CLOUD_WORKFLOW_ID: "orchestrator",
          GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID: "execution-1",
        },
        maxBuffer: 2 ** 26,
        timeout: 900_000,
      },
    );
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    return { ...end.parse(lines.pop()), log: z.array(logLine).parse(lines) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
