import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import { type AlertPlanArgs, invokerFilter, planAlerts } from "./alerts.ts";
import { Component, type StackArgs } from "./component.ts";
import { planDashboard } from "./dashboard.ts";
import { shorten } from "./names.ts";

export interface MonitoringArgs extends StackArgs, AlertPlanArgs {
  /** Name of the app and its environment, for titles. */
  readonly title: string;
  /** Who gets alerts: e-mail addresses. */
  readonly emails: readonly string[];
  /** URL or path of the runbook; each alert is a section of it. */
  readonly runbook: string;
  /** They also get a message when the project's cost of a month passes half, 90 % and all of this, in the billing account's currency. */
  readonly budget?: { readonly billingAccount: string; readonly monthly: string } | undefined;
}

/** Sends an alert when something is wrong, and shows runs, requests and costs on a dashboard. */
export class Monitoring extends Component<MonitoringArgs> {
  readonly channels: readonly gcp.monitoring.NotificationChannel[];

  constructor(name: string, args: MonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("Monitoring", name, args, opts);

    this.channels = args.emails.map((email) => this.#channel(email));
    const metrics = [this.#countRuns("successes", "succeeded"), this.#countRuns("failures", "failed")];
    this.#alerts(metrics);
    this.#dashboard(metrics);
    this.#budget();

    this.registerOutputs({});
  }

  #channel(email: string): gcp.monitoring.NotificationChannel {
    const { labels, project } = this.args;
    return new gcp.monitoring.NotificationChannel(
      this.named(email),
      { project, type: "email", displayName: email, labels: { email_address: email }, userLabels: labels },
      this.child,
    );
  }

  /** Counts the lines of the invoker about the final events of runs. An event that is delivered again counts again. */
  #countRuns(metric: "successes" | "failures", status: string): gcp.logging.Metric {
    const { names, project } = this.args;
    return new gcp.logging.Metric(
      this.named(metric),
      {
        name: names.metrics[metric],
        project,
        description: `Runs that ${status}.`,
        filter: `${invokerFilter(names.services.invoker)} AND jsonPayload.message="run ended" AND jsonPayload.status="${status}"`,
        metricDescriptor: { metricKind: "DELTA", valueType: "INT64", unit: "1" },
      },
      this.child,
    );
  }

  #alerts(metrics: pulumi.Resource[]): void {
    const { labels, project, title, runbook } = this.args;
    for (const [alert, plan] of Object.entries(planAlerts(this.args))) {
      const args: gcp.monitoring.AlertPolicyArgs = {
        project,
        displayName: `${title}: ${plan.title}`,
        severity: plan.severity,
        combiner: "OR",
        conditions: [{ displayName: plan.title, ...plan.condition }],
        // Each line that matches is an incident: at most one in five minutes, closed after a day.
        ...(plan.condition.conditionMatchedLog === undefined
          ? {}
          : { alertStrategy: { notificationRateLimit: { period: "300s" }, autoClose: "86400s" } }),
        notificationChannels: this.channels.map(({ name }) => name),
        documentation: {
          mimeType: "text/markdown",
          content: `${plan.text}\n\nWhat to do: ${runbook}#${alert}`,
        },
        userLabels: labels,
      };
      new gcp.monitoring.AlertPolicy(this.named(alert), args, { ...this.child, dependsOn: metrics });
    }
  }

  #dashboard(metrics: pulumi.Resource[]): void {
    const { names, project, title } = this.args;
    new gcp.monitoring.Dashboard(
      this.named("dashboard"),
      { project, dashboardJson: planDashboard(title, names) },
      { ...this.child, dependsOn: metrics },
    );
  }

  #budget(): void {
    const { budget, project, title } = this.args;
    if (budget === undefined) return;
    const args: gcp.billing.BudgetArgs = {
      billingAccount: budget.billingAccount,
      displayName: shorten(title, 60),
      budgetFilter: { projects: [`projects/${project}`] },
      amount: { specifiedAmount: { units: budget.monthly } },
      thresholdRules: [0.5, 0.9, 1].map((thresholdPercent) => ({ thresholdPercent })),
      ...(this.channels.length === 0
        ? {}
        : { allUpdatesRule: { monitoringNotificationChannels: this.channels.map(({ name }) => name) } }),
    };
    // The API answers with the project's number where the id was given.
    const ignored = { ...this.child, ignoreChanges: ["budgetFilter.projects"] };
    new gcp.billing.Budget(this.named("budget"), args, ignored);
  }
}
