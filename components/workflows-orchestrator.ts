import { readFileSync } from "node:fs";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type DagSettings, dagSettings } from "../contracts/dag-settings.ts";
import { Component, type StackArgs } from "./component.ts";

const SOURCE = new URL("../workflows/customer_value.yaml", import.meta.url);
/** The DAG runs the same query. */
const CONFIRMATION = new URL("../composer/dags/customer_value.confirmation.sql", import.meta.url);

export interface WorkflowPlan {
  /** The workflow in the language of Workflows, at most 128 KB. */
  readonly source: string;
  /** Environment variables of the workflow, each at most 4 KiB. */
  readonly environment: { readonly SETTINGS: string; readonly CONFIRMATION: string };
}

export interface WorkflowsOrchestratorArgs extends StackArgs {
  /** The workflow's service account. What it may do with messages, tables and the invoker is granted where they are. */
  readonly account: gcp.serviceaccount.Account;
  /** Cloud Scheduler's service account: starts executions, and nothing else. */
  readonly scheduler: gcp.serviceaccount.Account;
  /** The settings that the DAG has too. Parts that are known after the deployment are outputs. */
  readonly settings: { readonly [K in keyof DagSettings]: pulumi.Input<DagSettings[K]> };
}

/**
 * Requests runs on a schedule, waits for them and checks them: a workflow of Workflows that Cloud Scheduler starts. It
 * does the same as the DAG of orchestrator.ts, for the price of its steps.
 */
export class WorkflowsOrchestrator extends Component<WorkflowsOrchestratorArgs> {
  readonly workflow: gcp.workflows.Workflow;

  constructor(name: string, args: WorkflowsOrchestratorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("WorkflowsOrchestrator", name, args, opts);
    const { project, account } = args;
    this.grant(gcp.projects.IAMMember, "log-writer", { project }, "roles/logging.logWriter", account.member);
    this.workflow = this.#workflow();
    this.#allowScheduler();
    this.#schedule();
    this.registerOutputs({});
  }

  #workflow(): gcp.workflows.Workflow {
    const { names, labels, project, region, account, settings } = this.args;
    const plan = pulumi.output(settings).apply((values) => planWorkflow(dagSettings.parse(values)));
    const agent = this.agentWithRole(project, "workflows.googleapis.com", "roles/workflows.serviceAgent");
    const args: gcp.workflows.WorkflowArgs = {
      name: names.workflows.orchestrator,
      project,
      region,
      labels,
      description: "Customer value: requests a run, waits for its end and confirms it.",
      serviceAccount: account.name,
      sourceContents: plan.source,
      userEnvVars: plan.environment,
      callLogLevel: "LOG_ERRORS_ONLY",
      // It holds no data, and another Orchestrator may take its place.
      deletionProtection: false,
    };
    return new gcp.workflows.Workflow(this.named("workflow"), args, {
      ...this.child,
      // Without it, the first workflow of a project is refused: "Workflows service agent does not exist"
      // (terraform-google-modules/terraform-google-bigquery#226).
      dependsOn: agent,
    });
  }

  /** A workflow has no access policy, so the right to start one is on the project. */
  #allowScheduler(): void {
    const { names, project, scheduler } = this.args;
    const title = names.serviceAccounts.scheduler;
    const permissions = ["workflows.executions.create"];
    const role = this.role("scheduler", project, title, "Starts executions of workflows.", permissions);
    this.grant(gcp.projects.IAMMember, "scheduler", { project }, role.name, scheduler.member);
  }

  #schedule(): void {
    const { names, project, region, scheduler, settings } = this.args;
    const schedule = pulumi.output(settings.schedule);
    const args: gcp.cloudscheduler.JobArgs = {
      name: names.schedulerJobs.orchestrator,
      project,
      region,
      description: `Starts the workflow ${names.workflows.orchestrator}.`,
      schedule: schedule.cron,
      timeZone: schedule.time_zone,
      // Only the call that starts the execution is repeated. If that has happened, the second execution joins its run.
      retryConfig: { retryCount: 5, minBackoffDuration: "30s", maxBackoffDuration: "600s" },
      httpTarget: {
        httpMethod: "POST",
        uri: pulumi.interpolate`https://workflowexecutions.googleapis.com/v1/${this.workflow.id}/executions`,
        headers: { "Content-Type": "application/json" },
        body: Buffer.from(JSON.stringify({ argument: "{}" })).toString("base64"),
        oauthToken: { serviceAccountEmail: scheduler.email },
      },
    };
    new gcp.cloudscheduler.Job(this.named("schedule"), args, this.child);
  }
}

/** What the workflow gets of the settings that both Orchestrators share. */
export function planWorkflow(settings: DagSettings): WorkflowPlan {
  const { tables, notification_emails: _, ...used } = settings;
  const { project } = settings;
  return {
    source: readFileSync(SOURCE, "utf8"),
    environment: {
      SETTINGS: JSON.stringify({
        ...used,
        pubsub_url: `https://pubsub.googleapis.com/v1/projects/${project}`,
        bigquery_url: `https://bigquery.googleapis.com/bigquery/v2/projects/${project}`,
      }),
      CONFIRMATION: confirmationQuery(tables),
    },
  };
}

/** The query without comments and indentation, which would exceed the limit. */
function confirmationQuery(tables: DagSettings["tables"]): string {
  return readFileSync(CONFIRMATION, "utf8")
    .replace(/--.*/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/\$\{(\w+)\}/g, (_, name: keyof typeof tables) => `\`${tables[name]}\``);
}
