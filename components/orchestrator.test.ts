import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import type { DagSettings } from "../contracts/dag-settings.ts";
import { runSettings } from "../contracts/run.ts";
import { policies } from "../policy/policies.ts";
import { evaluate } from "../test/evaluate-policies.ts";
import { record } from "../test/recording-mocks.ts";
import { planLabels, planNames } from "./names.ts";
import { Orchestrator, type OrchestratorArgs } from "./orchestrator.ts";

const ENVIRONMENT = "gcp:composer/environment:Environment";
const OBJECT = "gcp:storage/bucketObject:BucketObject";
const identity = { app: "customer-value", environment: "dev", project: "my-project" };
const labels = planLabels(identity);
const settings: DagSettings = {
  dag_id: "customer-value-dev",
  environment: "dev",
  project: "my-project",
  region: "europe-west1",
  schedule: {
    cron: "0 6 * * 1",
    time_zone: "Etc/UTC",
    start_date: "2026-01-01",
    catchup: false,
    max_active_runs: 1,
  },
  invoker_url: "https://invoker.run.app",
  requests_topic: "requests",
  events_topic: "events",
  warehouse_location: "EU",
  maximum_bytes_billed: 1e11,
  tables: { mart: "p.mlops_mkt.rfm", checks: "p.ops.checks", models: "p.rfm.models" },
  run: runSettings.parse({}),
  limits: { run_seconds: 7200, poll_seconds: 30, ask_seconds: 600, retries: 2, retry_delay_seconds: 60 },
  notification_emails: [],
  runbook_url: "docs/runbook.md",
  labels,
};

const orchestrator = (more: Partial<OrchestratorArgs> = {}, options: { preview?: boolean } = {}) =>
  record(
    () => {
      const account = new gcp.serviceaccount.Account("composer", { accountId: "composer" });
      return new Orchestrator("orchestrator", {
        names: planNames(identity),
        labels,
        project: "my-project",
        region: "europe-west1",
        protectData: false,
        place: { kind: "composer", imageVersion: "composer-3-airflow-2.10.5-build.10", account },
        settings,
        ...more,
      });
    },
    options.preview ? undefined : answers,
    options,
  );

function answers({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  if (type === ENVIRONMENT) return { config: { ...inputs.config, dagGcsPrefix: "gs://made-bucket/dags" } };
  if (type === "gcp:serviceaccount/account:Account")
    return { email: `${inputs.accountId}@p`, member: `serviceAccount:${inputs.accountId}@p` };
  return {};
}

describe("Orchestrator", () => {
  it("makes a small environment that runs as its own account", async () => {
    const { get, ofType } = await orchestrator();
    const { config, ...environment } = get(ENVIRONMENT, "orchestrator-composer").inputs;
    assert.deepEqual(environment, {
      name: "customer-value-dev-orchestrator",
      project: "my-project",
      region: "europe-west1",
      labels,
    });
    const { environmentSize, nodeConfig, softwareConfig } = config as Record<string, Record<string, unknown>>;
    assert.equal(environmentSize, "ENVIRONMENT_SIZE_SMALL");
    assert.deepEqual(nodeConfig, { serviceAccount: "composer@p" });
    assert.equal(softwareConfig?.imageVersion, "composer-3-airflow-2.10.5-build.10");
    assert.deepEqual(softwareConfig?.envVariables, {
      AIRFLOW_VAR_CUSTOMER_VALUE_INVOKER_URL: "https://invoker.run.app",
      AIRFLOW_VAR_CUSTOMER_VALUE_REQUESTS_TOPIC: "requests",
    });
    assert.deepEqual(
      ofType("gcp:projects/iAMMember:IAMMember").map(({ inputs }) => inputs),
      [{ project: "my-project", role: "roles/composer.worker", member: "serviceAccount:composer@p" }],
    );
  });

  it("uploads the DAG, its settings, their schema and the confirmation query into its bucket", async () => {
    const { ofType, get } = await orchestrator();
    assert.deepEqual(
      ofType(OBJECT).map(({ inputs }) => [inputs.bucket, inputs.name]),
      [
        ["made-bucket", "dags/customer_value.confirmation.sql"],
        ["made-bucket", "dags/customer_value.json"],
        ["made-bucket", "dags/customer_value.py"],
        ["made-bucket", "dags/customer_value.schema.json"],
      ],
    );
    assert.deepEqual(JSON.parse(String(get(OBJECT, "orchestrator-dag-json").inputs.content)), settings);
    // Airflow can't import it without the others.
    const { after } = get(OBJECT, "orchestrator-dag-py");
    for (const file of ["confirmation-sql", "json", "schema-json"])
      assert.ok(after.includes(`orchestrator-dag-${file}`), file);
  });

  it("makes nothing but these files where an environment exists", async () => {
    const place = { kind: "existing-composer", dagBucket: "their-bucket" } as const;
    const { resources, ofType } = await orchestrator({ place });
    assert.deepEqual(
      [...new Set(resources.filter(({ name }) => name !== "composer").map(({ type }) => type))],
      ["customer-value:components:Orchestrator", OBJECT],
    );
    assert.deepEqual([...new Set(ofType(OBJECT).map(({ inputs }) => inputs.bucket))], ["their-bucket"]);
  });

  it("keeps the policies and can be previewed", async () => {
    const { resources } = await orchestrator();
    for (const resource of resources) {
      if (!resource.type.startsWith("gcp:") || resource.name === "composer") continue;
      assert.deepEqual(resource.path, ["customer-value:components:Orchestrator", resource.type]);
      assert.deepEqual(await evaluate(policies("prod"), resource), [], resource.name);
    }
    await orchestrator({}, { preview: true });
  });
});
