import * as docker from "@pulumi/docker";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { RetrainingSchedule } from "../contracts/retraining.ts";
import { bundle, PROGRAMS, type Program } from "../jobs/bundle.ts";
import type { Candidate } from "../jobs/candidates.ts";
import { IMAGES, type Image, pipelineSpec } from "../jobs/pipeline.ts";
import { projectDir } from "../lib/project.ts";
import { type Condition, candidateFiles } from "./candidate-files.ts";
import { commitOf } from "./commit.ts";
import { Component, type Member, type StackArgs } from "./component.ts";
import { googleDuration } from "./duration.ts";
import { planImage } from "./image-plan.ts";

export interface WorkloadArgs extends StackArgs {
  /** Where the tables are, and how much a query may bill. */
  readonly warehouse: {
    readonly location: string;
    readonly bytesBilledLimit: number;
    readonly orders: { readonly project: string; readonly dataset: string; readonly table: string };
    readonly marketing: { readonly project: string; readonly dataset: string };
  };
  readonly accounts: {
    /** The invoker runs as this. */
    readonly invoker: gcp.serviceaccount.Account;
    /** The jobs run as this. */
    readonly jobs: gcp.serviceaccount.Account;
  };
  /** The candidates that compete with the built-in model, and the account that they run as. @default none */
  readonly candidates?:
    | { readonly names: readonly Candidate[]; readonly account: gcp.serviceaccount.Account }
    | undefined;
  /** Name of a model in Vertex AI Model Registry, whose versions are the champions. @default none */
  readonly registeredModel?: string | undefined;
  /** When runs fit a new model. @default as the settings of each run say */
  readonly retraining?: RetrainingSchedule | undefined;
  /** Who may call the invoker: IAM members by what they are. */
  readonly callers: Readonly<Record<string, Member>>;
}

/** cloud.google.com/vertex-ai/docs/general/iam-permissions: start a pipeline and read its state. */
const LAUNCH = ["create", "get"].map((verb) => `aiplatform.pipelineJobs.${verb}`);

/**
 * How long the invoker may take to answer: its retries of Vertex AI take 90 seconds at worst (adapters/retry.ts), after
 * a read of Cloud Storage. Pub/Sub waits as long before it delivers a request again.
 */
export const INVOKER_DEADLINE = "120 seconds";

/** How long files of runs are kept. */
const RUN_FILES_DAYS = 400;

/** Runs the pipeline: the images of its steps, the bucket where runs keep files, and the invoker that starts them. */
export class Workload extends Component<WorkloadArgs> {
  readonly repository: gcp.artifactregistry.Repository;
  readonly images: Readonly<Record<Program, docker.Image> & Partial<Record<Candidate, docker.Image>>>;
  readonly bucket: gcp.storage.Bucket;
  /** The PipelineSpec that the invoker starts. */
  readonly pipeline: gcp.storage.BucketObject;
  readonly invoker: gcp.cloudrunv2.Service;
  /** URL of the invoker, which is also the audience of its callers' tokens. */
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: WorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("Workload", name, args, opts);

    this.repository = this.#repository();
    this.images = this.#images();
    // Without Vertex AI's own account, the first run in a project would fail.
    this.agentWithRole(args.project, "aiplatform.googleapis.com", "roles/aiplatform.serviceAgent");
    this.bucket = this.#bucket();
    this.pipeline = this.#pipeline();
    this.invoker = this.#invoker();
    this.url = this.invoker.uri;
    this.#allowCallers();
    this.#allowInvoker();
    this.#allowJobs();
    this.#allowCandidates();

