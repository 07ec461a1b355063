/**
 * The whole system on one page: Orchestrator tells Workload what to do via Messenger.
 * What differs between stacks is in their settings: Pulumi.yaml says what each means.
 */
import * as docker from "@pulumi/docker";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { commitOf } from "./components/commit.ts";
import { Delivery } from "./components/delivery.ts";
import { Identities } from "./components/identities.ts";
import { Messenger } from "./components/messenger.ts";
import { Monitoring } from "./components/monitoring.ts";
import { planLabels, planNames } from "./components/names.ts";
import { Orchestrator } from "./components/orchestrator.ts";
import { readSettings } from "./components/settings.ts";
import { planState } from "./components/state.ts";
import { Warehouse } from "./components/warehouse.ts";
import { Workload } from "./components/workload.ts";

const config = new pulumi.Config();
const settings = readSettings(
  { name: config.name, get: (key) => config.get(key), given: Object.keys(pulumi.runtime.allConfig()) },
  pulumi.getStack(),
);
const { environment, project, region, orchestrator, marketing, schedule } = settings;
const commit = commitOf(import.meta.dirname);
const identity = { app: pulumi.getProject(), environment, project };
const names = planNames(identity);
const labels = planLabels(identity, commit);
const title = `${identity.app} ${environment}`;
const runbook = settings.githubRepository
  ? `https://github.com/${settings.githubRepository}/blob/${commit}/docs/runbook.md`
  : "docs/runbook.md";
const runLimit = "3 hours";
const dagId = `${identity.app}-${environment}`;

const google = new gcp.Provider("google", {
  project,
  region,
  // Budgets are asked of the project that pays for the call.
  billingProject: project,
  userProjectOverride: true,
});
/** Images are built when the stack is deployed; nothing asks for a daemon before that, so that a preview needs none. */
const builder = new docker.Provider("docker", { disableDockerDaemonCheck: true });
const providers = { providers: [google, builder] };

const identities = new Identities(
  "identities",
  {
    names,
    roles: [
      ...(["invoker", "push", "jobs"] as const),
      ...(orchestrator.kind === "composer" ? (["composer"] as const) : []),
      ...(settings.githubRepository ? (["deploy", "preview"] as const) : []),
    ],
  },
  providers,
);
const { accounts } = identities;
/** Airflow runs as its own account, or as that of the environment that exists. */
const airflow =
  orchestrator.kind === "composer"
    ? accounts.composer.member
    : pulumi.output(`serviceAccount:${orchestrator.serviceAccount}`);

new Warehouse(
  "warehouse",
  {
    labels,
    project,
    location: settings.warehouseLocation,
    orders: settings.orders,
    marketing,
    protectData: settings.protectData,
    jobs: accounts.jobs.member,
    orchestrator: airflow,
  },
  providers,
);

const workload = new Workload(
  "workload",
  {
    names,
    labels,
    project,
    region,
    commit,
    protectData: settings.protectData,
    warehouse: {
      location: settings.warehouseLocation,
      bytesBilledLimit: settings.bytesBilledLimit,
      orders: settings.orders,
      marketing,
    },
    accounts,
    callers: {
      push: accounts.push.member,
      orchestrator: airflow,
      ...Object.fromEntries(settings.invokerCallers.map((member) => [member, member])),
    },
  },
  providers,
);

const messenger = new Messenger(
  "messenger",
  {
    names,
    labels,
    project,
    region,
    retention: settings.messageRetention,
    push: { endpoint: pulumi.interpolate`${workload.url}/`, audience: workload.url, account: accounts.push },
    publishers: { requests: { orchestrator: airflow }, events: { jobs: accounts.jobs.member } },
    listeners: { orchestrator: airflow },
  },
  providers,
);

new Orchestrator(
  "orchestrator",
  {
    names,
    labels,
    project,
    region,
    place: orchestrator.kind === "composer" ? { ...orchestrator, account: accounts.composer } : orchestrator,
    settings: {
      dag_id: dagId,
      environment,
      project,
      region,
      schedule: {
        cron: schedule.cron,
        time_zone: schedule.timeZone,
        start_date: "2026-01-01",
        catchup: false,
        max_active_runs: 1,
      },
      invoker_url: workload.url,
      requests_topic: messenger.topics.requests.name,
      events_topic: messenger.topics.events.name,
      warehouse_location: settings.warehouseLocation,
      maximum_bytes_billed: settings.bytesBilledLimit,
      tables: {
        mart: `${marketing.project}.${marketing.dataset}.rfm`,
        checks: `${project}.ops.checks`,
        models: `${project}.rfm.models`,
      },
      run: settings.run,
      limits: {
        run_seconds: 3 * 3600,
        poll_seconds: 30,
        ask_seconds: 600,
        retries: 2,
        retry_delay_seconds: 60,
      },
      notification_emails: settings.notificationEmails,
      runbook_url: `${runbook}#failed-run`,
      labels,
    },
  },
  providers,
);

new Monitoring(
  "monitoring",
  {
    names,
    labels,
    project,
    title,
    schedule,
    runLimit,
    dagId,
    dailyBytesBilledLimit: settings.dailyBytesBilledLimit,
    emails: settings.notificationEmails,
    runbook,
    budget: settings.budget,
  },
  providers,
);

const delivery =
  settings.githubRepository === undefined
    ? undefined
    : new Delivery(
        "delivery",
        {
          names,
          project,
          repository: settings.githubRepository,
          environment,
          state: planState(identity, region),
          accounts: {
            deploy: accounts.deploy,
            preview: accounts.preview,
            runtime: {
              invoker: accounts.invoker,
              ...(orchestrator.kind === "composer" ? { composer: accounts.composer } : {}),
            },
          },
          projectRoles: [
            "roles/aiplatform.user",
            "roles/bigquery.jobUser",
            "roles/composer.worker",
            workload.launcherRole.name,
            messenger.listenerRole.name,
          ],
        },
        providers,
      );

/** URL of the invoker: curl -H "Authorization: Bearer $(gcloud auth print-identity-token)" URL/healthcheck */
export const invokerUrl = workload.url;
/** Bucket of the pipeline and of files of runs. */
export const artifactBucket = workload.bucket.name;
/** Topic that takes run requests. */
export const requestsTopic = messenger.topics.requests.name;
/** The table that marketing reads. */
export const mart = `${marketing.project}.${marketing.dataset}.rfm`;
/** For the workflows: google-github-actions/auth's workload_identity_provider. */
export const workloadIdentityProvider = delivery?.provider.name ?? "none";
