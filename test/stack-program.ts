/** Test support: runs index.ts against mocks. */
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { load } from "js-yaml";
import { type RecordedResource, type Recording, record } from "./recording-mocks.ts";

export type Stack = "dev" | "prod";
type Settings = Readonly<Record<string, string>>;
type Outputs = Readonly<Record<string, unknown>>;

export interface StackProgram extends Recording<Promise<Outputs>> {
  readonly outputs: Outputs;
  /** The package and the provider's URN of every resource, once each. */
  readonly providers: ReadonlySet<string>;
}

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;
const yaml = (file: string) => load(readFileSync(new URL(`../${file}`, import.meta.url), "utf8"));

interface ProjectFile {
  readonly name: string;
  readonly config: Readonly<Record<string, { readonly default?: unknown }>>;
}
const projectFile = yaml("Pulumi.yaml") as ProjectFile;

/** Properties that only Google Cloud knows. */
function outputsOf({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  switch (type) {
    case "gcp:serviceaccount/account:Account": {
      const email = `${inputs.accountId}@p.iam.gserviceaccount.com`;
      return { email, name: `projects/p/serviceAccounts/${email}`, member: `serviceAccount:${email}` };
    }
    case "gcp:projects/serviceIdentity:ServiceIdentity":
      return {
        member: `serviceAccount:service-1@gcp-sa-${inputs.service.split(".")[0]}.iam.gserviceaccount.com`,
      };
    case "gcp:projects/iAMCustomRole:IAMCustomRole":
      return { name: `projects/p/roles/${inputs.roleId}` };
    case "gcp:cloudrunv2/service:Service":
      return { uri: "https://invoker-abc.a.run.app" };
    case "docker:index/image:Image":
      return { repoDigest: `${String(inputs.imageName).replace(/:[^/]*$/, "")}@${DIGEST}` };
    case "gcp:composer/environment:Environment":
      return { config: { ...inputs.config, dagGcsPrefix: "gs://composer-bucket/dags" } };
    case "gcp:iam/workloadIdentityPool:WorkloadIdentityPool":
      return { name: `projects/1/locations/global/workloadIdentityPools/${inputs.workloadIdentityPoolId}` };
    case "gcp:monitoring/notificationChannel:NotificationChannel":
      return { name: `projects/p/notificationChannels/${inputs.displayName}` };
    default:
      return {};
  }
}

/** Settings as Pulumi passes them to the program: the defaults of Pulumi.yaml, then the given ones. */
function withDefaults(project: string, settings: Readonly<Record<string, unknown>>): Settings {
  const defaults = Object.entries(projectFile.config).map(([key, { default: value }]) => [
    `${project}:${key}`,
    value,
  ]);
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return Object.fromEntries(
    [...defaults, ...Object.entries(settings)].flatMap(([key, value]) =>
      value === undefined ? [] : [[key, text(value)]],
    ),
  );
}

/** The settings in the file of a stack. */
export const settingsOf = (stack: Stack): Settings =>
  (yaml(`Pulumi.${stack}.yaml`) as { config: Settings }).config;

let loads = 0;

/** Runs the program as Pulumi does, with the settings of the stack's file and those that are given. */
export async function runStack(
  stack: Stack,
  {
    preview = false,
    project = projectFile.name,
    settings = settingsOf(stack),
  }: { preview?: boolean; project?: string; settings?: Settings } = {},
): Promise<StackProgram> {
  const providers = new Set<string>();
  const recording = await record(
    () => {
      pulumi.runtime.setAllConfig(withDefaults(project, settings));
      // A new query makes Node load the module again.
      return import(`../index.ts?${loads++}`) as Promise<Outputs>;
    },
    (resource) => {
      if (resource.custom) providers.add(`${resource.type.split(":")[0]} ${resource.provider ?? ""}`);
      // The bucket of a Composer environment is unknown in a preview, which the mocks cannot express.
      return preview && !resource.type.startsWith("gcp:composer") ? {} : outputsOf(resource);
    },
    { project, stack, preview },
  );
  return { ...recording, outputs: await recording.result, providers };
}

/** The resources of a recording, without components and providers. */
export const resourcesIn = ({ resources }: Recording<unknown>): readonly RecordedResource[] =>
  resources.filter(({ type }) => !/^(pulumi|customer-value):/.test(type));