    this.registerOutputs({ url: this.url });
  }

  #repository(): gcp.artifactregistry.Repository {
    const { names, labels, region } = this.args;
    const args: gcp.artifactregistry.RepositoryArgs = {
      repositoryId: names.repositories.images,
      location: region,
      labels,
      format: "DOCKER",
      description: "Images of the customer-value pipeline.",
      // Tags may move: everything refers to images by digest. If one rule keeps a version and another deletes it, the version stays.
      cleanupPolicies: [
        { id: "keep-newest", action: "KEEP", mostRecentVersions: { keepCount: 10 } },
        { id: "delete-old", action: "DELETE", condition: { olderThan: googleDuration("30 days") } },
      ],
    };
    return new gcp.artifactregistry.Repository(this.named("images"), args, this.child);
  }

  /** Whoever deploys builds and pushes the images with a Docker engine that is logged in: gcloud auth configure-docker. */
  #images(): Workload["images"] {
    const { project, region, candidates } = this.args;
    const image = (program: Program | Candidate): docker.Image => {
      const { recipe, context, argument, tag, revision } = planImage(program);
      const args: docker.ImageArgs = {
        imageName: pulumi.interpolate`${region}-docker.pkg.dev/${project}/${this.repository.repositoryId}/${program}:${tag}`,
        build: {
          context,
          dockerfile: `${context}/${recipe}`,
          platform: "linux/amd64",
          args: { [argument]: program, REVISION: revision },
        },
      };
      return new docker.Image(this.named(program), args, this.child);
    };
    const programs = [...(Object.keys(PROGRAMS) as Program[]), ...(candidates?.names ?? [])];
    return Object.fromEntries(
      programs.map((program) => [program, image(program)]),
    ) as unknown as Workload["images"];
  }

  #bucket(): gcp.storage.Bucket {
    const { names, labels, region, protectData } = this.args;
    const args: gcp.storage.BucketArgs = {
      name: names.buckets.artifacts,
      location: region,
      labels,
      uniformBucketLevelAccess: true,
      publicAccessPrevention: "enforced",
      forceDestroy: !protectData,
      lifecycleRules: [
        {
          action: { type: "Delete" },
          condition: { age: RUN_FILES_DAYS, matchesPrefixes: ["runs/"] },
        },
      ],
    };
    return new gcp.storage.Bucket(this.named("artifacts"), args, {
      ...this.child,
      protect: protectData,
    });
  }

  #pipeline(): gcp.storage.BucketObject {
    const { project, region, names, warehouse, registeredModel } = this.args;
    const { names: candidates, account } = this.args.candidates ?? { names: [] };
    const { orders, marketing } = warehouse;
    const digests = pulumi.all(
      Object.fromEntries([...IMAGES, ...candidates].map((image) => [image, this.images[image]!.repoDigest])),
    ) as pulumi.Output<Record<Image, string>>;
    const content = pulumi.all([digests, this.bucket.name, account?.email]).apply(([images, bucket, email]) =>
      JSON.stringify(
        pipelineSpec({
          images,
          candidates,
          customJobs: email === undefined ? undefined : { project, region, serviceAccount: email },
          env: {
            WAREHOUSE_URL: `bigquery://${project}/${warehouse.location}?maximum_bytes_billed=${warehouse.bytesBilledLimit}`,
            MESSENGER_URL: `pubsub://${project}?events=${names.topics.events}`,
            ARTIFACTS_URL: `gs://${bucket}`,
            SQL_VARS: JSON.stringify({
              orders_project: orders.project,
              orders_dataset: orders.dataset,
              orders_table: orders.table,
              marts_project: marketing.project,
              marts_dataset: marketing.dataset,
            }),
            ...(registeredModel && {
              MODEL_REGISTRY_URL: `vertex-ai://${project}/${region}/${registeredModel}`,
            }),
            GIT_COMMIT: this.#revision(),
            IMAGES: JSON.stringify(images),
          },
        }),
        null,
        2,
      ),
    );
    return new gcp.storage.BucketObject(
      this.named("pipeline"),
      { bucket: this.bucket.name, name: "pipeline.json", contentType: "application/json", content },
      this.child,
    );
  }

  /** The last commit that changed a job. Runs record it. */
  #revision(): string {
    const sources = IMAGES.flatMap((image) => bundle(image).inputs);
    return commitOf(projectDir, [...sources, "sql"]);
  }

  #invoker(): gcp.cloudrunv2.Service {
    const { names, labels, project, region, protectData, accounts, retraining } = this.args;
    const probe = { httpGet: { path: "/healthcheck" }, timeoutSeconds: 4 };
    const args: gcp.cloudrunv2.ServiceArgs = {
      name: names.services.invoker,
      location: region,
      labels,
      deletionProtection: protectData,
      // Composer and people call it from outside of the project's network; IAM says who may.
      ingress: "INGRESS_TRAFFIC_ALL",
      template: {
        labels,
        serviceAccount: accounts.invoker.email,
        timeout: googleDuration(INVOKER_DEADLINE),
        maxInstanceRequestConcurrency: 20,
        scaling: { minInstanceCount: 0, maxInstanceCount: 3 },
        containers: [
          {
            image: this.images.invoker.repoDigest,
            resources: { limits: { cpu: "1", memory: "512Mi" }, cpuIdle: true, startupCpuBoost: true },
            envs: [
              { name: "LAUNCHER_URL", value: `vertex-ai://${project}/${region}` },
              {
                name: "PIPELINE_SPEC_URL",
                value: pulumi.interpolate`gs://${this.bucket.name}/${this.pipeline.name}`,
              },
              { name: "ARTIFACTS_URL", value: pulumi.interpolate`gs://${this.bucket.name}` },
              { name: "JOBS_SERVICE_ACCOUNT", value: accounts.jobs.email },
              ...(retraining ? [{ name: "RETRAINING", value: JSON.stringify(retraining) }] : []),
            ],
            startupProbe: { ...probe, periodSeconds: 5, failureThreshold: 6 },
            livenessProbe: { ...probe, periodSeconds: 30, failureThreshold: 3 },
          },
        ],
      },
    };
    return new gcp.cloudrunv2.Service(this.named("invoker"), args, this.child);
  }

  #allowCallers(): void {
    const { name, location } = this.invoker;
    const role = "roles/run.invoker";
    for (const [who, member] of Object.entries(this.args.callers))
      this.grant(gcp.cloudrunv2.ServiceIamMember, `invoker-caller-${who}`, { name, location }, role, member);
  }

  #allowInvoker(): void {
    const { names, project, accounts } = this.args;
    const { member } = accounts.invoker;
    const title = names.serviceAccounts.invoker;
    const description = "Starts pipelines and reads their state.";
    const launcher = this.role("pipeline-launcher", project, title, description, LAUNCH);
    this.grant(gcp.projects.IAMMember, "launcher-invoker", { project }, launcher.name, member);
    this.#allowFiles("objectViewer-invoker", "objectViewer", member);
    const jobs = { serviceAccountId: accounts.jobs.name };
    const user = "roles/iam.serviceAccountUser";
    this.grant(gcp.serviceaccount.IAMMember, "jobs-user-invoker", jobs, user, member);
  }

  /** The rights of the jobs on BigQuery are granted in warehouse.ts, those on Pub/Sub in messenger.ts. */
  #allowJobs(): void {
    const { project, accounts } = this.args;
    const { member } = accounts.jobs;
    // Vertex AI needs it of the account of a pipeline, which creates its jobs and their metadata:
    // cloud.google.com/vertex-ai/docs/pipelines/configure-project#service-account
    this.grant(gcp.projects.IAMMember, "aiplatform-user-jobs", { project }, "roles/aiplatform.user", member);
    this.#allowFiles("objectUser-jobs", "objectUser", member);
  }

  /** A candidate uses its files, and nothing else of the project. */
  #allowCandidates(): void {
    const { names, accounts, candidates } = this.args;
    if (candidates === undefined) return;
    const { name, member } = candidates.account;
    const files = candidateFiles(names.buckets.artifacts);
    this.#allowFiles("examples-candidates", "objectViewer", member, files.examples());
    for (const candidate of candidates.names)
      this.#allowFiles(`${candidate}-candidates`, "objectUser", member, files.written(candidate));
    // The jobs start candidates as this account.
    const user = "roles/iam.serviceAccountUser";
    const on = { serviceAccountId: name };
    this.grant(gcp.serviceaccount.IAMMember, "candidates-user-jobs", on, user, accounts.jobs.member);
  }

  #allowFiles(
    what: string,
    role: "objectViewer" | "objectUser",
    member: Member,
    condition?: Condition,
  ): void {
    const on = { bucket: this.bucket.name, condition };
    this.grant(gcp.storage.BucketIAMMember, `artifacts-${what}`, on, `roles/storage.${role}`, member);
  }
}
