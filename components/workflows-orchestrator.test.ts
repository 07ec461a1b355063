import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { policies } from "../policy/policies.ts";
import { localSettings } from "../test/airflow/settings.ts";
import { evaluate } from "../test/evaluate-policies.ts";
import { record } from "../test/recording-mocks.ts";
import { planLabels, planNames } from "./names.ts";
import {
  planWorkflow,
  WorkflowsOrchestrator,
  type WorkflowsOrchestratorArgs,
} from "./workflows-orchestrator.ts";

const WORKFLOW = "gcp:workflows/workflow:Workflow";
const JOB = "gcp:cloudscheduler/job:Job";
const AGENT = "gcp:projects/serviceIdentity:ServiceIdentity";
const identity = { app: "customer-value", environment: "dev", project: "my-project" };
const labels = planLabels(identity);
const settings = localSettings({ project: "my-project", invokerUrl: "https://invoker.run.app" });

const orchestrator = (more: Partial<WorkflowsOrchestratorArgs> = {}, preview = false) =>
  record(
    () => {
      const [account, scheduler] = ["workflow", "scheduler"].map(
        (accountId) => new gcp.serviceaccount.Account(accountId, { accountId }),
      );
      return new WorkflowsOrchestrator("orchestrator", {
        names: planNames(identity),
        labels,
        project: "my-project",
        region: "europe-west1",
        protectData: false,
        account: account!,
        scheduler: scheduler!,
        settings,
        ...more,
      });
    },
    ({ type, inputs }) => {
      if (type === AGENT) return { member: "serviceAccount:workflows@google" };
      const email = `${inputs.accountId}@p`;
      if (preview || type !== "gcp:serviceaccount/account:Account")
        return inputs.roleId ? { name: `projects/p/roles/${inputs.roleId}` } : {};
      return { email, name: `projects/p/serviceAccounts/${email}`, member: `serviceAccount:${email}` };
    },
    { preview },
  );

describe("WorkflowsOrchestrator", () => {
  it("creates a workflow from the source in workflows/, with the settings of the DAG", async () => {
    const { get } = await orchestrator();
    const { source, environment } = planWorkflow(settings);
    assert.deepEqual(get(WORKFLOW, "orchestrator-workflow").inputs, {
      name: "customer-value-dev-orchestrator",
      project: "my-project",
      region: "europe-west1",
      labels,
      description: "Customer value: requests a run, waits for its end and confirms it.",
      serviceAccount: "projects/p/serviceAccounts/workflow@p",
      sourceContents: source,
      userEnvVars: environment,
      callLogLevel: "LOG_ERRORS_ONLY",
      deletionProtection: false,
    });
    const { pubsub_url, bigquery_url, ...rest } = JSON.parse(environment.SETTINGS);
    assert.deepEqual(
      [pubsub_url, bigquery_url],
      [
        "https://pubsub.googleapis.com/v1/projects/my-project",
        "https://bigquery.googleapis.com/bigquery/v2/projects/my-project",
      ],
    );
    const { tables: _, notification_emails: __, ...shared } = settings;
    assert.deepEqual(rest, shared);
  });

  it("creates Workflows' own account first: in a project that never had a workflow, there is none", async () => {
    const { get } = await orchestrator();
    const agent = get(AGENT, "orchestrator-agent");
    assert.deepEqual(agent.inputs, { service: "workflows.googleapis.com" });
    assert.ok(get(WORKFLOW, "orchestrator-workflow").after.includes(agent.name));
  });

  it("leaves that account its role when the stack is destroyed: other workflows of the project need it", async () => {
    const { get } = await orchestrator();
    const { inputs, isKept } = get("gcp:projects/iAMMember:IAMMember", "orchestrator-agent-role");
    assert.deepEqual([inputs.project, isKept], ["my-project", true]);
  });

  it("starts it on the schedule, in the time zone, with a token of the scheduler's account", async () => {
    const { get } = await orchestrator();
    const { httpTarget, retryConfig, ...job } = get(JOB, "orchestrator-schedule").inputs;
    assert.deepEqual(job, {
      name: "customer-value-dev-orchestrator",
      project: "my-project",
      region: "europe-west1",
      description: "Starts the workflow customer-value-dev-orchestrator.",
      schedule: "0 6 * * 1",
      timeZone: "Europe/Berlin",
    });
    // retryCount is 0 to 5: cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#RetryConfig
    assert.deepEqual(retryConfig, {
      retryCount: 5,
      minBackoffDuration: "30s",
      maxBackoffDuration: "600s",
    });
    const { body, ...target } = httpTarget as Record<string, unknown>;
    assert.deepEqual(target, {
      httpMethod: "POST",
      uri: "https://workflowexecutions.googleapis.com/v1/orchestrator-workflow-id/executions",
      headers: { "Content-Type": "application/json" },
      oauthToken: { serviceAccountEmail: "scheduler@p" },
    });
    assert.deepEqual(JSON.parse(Buffer.from(String(body), "base64").toString()), { argument: "{}" });
  });

  it("allows the scheduler to start executions, and the workflow to write its log", async () => {
    const { ofType, get } = await orchestrator();
    assert.deepEqual(
      ofType("gcp:projects/iAMMember:IAMMember").map(({ inputs }) => [inputs.member, inputs.role]),
      [
        ["serviceAccount:workflows@google", "roles/workflows.serviceAgent"],
        ["serviceAccount:workflow@p", "roles/logging.logWriter"],
        ["serviceAccount:scheduler@p", "projects/p/roles/customer_value_dev_scheduler"],
      ],
    );
    const role = get("gcp:projects/iAMCustomRole:IAMCustomRole", "orchestrator-scheduler").inputs;
    assert.deepEqual(role.permissions, ["workflows.executions.create"]);
  });

  it("can be deleted where data is protected, so that another Orchestrator takes its place", async () => {
    const { get } = await orchestrator({ protectData: true });
    assert.equal(get(WORKFLOW, "orchestrator-workflow").inputs.deletionProtection, false);
  });

  it("meets the policies and can be previewed", async () => {
    const { resources } = await orchestrator({ protectData: true });
    for (const resource of resources)
      if (resource.path[0] === "customer-value:components:WorkflowsOrchestrator" && resource.path.length > 1)
        assert.deepEqual(await evaluate(policies("prod"), resource), [], resource.name);
    await orchestrator({}, true);
  });
});
