import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { z } from "zod";
import { fileArtifacts } from "../adapters/artifacts.ts";
import { openPublisher } from "../adapters/publisher.ts";
import { openWarehouse } from "../adapters/warehouse.ts";
import type { Publisher } from "../contracts/messages.ts";
import { runId } from "../contracts/run.ts";
import { type StepReport, stepReportUrl, stepStarted } from "../contracts/step.ts";
import type { Warehouse } from "../contracts/warehouse.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { formatError, parse, UserError } from "../lib/user-error.ts";

const artifactList = z.object({ artifacts: z.array(z.object({ uri: z.string() })) });

/** What KFP gives to a container in place of {{$}}: ExecutorInput of pipeline_spec.proto, as JSON. */
const executorInput = z.object({
  inputs: z
    .object({
      parameterValues: z.record(z.string(), z.unknown()).default({}),
      artifacts: z.record(z.string(), artifactList).default({}),
    })
    .prefault({}),
  outputs: z
    .object({
      artifacts: z.record(z.string(), artifactList).default({}),
      outputFile: z.string(),
    })
    .describe("Where outputs go."),
});

/** What every step is told, whatever else it needs. */
const common = z.object({ step: z.string(), run_id: runId, run_date: z.iso.date() });

const environment = z.object({
  WAREHOUSE_URL: z.string().describe("Where the tables are."),
  MESSENGER_URL: z.string().describe("Where events go."),
  ARTIFACTS_URL: z.string().describe("Where files of runs are kept."),
  TIME_LIMIT_SECONDS: z.coerce.number().positive().describe("A step that takes longer has failed."),
});

/** What a job works with. */
export interface Step<P> {
  readonly parameters: P & z.output<typeof common>;
  readonly report: StepReport;
  readonly log: Logger;
  readonly artifactsUrl: string;
  /** Opens the warehouse; it is closed when the step ends. */
  warehouse(): Promise<Warehouse>;
  /** Opens the Messenger to send to; it is closed when the step ends. */
  publisher(): Promise<Publisher>;
  /** Writes an output artifact of the step. */
  writeArtifact(name: string, text: string): Promise<void>;
}

/**
 * Runs one step by the job protocol: `--executor-input JSON` in; output parameters and artifacts, a step report and log
 * lines out; exit code 0 when it was done, 1 when not. The work adds to step.report what it did; the parameters in
 * report.outputs become the step's output parameters.
 */
export async function runJob<S extends z.ZodType>(
  schema: S,
  work: (step: Step<z.output<S>>) => Promise<void>,
): Promise<void> {
  const { values } = parseArgs({ options: { "executor-input": { type: "string" } } });
  const input = parse(executorInput, json(values["executor-input"]), "--executor-input");
  const env = parse(environment, process.env, "environment");
  const given = parse(common, input.inputs.parameterValues, "parameters");
  const log = createLogger({ component: "job", step: given.step, run_id: given.run_id });
  const reportUrl = stepReportUrl(env.ARTIFACTS_URL, given.run_id, given.step);
  const report = stepStarted(given.step);
  const open: { close(): Promise<void> }[] = [];

  const finish = async (error: unknown): Promise<void> => {
    report.status = error === undefined ? "succeeded" : "failed";
    report.finished_at = new Date().toISOString();
    report.error = error === undefined ? null : formatError(error);
    await fileArtifacts.write(reportUrl, JSON.stringify(report, null, 2));
    if (error === undefined) {
      const outputs = { parameterValues: report.outputs };
      await fileArtifacts.write(pathToFileURL(input.outputs.outputFile).href, JSON.stringify(outputs));
      log.info({ rows: report.rows }, `${given.step} succeeded`);
    } else {
      log.error({ err: error }, `${given.step} failed: ${report.error}`);
      process.exitCode = 1;
    }
  };
  const tooLate = new Error(`the step took longer than its limit of ${env.TIME_LIMIT_SECONDS} s`);
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(() => limit.reject(tooLate), env.TIME_LIMIT_SECONDS * 1000);

  try {
    await fileArtifacts.write(reportUrl, JSON.stringify(report, null, 2));
    log.info(`${given.step} of ${given.run_date} started`);
    const done = work({
      parameters: {
        ...given,
        ...(parse(schema, input.inputs.parameterValues, "parameters") as object),
      } as Step<z.output<S>>["parameters"],
      report,
      log,
      artifactsUrl: env.ARTIFACTS_URL,
      async warehouse() {
        const warehouse = await openWarehouse(env.WAREHOUSE_URL, {
          labels: { run_id: given.run_id, step: given.step },
        });
        open.push(warehouse);
        return warehouse;
      },
      async publisher() {
        const publisher = await openPublisher(env.MESSENGER_URL);
        open.push(publisher);
        return publisher;
      },
      async writeArtifact(name, text) {
        const uri = input.outputs.artifacts[name]?.artifacts[0]?.uri;
        if (uri === undefined)
          throw new Error(`the pipeline declares no output artifact ${name} of ${given.step}`);
        await fileArtifacts.write(uri, text);
      },
    });
    await Promise.race([done, limit.promise]);
    await finish(undefined);
  } catch (error) {
    // Where there is no room for the report, the log line is the last word.
    await finish(error).catch(() => {
      log.error({ err: error }, `${given.step} failed: ${formatError(error)}`);
      process.exitCode = 1;
    });
    // What hangs can't be closed.
    if (error === tooLate) process.exit();
  } finally {
    clearTimeout(timer);
    await Promise.all(open.map((opened) => opened.close()));
  }
}

function json(text = "{}"): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UserError("--executor-input is not JSON.", { cause });
  }
}
