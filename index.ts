/**
 * The whole system on one page: Orchestrator asks Workload for a run through Messenger.
 * What differs between stacks is in their settings: Pulumi.yaml says what each means.
 */
import * as docker from "@pulumi/docker";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { commitOf } from "./components/commit.ts";
import { Delivery } from "./components/delivery.ts";
import { toSeconds } from "./components/duration.ts";
import { Identities } from "./components/identities.ts";
import { Messenger } from "./components/messenger.ts";
import { Monitoring } from "./components/monitoring.ts";
import { planLabels, planNames } from "./components/names.ts";
import { Orchestrator, type OrchestratorArgs } from "./components/orchestrator.ts";
import { readSettings } from "./components/settings.ts";
import { planSignals } from "./components/signals.ts";
import { planState } from "./components/state.ts";
import { Warehouse } from "./components/warehouse.ts";
import { WorkflowsOrchestrator } from "./components/workflows-orchestrator.ts";
import { INVOKER_DEADLINE, Workload } from "./components/workload.ts";
import { formatError, UserError } from "./lib/user-error.ts";

const config = new pulumi.Config();
const settings = settingsOrError();
const { environment, project, region, orchestrator, marketing, schedule } = settings;
const identity = { app: pulumi.getProject(), environment, project };
const names = planNames(identity);
const labels = planLabels(identity);
const { protectData } = settings;
const stack = { names, labels, project, region, protectData };
const title = `${identity.app} ${environment}`;
const runbook = settings.github
  ? `https://github.com/${settings.github.name}/blob/main/docs/runbook.md`
  : "docs/runbook.md";
/** A run that takes longer has failed: Orchestrator stops waiting, and an alert counts from here. */
const RUN_LIMIT = "3 hours";
const dagId = `${identity.app}-${environment}`;

const google = new gcp.Provider("google", {
  project,
  region,
  // The API of budgets needs a project that pays for the call.
  billingProject: project,
  userProjectOverride: true,
});
const builder = new docker.Provider("docker", {});
const providers = { providers: [google, builder] };

const identities = new Identities(
  "identities",
  {
    names,
    optional: [
      ...(settings.candidates.length > 0 ? (["candidates"] as const) : []),
      ...(orchestrator.kind === "composer" ? (["composer"] as const) : []),
      ...(orchestrator.kind === "workflows" ? (["workflow", "scheduler"] as const) : []),
      ...(settings.github ? (["deploy", "preview"] as const) : []),
    ],
  },
  providers,
);
const { accounts } = identities;
/** Who requests runs: the workflow, the stack's Airflow, or the Airflow that exists. */
const requester =
  orchestrator.kind === "existing-composer"
    ? pulumi.output(`serviceAccount:${orchestrator.serviceAccount}`)
    : (accounts.workflow ?? accounts.composer)!.member;

new Warehouse(
  "warehouse",
  {
    ...stack,
    location: settings.warehouseLocation,
    orders: settings.orders,
    marketing,
    jobs: accounts.jobs.member,
    orchestrator: requester,
  },
  providers,
);

const workload = new Workload(
  "workload",
  {
    ...stack,
    warehouse: {
      location: settings.warehouseLocation,
      bytesBilledLimit: settings.bytesBilledLimit,
      orders: settings.orders,
      marketing,
    },
    accounts,
    candidates: accounts.candidates && { names: settings.candidates, account: accounts.candidates },
    registeredModel: settings.modelRegistry === "vertex-ai" ? dagId : undefined,
    retraining: settings.retraining,
    callers: {
      push: accounts.push.member,
      orchestrator: requester,
      ...Object.fromEntries(settings.invokerCallers.map((member) => [member, member])),
    },
  },
  providers,
);

const messenger = new Messenger(
  "messenger",
  {
    ...stack,
    retention: settings.messageRetention,
    push: {
      url: workload.url,
      account: accounts.push,
      deadline: INVOKER_DEADLINE,
    },
    publishers: { requests: { orchestrator: requester }, events: { jobs: accounts.jobs.member } },
    listeners: { orchestrator: requester },
  },
  providers,
);

/** What the workflow and the DAG need to know. */
const orchestratorSettings: OrchestratorArgs["settings"] = {
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
    run_seconds: toSeconds(RUN_LIMIT),
    poll_seconds: 30,
    ask_seconds: 600,
    retries: 2,
    retry_delay_seconds: 60,
  },
  notification_emails: settings.notificationEmails,
  runbook_url: `${runbook}#failed-run`,
  labels,
};
const orchestratorArgs = { ...stack, settings: orchestratorSettings };
if (orchestrator.kind === "workflows") {
  new WorkflowsOrchestrator(
    "orchestrator",
    { ...orchestratorArgs, account: accounts.workflow!, scheduler: accounts.scheduler! },
    providers,
  );
} else {
  const place =
    orchestrator.kind === "composer" ? { ...orchestrator, account: accounts.composer! } : orchestrator;
  new Orchestrator("orchestrator", { ...orchestratorArgs, place }, providers);
}

new Monitoring(
  "monitoring",
  {
    ...stack,
    title,
    schedule,
    runLimit: RUN_LIMIT,
    dagId,
    dailyBytesBilledLimit: settings.dailyBytesBilledLimit,
    emails: settings.notificationEmails,
    runbook,
    budget: settings.budget,
  },
  providers,
);

const delivery =
  settings.github &&
  new Delivery(
    "delivery",
    {
      ...stack,
      repository: settings.github,
      environment,
      state: planState(identity, region),
      accounts: {
        deploy: accounts.deploy!,
        preview: accounts.preview!,
        // To set a push subscription, the deploying account must be allowed to use its account.
        runtime: {
          invoker: accounts.invoker,
          push: accounts.push,
          ...(accounts.composer ? { composer: accounts.composer } : {}),
          ...(accounts.workflow ? { workflow: accounts.workflow, scheduler: accounts.scheduler! } : {}),
        },
      },
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
/** For npm run smoke, which proves the deployment. */
export const deployment = pulumi.output({
  settings: orchestratorSettings,
  orders: settings.orders,
  deadLetters: {
    topic: names.topics["requests-dead-letter"],
    subscription: names.subscriptions["requests-dead-letter"],
  },
  orchestrator: {
    kind: orchestrator.kind === "workflows" ? "workflows" : "composer",
    name:
      orchestrator.kind === "workflows"
        ? names.workflows.orchestrator
        : orchestrator.kind === "composer"
          ? names.composers.orchestrator
          : orchestrator.environment,
  },
  signals: planSignals(names),
});
/** The commit that was deployed. */
export const commit = commitOf(import.meta.dirname);

/** A wrong setting is an error for people: its text, and nothing of Node's. */
function settingsOrError() {
  try {
    const given = Object.keys(pulumi.runtime.allConfig());
    return readSettings({ name: config.name, get: (key) => config.get(key), given }, pulumi.getStack());
  } catch (error) {
    throw error instanceof UserError ? new pulumi.RunError(formatError(error)) : error;
  }
}
