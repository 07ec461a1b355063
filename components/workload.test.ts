import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import { retrainingSchedule } from "../contracts/retraining.ts";
import { bundle, type Program } from "../jobs/bundle.ts";
import type { Candidate } from "../jobs/candidates.ts";
import { LAUNCHER } from "../jobs/custom-job.ts";
import { IMAGES } from "../jobs/pipeline.ts";
import { projectDir } from "../lib/project.ts";
import { policies } from "../policy/policies.ts";
import { evaluate } from "../test/evaluate-policies.ts";
import { record, unwrap } from "../test/recording-mocks.ts";
import { commitOf } from "./commit.ts";
import { planImage } from "./image-plan.ts";
import { planLabels, planNames } from "./names.ts";
import { Workload, type WorkloadArgs } from "./workload.ts";

const IMAGE = "docker:index/image:Image";
const BUCKET = "gcp:storage/bucket:Bucket";
const OBJECT = "gcp:storage/bucketObject:BucketObject";
const SERVICE = "gcp:cloudrunv2/service:Service";
const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;
const identity = { app: "customer-value", environment: "dev", project: "my-project" };
const labels = planLabels(identity);
const account = (accountId: string) => new gcp.serviceaccount.Account(accountId, { accountId });

interface Options {
  readonly preview?: boolean;
  readonly candidates?: readonly Candidate[];
}

const workload = (more: Partial<WorkloadArgs> = {}, { preview, candidates }: Options = {}) =>
  record(
    () =>
      new Workload("workload", {
        names: planNames(identity),
        labels,
        project: "my-project",
        region: "europe-west1",
        protectData: true,
        warehouse: {
          location: "EU",
          bytesBilledLimit: 1e11,
          orders: { project: "my-shop", dataset: "raw", table: "orders" },
          marketing: { project: "my-marketing", dataset: "mlops_mkt" },
        },
        accounts: { invoker: account("invoker"), jobs: account("jobs") },
        candidates: candidates && { names: candidates, account: account("candidates") },
        callers: { push: "serviceAccount:push@p", "group:a@b.c": "group:a@b.c" },
        ...more,
      }),
    preview ? undefined : answers,
    { ...(preview && { preview }) },
  );

