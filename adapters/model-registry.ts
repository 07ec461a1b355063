import { GoogleAuth } from "google-auth-library";
import { z } from "zod";
import { poll } from "../lib/poll.ts";
import { parse, UserError } from "../lib/user-error.ts";
import { withRetries } from "./retry.ts";
import { REQUEST_TIMEOUT } from "./vertex-ai.ts";

/** A version of the model in Vertex AI Model Registry. */
export interface ModelVersion {
  readonly model_id: string;
  readonly family: string;
  /** Date of the run that fitted it, YYYY-MM-DD. */
  readonly run_date: string;
  /** gs: URL of the folder with its files. */
  readonly files: string;
  /** Image that fitted it. The registry requires one, to deploy the model with; these images serve no requests. */
  readonly image: string;
}

export interface RegistryOptions {
  readonly project: string;
  readonly region: string;
  /** Name of the model, whose versions are the champions. */
  readonly name: string;
  /** Milliseconds to wait until the new version has the alias. @default 120000 */
  readonly timeLimit?: number;
  /** @default the regional endpoint of Vertex AI */
  readonly endpoint?: string;
  /** @default the account of this process */
  readonly auth?: Pick<GoogleAuth, "request">;
}

const ALIAS = "champion";

/** The fields of a Model that are read: cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models */
const registered = z.object({ labels: z.object({ model_id: z.string() }).partial().default({}) });

/**
 * Makes a champion the version with the alias `champion`, unless it is: its alias moves from the version before
 * (cloud.google.com/vertex-ai/docs/model-registry/model-alias).
 * @throws Error when Vertex AI refuses it. UserError when the version does not appear within the time limit.
 */
export async function registerChampion(
  { model_id, family, run_date, files, image }: ModelVersion,
  { project, region, name, timeLimit = 120_000, ...options }: RegistryOptions,
): Promise<void> {
  const { endpoint = `https://${region}-aiplatform.googleapis.com` } = options;
  const auth = options.auth ?? new GoogleAuth({ scopes: "https://www.googleapis.com/auth/cloud-platform" });
  const models = `projects/${project}/locations/${region}/models`;

  /** The model of the version with the alias; undefined when there is no version. */
  async function champion(): Promise<string | undefined> {
    const { status, data } = await withRetries(() =>
      auth.request<unknown>({
        url: `${endpoint}/v1/${models}/${name}@${ALIAS}`,
        timeout: REQUEST_TIMEOUT,
        validateStatus: (status) => status === 200 || status === 404,
      }),
    );
    if (status === 404) return undefined;
    return parse(registered, data, `Vertex AI's answer about the model ${name}`).labels.model_id ?? "";
  }

  const before = await champion();
  if (before === model_id) return;
  // Not sent again, because each request makes a version.
  await auth.request({
    url: `${endpoint}/v1/${models}:upload`,
    method: "POST",
    timeout: REQUEST_TIMEOUT,
    data: {
      ...(before === undefined ? { modelId: name } : { parentModel: `${models}/${name}` }),
      model: {
        displayName: name,
        versionAliases: [ALIAS],
        versionDescription: `${model_id}, fitted by the run of ${run_date}`,
        artifactUri: files,
        containerSpec: { imageUri: image },
        labels: { model_id, family, run_date },
      },
    },
  });
  const isThere = async () => ((await champion()) === model_id ? true : undefined);
  if ((await poll(isThere, { timeLimit, pollInterval: timeLimit / 60 })) === undefined)
    throw new UserError(`The model ${model_id} is not in Vertex AI after ${timeLimit / 1000} s.`, {
      remedy: `Look at the versions of the model ${name} in Model Registry, and run the date again.`,
    });
}
