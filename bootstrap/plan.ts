import { type Identity, planNames } from "../components/names.ts";
import type { Settings } from "../components/settings.ts";
import { planState } from "../components/state.ts";

/** Something that is made once, before or after the stack. */
export interface BootstrapStep {
  readonly title: string;
  /** Succeeds when the step is done already. */
  readonly unless?: readonly string[];
  readonly command: readonly string[];
}

/** APIs that the stack's resources are made with, and what for. */
export const APIS: Readonly<Record<string, string>> = {
  "aiplatform.googleapis.com": "runs the pipeline",
  "artifactregistry.googleapis.com": "keeps the images",
  "bigquery.googleapis.com": "keeps the tables",
  "billingbudgets.googleapis.com": "tells of costs",
  "cloudkms.googleapis.com": "has the key of the stack's secrets",
  "cloudresourcemanager.googleapis.com": "grants rights on the project",
  "composer.googleapis.com": "runs Airflow",
  "iam.googleapis.com": "has the service accounts and roles",
  "iamcredentials.googleapis.com": "gives workflows tokens in place of keys",
  "logging.googleapis.com": "counts runs by their log lines",
  "monitoring.googleapis.com": "raises alerts",
  "pubsub.googleapis.com": "delivers messages",
  "run.googleapis.com": "runs the invoker",
  "serviceusage.googleapis.com": "makes service agents",
  "storage.googleapis.com": "keeps the stack's state and the files of runs",
  "sts.googleapis.com": "takes the workflows' identity",
};

/** What has to be done once for a stack, in order. */
export function planBootstrap(stack: string, settings: Settings, app: string): readonly BootstrapStep[] {
  const { project, region, environment, githubRepository } = settings;
  const identity: Identity = { app, environment, project };
  const { backendUrl, keyRing, key, secretsProvider } = planState(identity, region);
  const kms =
    (kind: string, name: string, ...more: string[]) =>
    (verb: string) => [
      ...["gcloud", "kms", kind, verb, name, "--location", region, "--project", project],
      ...more,
    ];
  const ring = kms("keyrings", keyRing);
  const stateKey = kms("keys", key, "--keyring", keyRing);
  const steps: BootstrapStep[] = [
    {
      title: "Turn on the APIs",
      command: ["gcloud", "services", "enable", ...Object.keys(APIS), "--project", project],
    },
    {
      title: "Make the bucket of the stack's state",
      unless: ["gcloud", "storage", "buckets", "describe", backendUrl],
      command: [
        ...["gcloud", "storage", "buckets", "create", backendUrl, "--project", project, "--location", region],
        ...["--uniform-bucket-level-access", "--public-access-prevention"],
      ],
    },
    {
      title: "Keep old versions of the state",
      command: ["gcloud", "storage", "buckets", "update", backendUrl, "--versioning"],
    },
    { title: "Make the key ring", unless: ring("describe"), command: ring("create") },
    {
      title: "Make the key of the stack's secrets",
      unless: stateKey("describe"),
      command: [
        ...stateKey("create"),
        "--purpose",
        "encryption",
        "--rotation-period",
        "90d",
        "--next-rotation-time",
        "+p90d",
      ],
    },
    { title: "Keep the state there", command: ["pulumi", "login", backendUrl] },
    {
      title: "Make the stack",
      unless: ["pulumi", "stack", "select", stack],
      command: ["pulumi", "stack", "init", stack, "--secrets-provider", secretsProvider],
    },
    {
      title: "Let Docker push to the stack's repository",
      command: ["gcloud", "auth", "configure-docker", `${region}-docker.pkg.dev`, "--quiet"],
    },
    {
      title: "Deploy",
      command: ["pulumi", "up", "--stack", stack, "--policy-pack", "policy"],
    },
  ];
  if (githubRepository === undefined) return steps;
  const accounts = planNames(identity).serviceAccounts;
  const email = (name: string) => `${name}@${project}.iam.gserviceaccount.com`;
  const suffix = stack.toUpperCase().replaceAll("-", "_");
  const pool = `locations/global/workloadIdentityPools/${planNames(identity).identityPools.github}/providers/github`;
  const variables: Readonly<Record<string, string>> = {
    PULUMI_BACKEND_URL: backendUrl,
    REGION: region,
    DEPLOY_ACCOUNT: email(accounts.deploy),
    PREVIEW_ACCOUNT: email(accounts.preview),
  };
  return [
    ...steps,
    ...Object.entries(variables).map(([name, value]) => ({
      title: `Tell the workflows: ${name}`,
      command: ["gh", "variable", "set", `${name}_${suffix}`, "--repo", githubRepository, "--body", value],
    })),
    {
      title: "Tell the workflows: WORKLOAD_IDENTITY_PROVIDER",
      command: [
        "sh",
        "-c",
        `gh variable set WORKLOAD_IDENTITY_PROVIDER_${suffix} --repo ${githubRepository} --body "projects/$(gcloud projects describe ${project} --format 'value(projectNumber)')/${pool}"`,
      ],
    },
  ];
}
