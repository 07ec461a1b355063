import { planNames } from "../components/names.ts";
import type { Settings } from "../components/settings.ts";
import { planState } from "../components/state.ts";

/** A command that a person runs once for a stack. Commands are text for a shell. */
export interface BootstrapStep {
  readonly title: string;
  /** A command that succeeds when the step is already done. */
  readonly unless?: string;
  readonly command: string;
}

/** APIs that the stack's resources need, and their use. */
export const APIS: Readonly<Record<string, string>> = {
  "aiplatform.googleapis.com": "runs the pipeline",
  "artifactregistry.googleapis.com": "stores the images",
  "bigquery.googleapis.com": "stores the tables",
  "billingbudgets.googleapis.com": "watches the budget",
  "cloudquotas.googleapis.com": "raises quotas",
  "compute.googleapis.com": "lists regions, and has Vertex AI's machines",
  "cloudkms.googleapis.com": "holds the key of the stack's secrets",
  "cloudscheduler.googleapis.com": "starts the workflow",
  "cloudresourcemanager.googleapis.com": "grants rights on the project",
  "composer.googleapis.com": "runs Airflow",
  "iam.googleapis.com": "has the service accounts and roles",
  "iamcredentials.googleapis.com": "gives tokens to workflows, so that they need no keys",
  "logging.googleapis.com": "counts runs by their log lines",
  "monitoring.googleapis.com": "raises alerts",
  "pubsub.googleapis.com": "delivers messages",
  "run.googleapis.com": "runs the invoker",
  "serviceusage.googleapis.com": "creates service agents",
  "storage.googleapis.com": "stores the stack's state and the files of runs",
  "sts.googleapis.com": "accepts the identity of workflows",
  "workflowexecutions.googleapis.com": "starts executions of the workflow",
  "workflows.googleapis.com": "runs the workflow",
};

/** Limit of services.batchEnable, which refuses more: cloud.google.com/service-usage/docs/reference/rest/v1/services/batchEnable */
const APIS_PER_CALL = 20;

/** What a person does once for a stack, in order. */
export function planBootstrap(stack: string, settings: Settings, app: string): readonly BootstrapStep[] {
  const { project, region, environment, github } = settings;
  const identity = { app, environment, project };
  const { backendUrl, keyRing, key, secretsProvider } = planState(identity, region);
  const kms = (command: string) => `gcloud kms ${command} --location ${region} --project ${project}`;
  const steps: readonly BootstrapStep[] = [
    {
      title: "Turn on the APIs",
      command: inGroups(Object.keys(APIS), APIS_PER_CALL)
        .map((apis) => `gcloud services enable ${apis.join(" ")} --project ${project}`)
        .join(" && "),
    },
    {
      title: "Create the bucket of the stack's state",
      unless: `gcloud storage buckets describe ${backendUrl}`,
      command: `gcloud storage buckets create ${backendUrl} --project ${project} --location ${region} --uniform-bucket-level-access --public-access-prevention`,
    },
    {
      title: "Keep old versions of the state",
      command: `gcloud storage buckets update ${backendUrl} --versioning`,
    },
    {
      title: "Create the key ring",
      unless: kms(`keyrings describe ${keyRing}`),
      command: kms(`keyrings create ${keyRing}`),
    },
    {
      title: "Create the key of the stack's secrets",
      unless: kms(`keys describe ${key} --keyring ${keyRing}`),
      command: kms(
        `keys create ${key} --keyring ${keyRing} --purpose encryption --rotation-period 90d --next-rotation-time +p90d`,
      ),
    },
    { title: "Use the bucket for the state", command: `pulumi login ${backendUrl}` },
    {
      title: "Create the stack",
      unless: `pulumi stack select ${stack}`,
      command: `pulumi stack init ${stack} --secrets-provider ${secretsProvider}`,
    },
    {
      title: "Let Docker push to the stack's repository",
      command: `gcloud auth configure-docker ${region}-docker.pkg.dev --quiet`,
    },
    { title: "Deploy", command: `pulumi up --stack ${stack} --policy-pack policy` },
  ];
  if (github === undefined) return steps;
  const { serviceAccounts, identityPools } = planNames(identity);
  const suffix = stack.toUpperCase().replaceAll("-", "_");
  const number = `$(gcloud projects describe ${project} --format 'value(projectNumber)')`;
  const variables: Readonly<Record<string, string>> = {
    PULUMI_BACKEND_URL: backendUrl,
    REGION: region,
    DEPLOY_ACCOUNT: `${serviceAccounts.deploy}@${project}.iam.gserviceaccount.com`,
    PREVIEW_ACCOUNT: `${serviceAccounts.preview}@${project}.iam.gserviceaccount.com`,
    WORKLOAD_IDENTITY_PROVIDER: `projects/${number}/locations/global/workloadIdentityPools/${identityPools.github}/providers/github`,
  };
  const setVariables = Object.entries(variables).map(([name, value]) => ({
    title: `Set the workflows' variable ${name}`,
    command: `gh variable set ${name}_${suffix} --repo ${github.name} --body "${value}"`,
  }));
  return [...steps, ...setVariables];
}

const inGroups = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );
