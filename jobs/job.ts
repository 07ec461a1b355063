import { parseArgs } from "node:util";
import { z } from "zod";
import { artifactUrl, jobArtifacts } from "../adapters/artifacts.ts";
import { openPublisher } from "../adapters/publisher.ts";
import { openWarehouse } from "../adapters/warehouse.ts";
import type { Publisher } from "../contracts/messages.ts";
import { runId } from "../contracts/run.ts";
import { type StepReport, stepReportUrl, stepStarted } from "../contracts/step.ts";
import type { Warehouse } from "../contracts/warehouse.ts";
import { json } from "../lib/json.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { mapValues } from "../lib/map-values.ts";
import { formatError, parse } from "../lib/user-error.ts";
import { within } from "../lib/within.ts";

const artifactsByName = z
  .record(z.string(), z.object({ artifacts: z.array(z.object({ uri: z.string() })) }))
  .default({})
  .transform((artifacts) => mapValues(artifacts, ({ artifacts: [first] }) => first?.uri ?? ""));
/** The value of {{$}} in a container's arguments: ExecutorInput of pipeline_spec.proto, as JSON. */
const executorInput = z.object({
  inputs: z
    .object({ parameterValues: z.record(z.string(), z.unknown()).default({}), artifacts: artifactsByName })
    .prefault({}),
  outputs: z
    .object({
      artifacts: artifactsByName,
      outputFile: z.string(),
    })
    .describe("Where the step writes its outputs."),
});

/** Parameters of every step. */
const commonParameters = z.object({ step: z.string(), run_id: runId, run_date: z.iso.date() });

const environment = z.object({
  ARTIFACTS_URL: z
    .string()
    .transform((url) => url.replace(/\/$/, ""))
    .describe("Folder of the runs' files."),
  TIME_LIMIT_SECONDS: z.coerce.number().positive().describe("A step that takes longer fails."),
});

type Urls = Readonly<Record<string, string>>;

/** What a job works with. */
export interface Step<P> {
  readonly parameters: P & z.output<typeof commonParameters>;
  /** The work adds rows, warnings and outputs to it. */
  readonly report: StepReport;
  readonly log: Logger;
  /** Without a slash at the end. */
  readonly artifactsUrl: string;
  /** URLs of the artifacts that the step reads and writes, by name. */
  readonly artifactUrls: { readonly inputs: Urls; readonly outputs: Urls };
  /** Opens the warehouse. It is closed when the step ends. */
  warehouse(): Promise<Warehouse>;
  /** Connects to Messenger. The connection is closed when the step ends. */
  publisher(): Promise<Publisher>;
  /** Writes an output artifact of the step. @throws Error when the pipeline does not declare it. */
  writeArtifact(name: string, text: string): Promise<void>;
  /** Writes a file below ARTIFACTS_URL. Those in runs/ expire, others do not. */
  writeFile(path: string, text: string): Promise<void>;
}

/**
 * Runs one step by the job protocol: `--executor-input JSON` in; output parameters, artifacts, a step report and log
 * lines out; exit code 0 for success, 1 for failure. report.outputs are the step's output parameters.
 * @param schema the step's own parameters
 * @throws UserError for invalid input; a failure of the work is reported, not thrown
 */
export async function runJob<S extends z.ZodType<object>>(
  schema: S,
  work: (step: Step<z.output<S>>) => Promise<void>,
): Promise<void> {
  const { values } = parseArgs({ options: { "executor-input": { type: "string", default: "{}" } } });
  const input = parse(json(executorInput), values["executor-input"], "--executor-input");
  const env = parse(environment, process.env, "environment");
  const { parameterValues } = input.inputs;
  const common = parse(commonParameters, parameterValues, "parameters");
  const { step, run_id, run_date } = common;
  // Vertex AI logs each line of stderr as an error.
  const log = createLogger({ component: "job", step, run_id }, "info", process.stdout);
  const report = stepStarted(step);
  const writeReport = (): Promise<void> =>
    jobArtifacts.write(stepReportUrl(env.ARTIFACTS_URL, run_id, step), JSON.stringify(report, null, 2));
  const resources = new AsyncDisposableStack();
  const close = (resource: { close(): Promise<void> }): Promise<void> => resource.close();

  const succeed = async (): Promise<void> => {
    Object.assign(report, { status: "succeeded", finished_at: new Date().toISOString() });
    await writeReport();
    const outputs = { parameterValues: report.outputs };
    await jobArtifacts.write(artifactUrl(input.outputs.outputFile), JSON.stringify(outputs));
    log.info({ rows: report.rows }, `${step} succeeded`);
  };
  const fail = async (error: unknown): Promise<void> => {
    process.exitCode = 1;
    Object.assign(report, {
      status: "failed",
      finished_at: new Date().toISOString(),
      error: formatError(error),
    });
    await writeReport().catch((cause) => log.error({ err: cause }, "the step report can't be written"));
    log.error({ err: error }, `${step} failed: ${report.error}`);
  };
  const tooLate = new Error(`the step took longer than its limit of ${env.TIME_LIMIT_SECONDS} s`);

  try {
    await writeReport();
    log.info(`${step} of ${run_date} started`);
    const done = work({
      parameters: { ...common, ...parse(schema, parameterValues, "parameters") },
      report,
      log,
      artifactsUrl: env.ARTIFACTS_URL,
      artifactUrls: { inputs: input.inputs.artifacts, outputs: input.outputs.artifacts },
      async warehouse() {
        const { WAREHOUSE_URL = "" } = process.env;
        // A step of another run can have the file of a large shop open for minutes. Half of the time is for the work.
        const options = { labels: { run_id, step }, lockTimeout: env.TIME_LIMIT_SECONDS * 500 };
        return resources.adopt(await openWarehouse(WAREHOUSE_URL, options), close);
      },
      async publisher() {
        return resources.adopt(await openPublisher(process.env.MESSENGER_URL ?? ""), close);
      },
      async writeArtifact(name, text) {
        const uri = input.outputs.artifacts[name];
        if (uri === undefined) throw new Error(`the pipeline declares no output artifact ${name} of ${step}`);
        await jobArtifacts.write(uri, text);
      },
      writeFile: (path, text) => jobArtifacts.write(`${env.ARTIFACTS_URL}/${path}`, text),
    });
    await within(env.TIME_LIMIT_SECONDS * 1000, done, tooLate);
    await succeed();
  } catch (error) {
    await fail(error);
    // Work that hangs holds its resources, so closing them would hang too.
    if (error === tooLate) process.exit();
  } finally {
    await resources.disposeAsync();
  }
}
