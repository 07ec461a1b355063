/** A call that an account makes, or a permission that Google checks for another reason. */
export interface Call {
  /** A method of Google's APIs as in permissions.ts, or a permission. */
  readonly what: string;
  /** The resource, without the stack's prefix: "topic events". A right on something that contains it is enough. */
  readonly on: string;
  /** The file with the call, or the product that makes it. */
  readonly by: string;
}

const calls = (by: string, on: string, ...whats: readonly string[]): Call[] =>
  whats.map((what) => ({ what, on, by }));

/** A read of an object that does not exist is 403 without the right to list: cloud.google.com/storage/docs/access-control/iam */
const READ_OBJECTS = ["storage.objects.get", "storage.objects.list"];
/** storage.objects.insert over an object deletes it. */
const WRITE_OBJECTS = [...READ_OBJECTS, "storage.objects.insert"];

const DATASETS = ["rfm", "ops", "mlops_mkt"];
const TABLES_TO_CONFIRM = ["mlops_mkt.rfm", "ops.checks", "rfm.models"];

/** What both Orchestrators do. */
const orchestrator = (by: string, startQuery: string): readonly Call[] => [
  ...calls(by, "service invoker", "run.routes.invoke"),
  ...calls(by, "project", "pubsub.projects.subscriptions.create", "pubsub.projects.subscriptions.delete"),
  // Creating a subscription checks a second resource: cloud.google.com/pubsub/docs/access-control#required_permissions
  ...calls(by, "topic events", "pubsub.topics.attachSubscription"),
  // The run's subscription, whose name is not known before.
  ...calls(by, "project", "pubsub.projects.subscriptions.pull"),
  ...calls(by, "topic requests", "pubsub.projects.topics.publish"),
  ...calls(by, "project", startQuery),
  ...TABLES_TO_CONFIRM.flatMap((table) => calls(by, `table ${table}`, "bigquery.tables.getData")),
];

/** To set the account that a resource runs as, or signs as, needs the right to act as that account. */
const actAs = (...accounts: readonly string[]): Call[] =>
  accounts.flatMap((account) => calls("components/", `account ${account}`, "iam.serviceAccounts.actAs"));

/**
 * What each account of the stack calls. What the deploying account calls of the resources' APIs is in provider-calls.ts.
 * rights.test.ts compares this with the grants.
 */
