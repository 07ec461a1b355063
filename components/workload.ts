import { fileURLToPath } from "node:url";
import * as docker from "@pulumi/docker";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { IMAGES, type Image, pipelineSpec } from "../jobs/pipeline.ts";
import { type Duration, googleDuration, toSeconds } from "./duration.ts";
import type { Names } from "./names.ts";

type Member = pulumi.Input<string>;
type Build = Image | "invoker";

export interface WorkloadArgs {
  readonly names: Pick<Names, "repositories" | "buckets" | "services" | "serviceAccounts" | "topics">;
  readonly labels: Readonly<Record<string, string>>;
  readonly project: string;
  readonly region: string;
  /** The commit that is deployed: the images' tag, and what runs record of themselves. */
  readonly commit: string;
  /** Keeps the invoker from being deleted, and the bucket from being destroyed with its contents. */
  readonly protectData: boolean;
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
  /** Who may call the invoker: IAM members by what they are. */
  readonly callers: Readonly<Record<string, Member>>;
  /**
   * How long files of runs are kept.
   * @default "400 days"
   */
  readonly artifactRetention?: Duration;
  /** Changes the arguments of children before they are made. */
  readonly transform?: {
    readonly repository?: (args: gcp.artifactregistry.RepositoryArgs) => gcp.artifactregistry.RepositoryArgs;
    readonly image?: (args: docker.ImageArgs, image: Build) => docker.ImageArgs;
    readonly bucket?: (args: gcp.storage.BucketArgs) => gcp.storage.BucketArgs;
    readonly invoker?: (args: gcp.cloudrunv2.ServiceArgs) => gcp.cloudrunv2.ServiceArgs;
  };
}

/** What an image's Dockerfile is beside. */
const folderOf = (image: Build) => (image === "invoker" ? "functions/invoker" : `jobs/${image}`);

/** cloud.google.com/vertex-ai/docs/general/iam-permissions: start a pipeline, ask how it is, end it. */
const LAUNCH = ["create", "get", "cancel"].map((verb) => `aiplatform.pipelineJobs.${verb}`);

/** Runs the pipeline: the images of its steps, the bucket where runs keep files, and the invoker that starts them. */
export class Workload extends pulumi.ComponentResource {
  readonly repository: gcp.artifactregistry.Repository;
  readonly images: Readonly<Record<Build, docker.Image>>;
  readonly bucket: gcp.storage.Bucket;
  /** The PipelineSpec that the invoker starts. */
  readonly pipeline: gcp.storage.BucketObject;
  readonly invoker: gcp.cloudrunv2.Service;
  /** What the invoker may do with pipelines. */
  readonly launcherRole: gcp.projects.IAMCustomRole;
  /** URL of the invoker, which is also the audience of its callers' tokens. */
  readonly url: pulumi.Output<string>;

  readonly #name: string;
  readonly #args: WorkloadArgs;
  readonly #child: pulumi.CustomResourceOptions;

  constructor(name: string, args: WorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("customer-value:components:Workload", name, {}, opts);
    this.#name = name;
    this.#args = args;
    this.#child = { parent: this };

    this.repository = this.#repository();
    this.images = this.#images();
    this.bucket = this.#bucket();
    this.pipeline = this.#pipeline();
    this.invoker = this.#invoker();
    this.url = this.invoker.uri;
    this.#allowCallers();
    this.launcherRole = this.#launcherRole();
    this.#allowInvoker();
    this.#allowJobs();

    this.registerOutputs({ url: this.url });
  }

