import { once } from "node:events";
import { z } from "zod";
import { CloudStorageArtifacts } from "../../adapters/cloud-storage.ts";
import { VertexAiLauncher } from "../../adapters/vertex-ai.ts";
import { retrainingSchedule } from "../../contracts/retraining.ts";
import { json } from "../../lib/json.ts";
import { createLogger } from "../../lib/log.ts";
import { formatError, parse, UserError } from "../../lib/user-error.ts";
import { createServer } from "./server.ts";

const environment = z.object({
  PORT: z.coerce.number().int().min(0).max(65535).default(8080),
  LAUNCHER_URL: z
    .string()
    .regex(/^vertex-ai:\/\/[^/]+\/[^/]+$/, "must be vertex-ai://project/region")
    .describe("Where pipelines run."),
  PIPELINE_SPEC_URL: z.string().startsWith("gs://").describe("The pipeline: a PipelineSpec as JSON."),
  ARTIFACTS_URL: z.string().startsWith("gs://").describe("Folder of the runs' files."),
  JOBS_SERVICE_ACCOUNT: z.email().describe("Service account of the jobs."),
  RETRAINING: json(retrainingSchedule)
    .optional()
    .describe("When runs fit a new model, as JSON. Default: in each run."),
});

/** The invoker on Cloud Run. On SIGTERM it finishes the current requests, then ends. */
const log = createLogger({ component: "invoker" });
try {
  const env = parse(environment, process.env, "environment");
  const [project = "", region = ""] = env.LAUNCHER_URL.replace("vertex-ai://", "").split("/");
  const launcher = new VertexAiLauncher({
    project,
    region,
    serviceAccount: env.JOBS_SERVICE_ACCOUNT,
    pipelineSpecUrl: env.PIPELINE_SPEC_URL,
    artifactsUrl: env.ARTIFACTS_URL,
    artifacts: new CloudStorageArtifacts(),
  });
  const server = createServer({ launcher, log, ...(env.RETRAINING && { retraining: env.RETRAINING }) });
  server.listen(env.PORT);
  await once(server, "listening");
  log.info({ address: server.address() }, "serving");
  process.once("SIGTERM", () => server.close());
} catch (error) {
  log.fatal(error instanceof UserError ? formatError(error) : { err: error });
  process.exitCode = 1;
}
