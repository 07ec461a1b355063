import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";

/** An IAM member: serviceAccount:…, user:…, group:…, principal:…. */
export type Member = pulumi.Input<string>;
type Text = pulumi.Input<string>;
type Options = pulumi.CustomResourceOptions;

/*
 * Every right that the stack grants is one of these: a role, to a member, on one resource. The first argument is the
 * grant's name in the program. components/grants.*.golden.txt lists them all.
 */

export function allowOnProject(
  name: string,
  project: Text,
  role: Text,
  member: Member,
  opts: Options,
): gcp.projects.IAMMember {
  return new gcp.projects.IAMMember(name, { project, role, member }, opts);
}

export function allowOnAccount(
  name: string,
  account: gcp.serviceaccount.Account,
  role: Text,
  member: Member,
  opts: Options,
): void {
  new gcp.serviceaccount.IAMMember(name, { serviceAccountId: account.name, role, member }, opts);
}

export function allowOnBucket(name: string, bucket: Text, role: Text, member: Member, opts: Options): void {
  new gcp.storage.BucketIAMMember(name, { bucket, role, member }, opts);
}

export function allowOnTopic(
  name: string,
  topic: gcp.pubsub.Topic,
  role: Text,
  member: Member,
  opts: Options,
): void {
  new gcp.pubsub.TopicIAMMember(name, { topic: topic.name, role, member }, opts);
}

export function allowOnSubscription(
  name: string,
  subscription: gcp.pubsub.Subscription,
  role: Text,
  member: Member,
  opts: Options,
): void {
  new gcp.pubsub.SubscriptionIAMMember(name, { subscription: subscription.name, role, member }, opts);
}

export function allowOnDataset(
  name: string,
  { project, datasetId }: gcp.bigquery.Dataset,
  role: Text,
  member: Member,
  opts: Options,
): void {
  new gcp.bigquery.DatasetIamMember(name, { project, datasetId, role, member }, opts);
}

export function allowOnTable(
  name: string,
  table: { readonly project: Text; readonly datasetId: Text; readonly tableId: Text },
  role: Text,
  member: Member,
  opts: Options,
): void {
  const { project, datasetId, tableId } = table;
  new gcp.bigquery.IamMember(name, { project, datasetId, tableId, role, member }, opts);
}

export function allowOnService(
  name: string,
  service: gcp.cloudrunv2.Service,
  role: Text,
  member: Member,
  opts: Options,
): void {
  new gcp.cloudrunv2.ServiceIamMember(
    name,
    { name: service.name, location: service.location, role, member },
    opts,
  );
}

export function allowOnKey(name: string, cryptoKeyId: Text, role: Text, member: Member, opts: Options): void {
  new gcp.kms.CryptoKeyIAMMember(name, { cryptoKeyId, role, member }, opts);
}