  #repository(): gcp.artifactregistry.Repository {
    const { names, labels, region, transform } = this.#args;
    const args: gcp.artifactregistry.RepositoryArgs = {
      repositoryId: names.repositories.images,
      location: region,
      labels,
      format: "DOCKER",
      description: "Images of the customer-value pipeline.",
      // Tags may move: everything refers to images by digest. A version that is kept counts, whatever else says delete.
      cleanupPolicies: [
        { id: "keep-newest", action: "KEEP", mostRecentVersions: { keepCount: 10 } },
        { id: "delete-old", action: "DELETE", condition: { olderThan: googleDuration("30 days") } },
      ],
    };
    return new gcp.artifactregistry.Repository(
      `${this.#name}-images`,
      transform?.repository?.(args) ?? args,
      this.#child,
    );
  }

  /** Built and pushed by the Docker of whoever deploys, with its login: gcloud auth configure-docker. */
  #images(): Record<Build, docker.Image> {
    const { project, region, commit, transform } = this.#args;
    const root = fileURLToPath(new URL("..", import.meta.url));
    const image = (build: Build): docker.Image => {
      const args: docker.ImageArgs = {
        imageName: pulumi.interpolate`${region}-docker.pkg.dev/${project}/${this.repository.repositoryId}/${build}:${commit}`,
        build: {
          context: root,
          dockerfile: `${root}${folderOf(build)}/Dockerfile`,
          platform: "linux/amd64",
          args: { REVISION: commit },
        },
      };
      return new docker.Image(`${this.#name}-${build}`, transform?.image?.(args, build) ?? args, this.#child);
    };
    const builds: readonly Build[] = ["invoker", ...IMAGES];
    return Object.fromEntries(builds.map((build) => [build, image(build)])) as Record<Build, docker.Image>;
  }

  #bucket(): gcp.storage.Bucket {
    const { names, labels, region, protectData, artifactRetention = "400 days", transform } = this.#args;
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
          condition: { age: toSeconds(artifactRetention) / toSeconds("1 day"), matchesPrefixes: ["runs/"] },
        },
      ],
    };
    return new gcp.storage.Bucket(`${this.#name}-artifacts`, transform?.bucket?.(args) ?? args, this.#child);
  }

  #pipeline(): gcp.storage.BucketObject {
    const { project, commit, names, warehouse } = this.#args;
    const { orders, marketing } = warehouse;
    const digests = pulumi.all(
      Object.fromEntries(IMAGES.map((image) => [image, this.images[image].repoDigest])),
    ) as pulumi.Output<Record<Image, string>>;
    const content = pulumi.all([digests, this.bucket.name]).apply(([images, bucket]) =>
      JSON.stringify(
        pipelineSpec({
          images,
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
            GIT_COMMIT: commit,
            IMAGES: JSON.stringify(images),
          },
        }),
        null,
        2,
      ),
    );
    return new gcp.storage.BucketObject(
      `${this.#name}-pipeline`,
      { bucket: this.bucket.name, name: "pipeline.json", contentType: "application/json", content },
      this.#child,
    );
  }

  #invoker(): gcp.cloudrunv2.Service {
    const { names, labels, project, region, protectData, accounts, transform } = this.#args;
    const probe = { httpGet: { path: "/healthcheck" }, timeoutSeconds: 5 };
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
        timeout: "60s",
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
            ],
            startupProbe: { ...probe, periodSeconds: 5, failureThreshold: 6 },
            livenessProbe: { ...probe, periodSeconds: 30, failureThreshold: 3 },
          },
        ],
      },
    };
    return new gcp.cloudrunv2.Service(
      `${this.#name}-invoker`,
      transform?.invoker?.(args) ?? args,
      this.#child,
    );
  }

  #allowCallers(): void {
    for (const [who, member] of Object.entries(this.#args.callers))
      new gcp.cloudrunv2.ServiceIamMember(
        `${this.#name}-invoker-caller-${who}`,
        {
          name: this.invoker.name,
          location: this.invoker.location,
          role: "roles/run.invoker",
          member,
        },
        this.#child,
      );
  }

  #launcherRole(): gcp.projects.IAMCustomRole {
    const { names, project } = this.#args;
    return new gcp.projects.IAMCustomRole(
      `${this.#name}-pipeline-launcher`,
      {
        roleId: names.serviceAccounts.invoker.replaceAll("-", "_"),
        project,
        title: names.serviceAccounts.invoker,
        description: "Starts pipelines, asks how they are and ends them.",
        permissions: LAUNCH,
      },
      this.#child,
    );
  }

  #allowInvoker(): void {
    const { accounts } = this.#args;
    const { member } = accounts.invoker;
    this.#allowOnProject("launcher-invoker", this.launcherRole.name, member);
    this.#allowOnBucket("objectViewer", "invoker", member);
    new gcp.serviceaccount.IAMMember(
      `${this.#name}-jobs-user-invoker`,
      { serviceAccountId: accounts.jobs.name, role: "roles/iam.serviceAccountUser", member },
      this.#child,
    );
  }

  #allowJobs(): void {
    const { member } = this.#args.accounts.jobs;
    // What Vertex AI asks of the account of a pipeline, which makes its jobs and their metadata:
    // cloud.google.com/vertex-ai/docs/pipelines/configure-project#service-account
    this.#allowOnProject("aiplatform-user-jobs", "roles/aiplatform.user", member);
    this.#allowOnBucket("objectUser", "jobs", member);
  }

  #allowOnProject(what: string, role: pulumi.Input<string>, member: Member): void {
    new gcp.projects.IAMMember(
      `${this.#name}-${what}`,
      { project: this.#args.project, role, member },
      this.#child,
    );
  }

  #allowOnBucket(role: "objectViewer" | "objectUser", who: string, member: Member): void {
    new gcp.storage.BucketIAMMember(
      `${this.#name}-artifacts-${role}-${who}`,
      { bucket: this.bucket.name, role: `roles/storage.${role}`, member },
      this.#child,
    );
  }
}
