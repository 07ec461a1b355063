import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { policies } from "../policy/policies.ts";
import { evaluate } from "../test/evaluate-policies.ts";
import { record } from "../test/recording-mocks.ts";
import { METRICS, planAlerts } from "./alerts.ts";
import { planDashboard } from "./dashboard.ts";
import { Monitoring, type MonitoringArgs } from "./monitoring.ts";
import { planLabels, planNames } from "./names.ts";

const CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel";
const ALERT = "gcp:monitoring/alertPolicy:AlertPolicy";
const identity = { app: "customer-value", environment: "dev", project: "my-project" };
const names = planNames(identity);
const labels = planLabels(identity);
const weekly = { cron: "0 6 * * 1", timeZone: "Etc/UTC" };
const plan = {
  names,
  schedule: weekly,
  runLimit: "2 hours",
  dagId: "customer-value-dev",
  dailyBytesBilledLimit: 1e12,
} as const;

const monitoring = (more: Partial<MonitoringArgs> = {}) =>
  record(
    () =>
      new Monitoring("monitoring", {
        ...plan,
        labels,
        project: "my-project",
        region: "europe-west1",
        protectData: false,
        title: "customer-value dev",
        emails: ["on-call@example.com", "shop@example.com"],
        runbook: "https://github.com/a/b/blob/main/docs/runbook.md",
        budget: { billingAccount: "012345-6789AB-CDEF01", monthly: "500" },
        ...more,
      }),
    ({ type, inputs }) => (type === CHANNEL ? { name: `channels/${inputs.displayName}` } : {}),
  );

