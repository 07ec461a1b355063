import { z } from "zod";
import type { registerChampion } from "../../adapters/model-registry.ts";
import { json } from "../../lib/json.ts";
import { formatError, parse } from "../../lib/user-error.ts";
import type { Step } from "../job.ts";
import type { NewChampion } from "./train.ts";

const environment = z.object({
  MODEL_REGISTRY_URL: z
    .string()
    .regex(/^vertex-ai:\/\/[^/]+\/[^/]+\/[^/]+$/, "must be vertex-ai://project/region/model")
    .optional()
    .describe("Where champions are registered. Default: nowhere."),
  IMAGES: json(z.record(z.string(), z.string()))
    .default({})
    .describe("Images of the jobs by digest, as JSON."),
});

/** The client takes a while to load: on one machine no job needs it. */
const registerInVertexAi: typeof registerChampion = async (version, options) =>
  await (await import("../../adapters/model-registry.ts")).registerChampion(version, options);

/**
 * Registers a new champion, if there is one and MODEL_REGISTRY_URL is set. A registry that refuses it is a warning of the
 * step, because no run reads it.
 * @throws UserError for an invalid environment
 */
export async function registerNewChampion(
  { parameters, artifactsUrl, report }: Step<object>,
  champion: NewChampion | undefined,
  variables: NodeJS.ProcessEnv,
  register = registerInVertexAi,
): Promise<void> {
  const { MODEL_REGISTRY_URL: url, IMAGES: images } = parse(environment, variables, "environment");
  if (url === undefined || champion === undefined) return;
  const [project = "", region = "", name = ""] = url.replace("vertex-ai://", "").split("/");
  const { model_id, family } = champion;
  try {
    await register(
      {
        ...{ model_id, family, run_date: parameters.run_date },
        files: `${artifactsUrl}/${champion.files}`,
        image: images[family] ?? images.clv ?? "",
      },
      { project, region, name },
    );
  } catch (error) {
    report.warnings.push(
      `The champion ${model_id} is not in Vertex AI Model Registry. ${formatError(error)}`,
    );
  }
}
