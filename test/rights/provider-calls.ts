/** The methods of a resource's life: create, read, change, delete. */
const life = (methods: string, create = "create", update = "patch"): string[] =>
  [create, "get", update, "delete"].map((method) => `${methods}.${method}`);
const policy = (methods: string): string[] => [`${methods}.getIamPolicy`, `${methods}.setIamPolicy`];
const permissions = (kind: string): string[] =>
  ["create", "get", "update", "delete"].map((verb) => `${kind}.${verb}`);

/**
 * What Pulumi's provider calls for a resource, by its type: methods of permissions.ts, or permissions where a method is
 * not in Google's list. Sources: the resources of github.com/hashicorp/terraform-provider-google 7.45, which the provider
 * wraps, and for Docker cloud.google.com/artifact-registry/docs/access-control#permissions.
 */
export const PROVIDER_CALLS: Readonly<Record<string, readonly string[]>> = {
  "docker:index/image:Image": [
    "artifactregistry.repositories.downloadArtifacts",
    "artifactregistry.repositories.uploadArtifacts",
    "artifactregistry.projects.locations.repositories.packages.tags.create",
    "artifactregistry.tags.update",
  ],
  "gcp:artifactregistry/repository:Repository": life("artifactregistry.projects.locations.repositories"),
  "gcp:bigquery/dataset:Dataset": life("bigquery.datasets", "insert", "update"),
  // Reads and writes the list of access that is a part of the dataset
  "gcp:bigquery/datasetIamMember:DatasetIamMember": [
    "bigquery.datasets.get",
    "bigquery.datasets.patch",
    "bigquery.datasets.getIamPolicy",
    "bigquery.datasets.setIamPolicy",
  ],
  "gcp:bigquery/iamMember:IamMember": policy("bigquery.tables"),
  "gcp:bigquery/routine:Routine": life("bigquery.routines", "insert", "update"),
  "gcp:bigquery/table:Table": life("bigquery.tables", "insert", "update"),
  // On the billing account, where somebody must grant it: roles/billing.costsManager
  "gcp:billing/budget:Budget": [],
  "gcp:cloudrunv2/service:Service": [
    ...life("run.projects.locations.services"),
    "run.projects.locations.operations.get",
  ],
  "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": policy("run.projects.locations.services"),
  "gcp:cloudscheduler/job:Job": life("cloudscheduler.projects.locations.jobs"),
  "gcp:composer/environment:Environment": [
    ...life("composer.projects.locations.environments"),
    "composer.projects.locations.operations.get",
  ],
  "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": [
    ...permissions("iam.googleapis.com/workloadIdentityPools"),
    "iam.googleapis.com/workloadIdentityPools.getAttestationRules",
  ],
  "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": permissions(
    "iam.googleapis.com/workloadIdentityPoolProviders",
  ),
  "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": policy("cloudkms.projects.locations.keyRings.cryptoKeys"),
  "gcp:logging/metric:Metric": permissions("logging.logMetrics"),
  // A policy on log lines makes a rule of Cloud Logging: cloud.google.com/logging/docs/alerting/log-based-alerts
  "gcp:monitoring/alertPolicy:AlertPolicy": [
    ...life("monitoring.projects.alertPolicies"),
    ...permissions("logging.notificationRules"),
  ],
  "gcp:monitoring/dashboard:Dashboard": life("monitoring.projects.dashboards"),
  "gcp:monitoring/notificationChannel:NotificationChannel": life("monitoring.projects.notificationChannels"),
  "gcp:projects/iAMCustomRole:IAMCustomRole": [...life("iam.projects.roles"), "iam.projects.roles.undelete"],
  "gcp:projects/iAMMember:IAMMember": policy("cloudresourcemanager.projects"),
  // services.generateServiceIdentity asks for the second: cloud.google.com/service-usage/docs/access-control
  "gcp:projects/serviceIdentity:ServiceIdentity": [
    "serviceusage.services.get",
    "serviceusage.services.enable",
  ],
  "gcp:pubsub/schema:Schema": life("pubsub.projects.schemas", "create", "commit"),
  "gcp:pubsub/subscription:Subscription": [
    ...life("pubsub.projects.subscriptions"),
    "pubsub.topics.attachSubscription",
  ],
  "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": policy("pubsub.projects.subscriptions"),
  "gcp:pubsub/topic:Topic": [...life("pubsub.projects.topics"), "pubsub.schemas.attach"],
  "gcp:pubsub/topicIAMMember:TopicIAMMember": policy("pubsub.projects.topics"),
  "gcp:serviceaccount/account:Account": life("iam.projects.serviceAccounts"),
  "gcp:serviceaccount/iAMMember:IAMMember": policy("iam.projects.serviceAccounts"),
  // With forceDestroy it lists and deletes the objects first: resource_storage_bucket.go
  "gcp:storage/bucket:Bucket": [...life("storage.buckets"), "storage.objects.list", "storage.objects.delete"],
  "gcp:storage/bucketIAMMember:BucketIAMMember": policy("storage.buckets"),
  "gcp:storage/bucketObject:BucketObject": life("storage.objects", "insert", "update"),
  "gcp:workflows/workflow:Workflow": [
    ...life("workflows.projects.locations.workflows"),
    "workflows.projects.locations.operations.get",
  ],
};

/**
 * What the provider calls in each deployment: it reads the project and the regions, and every call names the project
 * that pays, which needs the right to use it.
 */
export const PROVIDER_ITSELF: readonly string[] = [
  "cloudresourcemanager.projects.get",
  "compute.regions.list",
  "serviceusage.services.use",
];