describe("Monitoring", () => {
  it("sends every alert to everybody, with its severity and where it says what to do", async () => {
    const { ofType } = await monitoring();
    const headings = readFileSync(new URL("../docs/runbook.md", import.meta.url), "utf8").match(/^## .*$/gm);
    const alerts = ofType(ALERT);
    assert.deepEqual(
      [...alerts.map(({ name }) => name.replace("monitoring-", "## ")), "## drift"].sort(),
      headings?.toSorted(),
      "every alert is a section of the runbook, and every section an alert or the warning of drift",
    );
    assert.deepEqual(
      ofType(CHANNEL).map(({ inputs }) => inputs.labels),
      [{ email_address: "on-call@example.com" }, { email_address: "shop@example.com" }],
    );
    for (const { name, inputs } of alerts) {
      assert.deepEqual(inputs.notificationChannels, [
        "channels/on-call@example.com",
        "channels/shop@example.com",
      ]);
      assert.match(String(inputs.displayName), /^customer-value dev: /);
      assert.match(String(inputs.severity), /^(CRITICAL|ERROR|WARNING)$/);
      const { content } = inputs.documentation as { content: string };
      assert.ok(content.endsWith(`runbook.md#${name.replace("monitoring-", "")}`), content);
    }
  });

  it("is raised by what can't be delivered and by runs that fail", () => {
    const { "dead-letters": letters, "failed-run": failed } = planAlerts(plan);
    const filter = (it = letters) => it?.condition.conditionThreshold as { filter: string };
    assert.match(
      filter().filter,
      /one_of\("customer-value-dev-requests-dead-letter", "customer-value-dev-events-dead-letter"\)$/,
    );
    assert.match(filter(failed).filter, /one_of\("customer-value-dev-failures"\)$/);
  });

  it("is raised by the line that the DAG or the workflow writes when a step failed, at most every five minutes", async () => {
    const { get } = await monitoring();
    const { conditions, alertStrategy } = get(ALERT, "monitoring-unconfirmed-run").inputs;
    const [{ conditionMatchedLog }] = conditions as [{ conditionMatchedLog: { filter: string } }];
    assert.equal(
      conditionMatchedLog.filter,
      'resource.type=("cloud_composer_environment" OR "workflows.googleapis.com/Workflow") AND "run_failed" AND "customer-value-dev"',
    );
    // What a condition on logs must have: cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies
    assert.deepEqual(alertStrategy, { notificationRateLimit: { period: "300s" }, autoClose: "86400s" });
  });

  it("is raised when no run succeeds for the longest gap of the schedule and the length of a run", () => {
    assert.deepEqual(planAlerts(plan)["no-success"]?.condition, {
      conditionPrometheusQueryLanguage: {
        query:
          '(sum(increase(logging_googleapis_com:user_customer_value_dev_successes{monitored_resource="cloud_run_revision"}[170h])) or vector(0)) < 0.5',
        duration: "0s",
        evaluationInterval: "300s",
        disableMetricValidation: true,
      },
    });
    const yearly = { cron: "0 6 1 1 *", timeZone: "Etc/UTC" };
    const { "no-success": _, ...others } = planAlerts(plan);
    assert.deepEqual(planAlerts({ ...plan, schedule: yearly }), others, "it can't be watched");
  });

  it("looks at aligned values over a time that alerts may look at", () => {
    for (const [alert, { condition }] of Object.entries(planAlerts(plan))) {
      const { aggregations } = (condition.conditionThreshold ?? { aggregations: [] }) as {
        aggregations: { alignmentPeriod: string }[];
      };
      for (const { alignmentPeriod } of aggregations) {
        // cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#Aggregation: 60 seconds to 25 hours
        const seconds = Number(alignmentPeriod.replace("s", ""));
        assert.ok(seconds >= 60 && seconds <= 90_000, alert);
      }
    }
  });

  it("counts the lines that the invoker writes about final events, with any log of the jobs", async () => {
    const { ofType } = await monitoring();
    const source = readFileSync(new URL("../functions/invoker/invoker.ts", import.meta.url), "utf8");
    assert.ok(source.includes('log.info({ ...subject, run_date, status, failed_step }, "run ended")'));
    const line =
      'resource.type="cloud_run_revision" AND resource.labels.service_name="customer-value-dev-invoker" AND jsonPayload.message="run ended"';
    assert.deepEqual(
      ofType("gcp:logging/metric:Metric").map(({ inputs }) => [inputs.name, inputs.filter]),
      [
        ["customer-value-dev-failures", `${line} AND jsonPayload.status="failed"`],
        ["customer-value-dev-successes", `${line} AND jsonPayload.status="succeeded"`],
      ],
    );
  });

  it("shows a dashboard whose tiles fill it without overlap", () => {
    const { mosaicLayout } = JSON.parse(planDashboard("customer-value dev", names));
    const taken = new Set<string>();
    for (const { xPos, yPos, width, height, widget } of mosaicLayout.tiles) {
      assert.ok(xPos + width <= mosaicLayout.columns, widget.title);
      for (let x = xPos; x < xPos + width; x++)
        for (let y = yPos; y < yPos + height; y++) {
          assert.ok(!taken.has(`${x} ${y}`), widget.title);
          taken.add(`${x} ${y}`);
        }
    }
    const text = JSON.stringify(mosaicLayout);
    for (const metric of Object.values(METRICS)) assert.ok(text.includes(metric), metric);
  });

  it("has a budget only where one is set", async () => {
    const BUDGET = "gcp:billing/budget:Budget";
    const { get } = await monitoring();
    const name = "monitoring-budget";
    const { inputs, ignored } = get(BUDGET, name);
    const { amount, budgetFilter, thresholdRules, allUpdatesRule } = inputs;
    // Google answers with the project's number: each preview after a refresh would change it.
    assert.deepEqual(ignored, ["budgetFilter.projects"]);
    assert.deepEqual(amount, { specifiedAmount: { units: "500" } });
    assert.deepEqual(budgetFilter, { projects: ["projects/my-project"] });
    assert.deepEqual(
      thresholdRules,
      [0.5, 0.9, 1].map((thresholdPercent) => ({ thresholdPercent })),
    );
    assert.deepEqual(allUpdatesRule, {
      monitoringNotificationChannels: ["channels/on-call@example.com", "channels/shop@example.com"],
    });
    // Then it goes to the administrators of the billing account.
    assert.equal((await monitoring({ emails: [] })).get(BUDGET, name).inputs.allUpdatesRule, undefined);
    assert.equal((await monitoring({ budget: undefined })).ofType(BUDGET).length, 0);
    // "The name must be less than or equal to 60 characters": billingbudgets/v1/billingbudgets-api.json
    const { displayName } = (await monitoring({ title: "a".repeat(80) })).get(BUDGET, name).inputs;
    assert.equal(String(displayName).length, 60);
  });

  it("keeps the policies, and is the parent of all", async () => {
    const { resources } = await monitoring();
    for (const resource of resources) {
      if (!resource.type.startsWith("gcp:")) continue;
      assert.deepEqual(resource.path, ["customer-value:components:Monitoring", resource.type]);
      assert.deepEqual(await evaluate(policies("prod"), resource), [], resource.name);
    }
  });
});
