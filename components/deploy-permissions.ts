const crud = (kind: string, more: readonly string[] = []) =>
  [...["create", "delete", "get", "update"], ...more].map((verb) => `${kind}.${verb}`);
const policy = (kind: string) => [`${kind}.getIamPolicy`, `${kind}.setIamPolicy`];

/**
 * The permissions on the project that creating, reading, changing and deleting a resource needs, by its type; empty where
 * the rights are elsewhere. cloud.google.com/iam/docs/permissions-reference lists them.
 */
export const PERMISSIONS: Readonly<Record<string, readonly string[]>> = {
  "docker:index/image:Image": [
    "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.repositories.uploadArtifacts",
    "artifactregistry.tags.create",
    "artifactregistry.tags.update",
  ],
  "gcp:artifactregistry/repository:Repository": crud("artifactregistry.repositories"),
  "gcp:bigquery/dataset:Dataset": crud("bigquery.datasets"),
  "gcp:bigquery/datasetIamMember:DatasetIamMember": policy("bigquery.datasets"),
  "gcp:bigquery/iamMember:IamMember": policy("bigquery.tables"),
  "gcp:bigquery/routine:Routine": crud("bigquery.routines"),
  "gcp:bigquery/table:Table": crud("bigquery.tables"),
  // On the billing account, where somebody must grant it: roles/billing.costsManager
  "gcp:billing/budget:Budget": [],
  "gcp:cloudrunv2/service:Service": crud("run.services").concat("run.operations.get"),
  "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": policy("run.services"),
  "gcp:cloudscheduler/job:Job": crud("cloudscheduler.jobs"),
  "gcp:composer/environment:Environment": crud("composer.environments").concat("composer.operations.get"),
  // With their long names, which custom roles take: cloud.google.com/iam/docs/manage-workload-identity-pools-providers
  "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": crud("iam.googleapis.com/workloadIdentityPools", [
    // The provider lists them at every read.
    "getAttestationRules",
  ]),
  "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": crud(
    "iam.googleapis.com/workloadIdentityPoolProviders",
  ),
  // On the key alone, by what bootstrap grants
  "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": policy("cloudkms.cryptoKeys"),
  "gcp:logging/metric:Metric": crud("logging.logMetrics"),
  // One on log lines is a rule of Cloud Logging too
  "gcp:monitoring/alertPolicy:AlertPolicy": crud("monitoring.alertPolicies").concat(
    crud("logging.notificationRules"),
  ),
  "gcp:monitoring/dashboard:Dashboard": crud("monitoring.dashboards"),
  "gcp:monitoring/notificationChannel:NotificationChannel": crud("monitoring.notificationChannels"),
  "gcp:projects/iAMCustomRole:IAMCustomRole": crud("iam.roles", ["undelete"]),
  "gcp:projects/iAMMember:IAMMember": policy("resourcemanager.projects"),
  "gcp:projects/serviceIdentity:ServiceIdentity": [
    "serviceusage.services.get",
    "serviceusage.services.enable",
  ],
  "gcp:pubsub/schema:Schema": ["create", "delete", "get", "commit", "attach"].map(
    (verb) => `pubsub.schemas.${verb}`,
  ),
  "gcp:pubsub/subscription:Subscription": crud("pubsub.subscriptions"),
  "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": policy("pubsub.subscriptions"),
  "gcp:pubsub/topic:Topic": crud("pubsub.topics", ["attachSubscription"]),
  "gcp:pubsub/topicIAMMember:TopicIAMMember": policy("pubsub.topics"),
  "gcp:serviceaccount/account:Account": crud("iam.serviceAccounts"),
  "gcp:serviceaccount/iAMMember:IAMMember": policy("iam.serviceAccounts"),
  // With its objects, where the stack is one that can be destroyed
  "gcp:storage/bucket:Bucket": crud("storage.buckets").concat(
    "storage.objects.list",
    "storage.objects.delete",
  ),
  "gcp:storage/bucketIAMMember:BucketIAMMember": policy("storage.buckets"),
  "gcp:storage/bucketObject:BucketObject": crud("storage.objects"),
  "gcp:workflows/workflow:Workflow": crud("workflows.workflows").concat("workflows.operations.get"),
};

/** What the provider itself needs: the project that pays for its calls, the project's number, and the regions. */
const PROVIDER = ["compute.regions.list", "resourcemanager.projects.get", "serviceusage.services.use"];

/** Types through which an account could give itself any right on the project. */
export const GRANTING: readonly string[] = [
  "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
  "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
  "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
  "gcp:projects/iAMCustomRole:IAMCustomRole",
  "gcp:projects/iAMMember:IAMMember",
  "gcp:serviceaccount/account:Account",
  "gcp:serviceaccount/iAMMember:IAMMember",
];

const sorted = (permissions: readonly string[]): string[] => [...new Set(permissions)].sort();

/** What a person needs to deploy the whole stack. */
export const deployPermissions = (): string[] => sorted([...Object.values(PERMISSIONS).flat(), ...PROVIDER]);

/** What the deploying workflow has: of the types that grant rights on the project it only reads. */
export const workflowPermissions = (): string[] =>
  sorted([
    ...Object.entries(PERMISSIONS).flatMap(([type, permissions]) =>
      GRANTING.includes(type) ? permissions.filter((each) => /\.get\w*$/.test(each)) : permissions,
    ),
    ...PROVIDER,
  ]);