export const CALLS: Readonly<Record<string, readonly Call[]>> = {
  invoker: [
    ...calls(
      "adapters/vertex-ai.ts",
      "project",
      "aiplatform.projects.locations.pipelineJobs.create",
      "aiplatform.projects.locations.pipelineJobs.get",
    ),
    // It sets the pipeline's service account.
    ...calls("adapters/vertex-ai.ts", "account jobs", "iam.serviceAccounts.actAs"),
    ...calls("adapters/cloud-storage.ts", "bucket artifacts", ...READ_OBJECTS),
  ],
  push: calls("Pub/Sub", "service invoker", "run.routes.invoke"),
  jobs: [
    ...calls(
      "adapters/bigquery-jobs.ts",
      "project",
      "bigquery.jobs.insert",
      "bigquery.jobs.get",
      "bigquery.jobs.getQueryResults",
    ),
    ...DATASETS.flatMap((dataset) => [
      ...calls(
        "adapters/bigquery.ts",
        `dataset ${dataset}`,
        "bigquery.tables.get",
        "bigquery.tables.insert",
        "bigquery.tables.patch",
      ),
      // MERGE, and CREATE OR REPLACE VIEW: cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
      ...calls(
        "adapters/bigquery.ts",
        `dataset ${dataset}`,
        "bigquery.tables.getData",
        "bigquery.tables.updateData",
      ),
    ]),
    ...calls("adapters/bigquery.ts", "dataset rfm", "bigquery.routines.get"),
    // EXPORT DATA for candidates, and their files as external tables: cloud.google.com/bigquery/docs/exporting-data
    ...calls("adapters/bigquery.ts", "dataset rfm", "bigquery.tables.export"),
    ...calls("adapters/bigquery.ts", "bucket artifacts", ...WRITE_OBJECTS),
    // A query that reads a view also reads the tables of the view.
    ...calls("adapters/bigquery.ts", "table raw.orders", "bigquery.tables.getData"),
    ...calls("adapters/pubsub.ts", "topic events", "pubsub.projects.topics.publish"),
    ...calls("adapters/cloud-storage.ts", "bucket artifacts", ...WRITE_OBJECTS),
    // Google's launcher starts candidates, and waits for their end.
    ...calls(
      "jobs/custom-job.ts",
      "project",
      "aiplatform.customJobs.create",
      "aiplatform.customJobs.get",
      "aiplatform.customJobs.cancel",
    ),
    ...calls("jobs/custom-job.ts", "account candidates", "iam.serviceAccounts.actAs"),
    // roles/aiplatform.user has these, too.
    ...calls(
      "adapters/model-registry.ts",
      "project",
      "aiplatform.projects.locations.models.get",
      "aiplatform.projects.locations.models.upload",
    ),
  ],
  candidates: [
    // jobs/job.py reads and writes with pyarrow. Conditions of the grants say which objects: components/candidate-files.ts.
    ...calls("jobs/job.py", "bucket artifacts", ...WRITE_OBJECTS),
    ...calls("adapters/cloud-storage.ts", "bucket artifacts", ...WRITE_OBJECTS),
  ],
  composer: orchestrator("composer/dags/customer_value.py", "bigquery.jobs.insert"),
  workflow: [
    ...orchestrator("workflows/customer_value.yaml", "bigquery.jobs.query"),
    ...calls("workflows/customer_value.yaml", "project", "bigquery.jobs.getQueryResults"),
    // sys.log
    ...calls("workflows/customer_value.yaml", "project", "logging.logEntries.create"),
  ],
  scheduler: calls(
    "components/workflows-orchestrator.ts",
    "project",
    "workflowexecutions.projects.locations.workflows.executions.create",
  ),
  deploy: [
    ...calls("Pulumi", "bucket state", ...WRITE_OBJECTS, "storage.objects.delete"),
    ...calls(
      "Pulumi",
      "key state",
      "cloudkms.projects.locations.keyRings.cryptoKeys.encrypt",
      "cloudkms.projects.locations.keyRings.cryptoKeys.decrypt",
    ),
    ...actAs("invoker", "push", "composer", "workflow", "scheduler"),
  ],
  preview: [
    ...calls("Pulumi", "bucket state", ...READ_OBJECTS),
    ...calls("Pulumi", "key state", "cloudkms.projects.locations.keyRings.cryptoKeys.decrypt"),
  ],
  // cloud.google.com/pubsub/docs/authenticate-push-subscriptions, …/handling-failures#grant_forwarding_permissions
  "Pub/Sub": [
    ...calls("Pub/Sub", "account push", "iam.serviceAccounts.getOpenIdToken"),
    ...["requests", "events"].flatMap((topic) =>
      calls("Pub/Sub", `topic ${topic}-dead-letter`, "pubsub.projects.topics.publish"),
    ),
    ...["requests", "events", "failures"].flatMap((subscription) =>
      calls("Pub/Sub", `subscription ${subscription}`, "pubsub.subscriptions.consume"),
    ),
  ],
  // It pulls the images of jobs, and runs them as the account that the pipeline or the custom job names.
  "Vertex AI": calls(
    "Vertex AI",
    "project",
    "artifactregistry.repositories.downloadArtifacts",
    "iam.serviceAccounts.getAccessToken",
  ),
  // Tokens of the workflow's account, for Google's APIs and for the invoker.
  Workflows: calls(
    "Workflows",
    "project",
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
  ),
  // google-github-actions/auth
  "GitHub environment:prod": calls("GitHub", "account deploy", "iam.serviceAccounts.getAccessToken"),
  "GitHub pull_request": calls("GitHub", "account preview", "iam.serviceAccounts.getAccessToken"),
};

/** Predefined roles that Google wants for what it runs as the account; nothing else here may need them. */
export const ROLES_BY_DOCUMENTATION: Readonly<Record<string, string>> = {
  "roles/aiplatform.user": "cloud.google.com/vertex-ai/docs/pipelines/configure-project#service-account",
  "roles/aiplatform.serviceAgent": "cloud.google.com/iam/docs/service-agents",
  "roles/workflows.serviceAgent": "cloud.google.com/iam/docs/service-agents",
  "roles/composer.worker": "cloud.google.com/composer/docs/composer-3/access-control#service-account",
};

/** What a person calls with own rights, in `npm run doctor` and `npm run smoke`, and what only tests call. */
export const CALLS_OF_PEOPLE: readonly string[] = [
  "aiplatform.projects.locations.list",
  // No account of the stack cancels a run: docs/operate.md has the command.
  "aiplatform.projects.locations.pipelineJobs.cancel",
  "artifactregistry.projects.locations.list",
  "bigquery.datasets.get",
  "bigquery.datasets.insert",
  "bigquery.jobs.list",
  "bigquery.tabledata.insertAll",
  "bigquery.tables.list",
  "cloudbilling.projects.getBillingInfo",
  "cloudkms.projects.locations.keyRings.cryptoKeys.get",
  "cloudkms.projects.locations.list",
  "cloudresourcemanager.projects.get",
  "cloudresourcemanager.projects.testIamPermissions",
  "composer.projects.locations.environments.get",
  "composer.projects.locations.imageVersions.list",
  "run.projects.locations.list",
  "serviceusage.services.batchGet",
  "serviceusage.services.consumerQuotaMetrics.get",
  "storage.buckets.get",
  "storage.buckets.insert",
  "monitoring.projects.timeSeries.list",
  "workflowexecutions.projects.locations.workflows.executions.get",
];