function answers({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  if (type === IMAGE) return { repoDigest: `${inputs.imageName.split(":")[0]}@${DIGEST}` };
  if (type === SERVICE) return { uri: "https://invoker.run.app" };
  if (type === "gcp:projects/iAMCustomRole:IAMCustomRole")
    return { name: `projects/my-project/roles/${inputs.roleId}` };
  if (type === "gcp:serviceaccount/account:Account")
    return {
      email: `${inputs.accountId}@p`,
      name: `projects/p/serviceAccounts/${inputs.accountId}@p`,
      member: `serviceAccount:${inputs.accountId}@p`,
    };
  return {};
}

describe("Workload", () => {
  it("builds the image of each program, tagged by what it holds", async () => {
    const { ofType } = await workload();
    for (const { name, inputs } of ofType(IMAGE)) {
      const program = name.replace("workload-", "") as Program;
      const { tag, revision } = planImage(program);
      assert.equal(
        inputs.imageName,
        `europe-west1-docker.pkg.dev/my-project/customer-value-dev-images/${program}:${tag}`,
      );
      const { context, dockerfile, args } = inputs.build as Record<string, string>;
      assert.ok(existsSync(`${context}/package.json`));
      assert.match(readFileSync(dockerfile!, "utf8"), /^ARG PROGRAM$[\s\S]*^ARG REVISION$/m);
      assert.deepEqual(args, { PROGRAM: program, REVISION: revision });
      assert.equal(inputs.registry, undefined, "no password in the state");
      assert.notEqual(inputs.buildOnPreview, true);
    }
    assert.equal(new Set(ofType(IMAGE).map(({ inputs }) => inputs.imageName)).size, 4);
  });

  it("publishes the pipeline with every image by its digest, and where everything is", async () => {
    const { get } = await workload();
    const { content, ...object } = get(OBJECT, "workload-pipeline").inputs;
    assert.deepEqual(object, {
      bucket: "my-project-customer-value-dev-artifacts",
      name: "pipeline.json",
      contentType: "application/json",
    });
    const { deploymentSpec } = JSON.parse(String(content));
    const commit = commitOf(projectDir, ["sql", ...IMAGES.flatMap((image) => bundle(image).inputs)]);
    for (const [name, { container }] of Object.entries<{
      container: { image: string; env: { name: string; value: string }[] };
    }>(deploymentSpec.executors)) {
      assert.match(
        container.image,
        /^europe-west1-docker\.pkg\.dev\/my-project\/.*@sha256:[0-9a-f]{64}$/,
        name,
      );
      const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
      assert.equal(env.WAREHOUSE_URL, "bigquery://my-project/EU?maximum_bytes_billed=100000000000");
      assert.equal(env.MESSENGER_URL, "pubsub://my-project?events=customer-value-dev-events");
      assert.equal(env.ARTIFACTS_URL, "gs://my-project-customer-value-dev-artifacts");
      assert.equal(env.GIT_COMMIT, commit);
      assert.deepEqual(Object.keys(JSON.parse(env.IMAGES!)), [...IMAGES]);
      assert.deepEqual(JSON.parse(env.SQL_VARS!), {
        orders_project: "my-shop",
        orders_dataset: "raw",
        orders_table: "orders",
        marts_project: "my-marketing",
        marts_dataset: "mlops_mkt",
      });
    }
  });

  it("builds the image of a candidate that is on, and adds its steps to the pipeline", async () => {
    const { get, ofType } = await workload({}, { candidates: ["boosting"] });
    const { imageName, build } = get(IMAGE, "workload-boosting").inputs as Record<string, unknown>;
    const { tag, revision } = planImage("boosting");
    assert.equal(
      imageName,
      `europe-west1-docker.pkg.dev/my-project/customer-value-dev-images/boosting:${tag}`,
    );
    const { dockerfile, args } = build as Record<string, string>;
    assert.match(readFileSync(dockerfile!, "utf8"), /^ARG CANDIDATE$[\s\S]*^ARG REVISION$/m);
    assert.deepEqual(args, { CANDIDATE: "boosting", REVISION: revision });
    assert.equal(ofType(IMAGE).length, 5);
    const { deploymentSpec } = JSON.parse(String(get(OBJECT, "workload-pipeline").inputs.content));
    const { image, args: launcherArgs } = deploymentSpec.executors["exec-boosting"].container;
    assert.equal(image, LAUNCHER);
    const { service_account, worker_pool_specs } = JSON.parse(launcherArgs[3]).job_spec;
    assert.equal(service_account, "candidates@p");
    assert.match(worker_pool_specs[0].container_spec.image_uri, /\/boosting@sha256:/);
    assert.ok(!JSON.stringify(launcherArgs).includes("bigquery:"));
  });

  it("runs the invoker as its own account, within limits, and looks after it", async () => {
    const { get, result } = await workload();
    const { template, ...service } = get(SERVICE, "workload-invoker").inputs as Record<string, unknown>;
    assert.deepEqual(service, {
      name: "customer-value-dev-invoker",
      location: "europe-west1",
      labels,
      deletionProtection: true,
      ingress: "INGRESS_TRAFFIC_ALL",
    });
    const probe = { httpGet: { path: "/healthcheck" }, timeoutSeconds: 4 };
    assert.deepEqual(template, {
      labels,
      serviceAccount: "invoker@p",
      timeout: "120s",
      maxInstanceRequestConcurrency: 20,
      scaling: { minInstanceCount: 0, maxInstanceCount: 3 },
      containers: [
        {
          image: `europe-west1-docker.pkg.dev/my-project/customer-value-dev-images/invoker@${DIGEST}`,
          resources: { limits: { cpu: "1", memory: "512Mi" }, cpuIdle: true, startupCpuBoost: true },
          envs: [
            { name: "LAUNCHER_URL", value: "vertex-ai://my-project/europe-west1" },
            {
              name: "PIPELINE_SPEC_URL",
              value: "gs://my-project-customer-value-dev-artifacts/pipeline.json",
            },
            { name: "ARTIFACTS_URL", value: "gs://my-project-customer-value-dev-artifacts" },
            { name: "JOBS_SERVICE_ACCOUNT", value: "jobs@p" },
          ],
          startupProbe: { ...probe, periodSeconds: 5, failureThreshold: 6 },
          livenessProbe: { ...probe, periodSeconds: 30, failureThreshold: 3 },
        },
      ],
    });
    assert.equal(await unwrap(result.url), "https://invoker.run.app");
  });

  it("registers champions only where the stack says so", async () => {
    const envOf = async (registeredModel?: string) => {
      const { get } = await workload({ registeredModel });
      const { deploymentSpec } = JSON.parse(String(get(OBJECT, "workload-pipeline").inputs.content));
      const { env } = deploymentSpec.executors["exec-train"].container as {
        env: { name: string; value: string }[];
      };
      return env.find(({ name }) => name === "MODEL_REGISTRY_URL")?.value;
    };
    assert.equal(await envOf(), undefined);
    assert.equal(await envOf("customer-value-dev"), "vertex-ai://my-project/europe-west1/customer-value-dev");
  });

  it("says to the invoker when runs fit a new model", async () => {
    const retraining = { schedule: "0 6 * * *", retrain_schedule: "0 6 1 * *", time_zone: "Europe/Paris" };
    const { get } = await workload({ retraining });
    const { template } = get(SERVICE, "workload-invoker").inputs as {
      template: { containers: { envs: { name: string; value: string }[] }[] };
    };
    const env = template.containers[0]!.envs.find(({ name }) => name === "RETRAINING");
    assert.deepEqual(retrainingSchedule.parse(JSON.parse(env!.value)), retraining);
  });

  it("keeps files of runs for a while, in a bucket that nobody can open to the public", async () => {
    const { get } = await workload();
    assert.deepEqual(get(BUCKET, "workload-artifacts").inputs, {
      name: "my-project-customer-value-dev-artifacts",
      location: "europe-west1",
      labels,
      uniformBucketLevelAccess: true,
      publicAccessPrevention: "enforced",
      forceDestroy: false,
      // Not models/: the champion's files are there.
      lifecycleRules: [{ action: { type: "Delete" }, condition: { age: 400, matchesPrefixes: ["runs/"] } }],
    });
  });

  it("deletes everything with the stack if data is not protected", async () => {
    const { get } = await workload({ protectData: false });
    assert.equal(get(BUCKET, "workload-artifacts").inputs.forceDestroy, true);
    assert.equal(get(SERVICE, "workload-invoker").inputs.deletionProtection, false);
  });

  it("grants these rights and no others", async () => {
    const { resources, get } = await workload();
    const grants = resources
      .filter(({ inputs }) => inputs?.member !== undefined)
      .map(({ type, inputs: { member, role, project, bucket, name, serviceAccountId } }) =>
        [member, role, type.split(":").at(-1), bucket ?? serviceAccountId ?? name ?? project].join(" "),
      );
    assert.deepEqual(grants.sort(), [
      "group:a@b.c roles/run.invoker ServiceIamMember customer-value-dev-invoker",
      "serviceAccount:invoker@p projects/my-project/roles/customer_value_dev_invoker IAMMember my-project",
      "serviceAccount:invoker@p roles/iam.serviceAccountUser IAMMember projects/p/serviceAccounts/jobs@p",
      "serviceAccount:invoker@p roles/storage.objectViewer BucketIAMMember my-project-customer-value-dev-artifacts",
      "serviceAccount:jobs@p roles/aiplatform.user IAMMember my-project",
      "serviceAccount:jobs@p roles/storage.objectUser BucketIAMMember my-project-customer-value-dev-artifacts",
      "serviceAccount:push@p roles/run.invoker ServiceIamMember customer-value-dev-invoker",
    ]);
    assert.deepEqual(
      get("gcp:projects/iAMCustomRole:IAMCustomRole", "workload-pipeline-launcher").inputs.permissions,
      ["aiplatform.pipelineJobs.create", "aiplatform.pipelineJobs.get"],
    );
  });

  it("lets candidates use their own files, the jobs start them, and nothing else", async () => {
    const [plain, { resources }] = [
      await workload(),
      await workload({}, { candidates: ["boosting", "averages"] }),
    ];
    const known = new Set(plain.resources.map(({ name }) => name));
    const grants = resources
      .filter(({ name, inputs }) => inputs?.member !== undefined && !known.has(name))
      .map(({ name, inputs: { member, role, bucket, serviceAccountId, condition } }) => {
        const { title = "" } = (condition ?? {}) as { title?: string };
        return [name, member, role, bucket ?? serviceAccountId, title].join(" ");
      });
    const bucket = "my-project-customer-value-dev-artifacts";
    assert.deepEqual(grants.sort(), [
      `workload-artifacts-averages-candidates serviceAccount:candidates@p roles/storage.objectUser ${bucket} files of averages`,
      `workload-artifacts-boosting-candidates serviceAccount:candidates@p roles/storage.objectUser ${bucket} files of boosting`,
      `workload-artifacts-examples-candidates serviceAccount:candidates@p roles/storage.objectViewer ${bucket} examples`,
      "workload-candidates-user-jobs serviceAccount:jobs@p roles/iam.serviceAccountUser projects/p/serviceAccounts/candidates@p ",
    ]);
  });

  it("keeps the policies and is the parent of all", async () => {
    const { resources } = await workload({}, { candidates: ["boosting"] });
    for (const resource of resources) {
      if (/^(pulumi|customer-value):|:Account$/.test(resource.type)) continue;
      assert.deepEqual(resource.path, ["customer-value:components:Workload", resource.type]);
      assert.deepEqual(await evaluate(policies("prod"), resource), [], resource.name);
    }
  });

  it("can be previewed, when no digest is known", async () => {
    const { get } = await workload({}, { preview: true });
    assert.equal(get(OBJECT, "workload-pipeline").inputs.name, "pipeline.json");
  });
});
