import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import { runEvent, runRequest } from "../contracts/messages.ts";
import { record, unwrap } from "../test/recording-mocks.ts";
import { Messenger, type MessengerArgs } from "./messenger.ts";
import { planLabels, planNames } from "./names.ts";
import { protocolBuffer } from "./pubsub-schema.ts";

const TOPIC = "gcp:pubsub/topic:Topic";
const SCHEMA = "gcp:pubsub/schema:Schema";
const SUBSCRIPTION = "gcp:pubsub/subscription:Subscription";
const TOPIC_GRANT = "gcp:pubsub/topicIAMMember:TopicIAMMember";
const SUBSCRIPTION_GRANT = "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember";
const ACCOUNT_GRANT = "gcp:serviceaccount/iAMMember:IAMMember";
const AGENT = "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com";

const identity = { app: "customer-value", environment: "dev", project: "my-project" };
const labels = planLabels(identity);

const messenger = (more: Partial<MessengerArgs> = {}) =>
  record(
    () =>
      new Messenger("messenger", {
        names: planNames(identity),
        labels,
        project: "my-project",
        region: "europe-west1",
        protectData: false,
        retention: "7 days",
        push: {
          url: "https://invoker.run.app",
          deadline: "120 seconds",
          account: new gcp.serviceaccount.Account("push", { accountId: "push" }),
        },
        publishers: {
          requests: { composer: "serviceAccount:composer@p" },
          events: { jobs: "serviceAccount:jobs@p" },
        },
        listeners: { composer: "serviceAccount:composer@p" },
        ...more,
      }),
    madeUp,
  );

/** What Google would answer. */
function madeUp({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  if (type === "gcp:projects/serviceIdentity:ServiceIdentity") return { member: AGENT };
  if (type === "gcp:serviceaccount/account:Account")
    return { email: `${inputs.accountId}@p`, name: `projects/p/serviceAccounts/${inputs.accountId}@p` };
  return {};
}

describe("Messenger", () => {
  it("is these resources, all of them its children", async () => {
    const { resources } = await messenger();
    const children = resources.filter(({ name }) => name !== "push" && name !== "messenger");
    assert.deepEqual(
      children.map(({ type, name }) => `${type.split(":").at(-1)} ${name}`),
      [
        "IAMCustomRole messenger-listener",
        "IAMMember messenger-listener-composer",
        "ServiceIdentity messenger-agent",
        "Schema messenger-events",
        "Schema messenger-requests",
        "Subscription messenger-events",
        "Subscription messenger-events-dead-letter",
        "Subscription messenger-failures",
        "Subscription messenger-requests",
        "Subscription messenger-requests-dead-letter",
        "SubscriptionIAMMember messenger-events-subscriber-agent",
        "SubscriptionIAMMember messenger-failures-subscriber-agent",
        "SubscriptionIAMMember messenger-requests-subscriber-agent",
        "Topic messenger-events",
        "Topic messenger-events-dead-letter",
        "Topic messenger-requests",
        "Topic messenger-requests-dead-letter",
        "TopicIAMMember messenger-events-dead-letter-publisher-agent",
        "TopicIAMMember messenger-events-publisher-jobs",
        "TopicIAMMember messenger-events-subscriber-composer",
        "TopicIAMMember messenger-requests-dead-letter-publisher-agent",
        "TopicIAMMember messenger-requests-publisher-composer",
        "IAMMember messenger-push-token-agent",
      ],
    );
    for (const { path, type } of children)
      assert.deepEqual(path, ["customer-value:components:Messenger", type]);
  });

  it("keeps messages labeled, in its region, for the time of the settings", async () => {
    const { ofType } = await messenger({ retention: "12 hours" });
    assert.equal(ofType(TOPIC).length, 4);
    for (const { inputs, name } of ofType(TOPIC)) {
      assert.deepEqual(inputs.messageStoragePolicy, { allowedPersistenceRegions: ["europe-west1"] }, name);
      assert.equal(inputs.messageRetentionDuration, "43200s", name);
      assert.deepEqual(inputs.labels, labels, name);
    }
    assert.equal(ofType(SUBSCRIPTION).length, 5);
    for (const { inputs, name } of ofType(SUBSCRIPTION)) {
      assert.equal(inputs.messageRetentionDuration, "43200s", name);
      assert.deepEqual(inputs.expirationPolicy, { ttl: "" }, name);
      assert.deepEqual(inputs.labels, labels, name);
    }
  });

  it("takes only messages that keep the contract", async () => {
    const { get } = await messenger();
    for (const [topic, definition] of [
      ["requests", protocolBuffer("RunRequest", runRequest)],
      ["events", protocolBuffer("RunEvent", runEvent)],
    ] as const) {
      const { inputs } = get(SCHEMA, `messenger-${topic}`);
      assert.deepEqual(inputs, { name: `customer-value-dev-${topic}`, type: "PROTOCOL_BUFFER", definition });
      assert.deepEqual(get(TOPIC, `messenger-${topic}`).inputs.schemaSettings, {
        schema: `messenger-${topic}-id`,
        encoding: "JSON",
      });
    }
  });

  it("has, for each subscription, a dead letter that somebody can read, or is one", async () => {
    const { ofType } = await messenger();
    const isDeadLetter = (id: unknown) => String(id).endsWith("-dead-letter-id");
    const subscribed = ofType(SUBSCRIPTION).map(({ inputs }) => inputs.topic);
    for (const { name } of ofType(TOPIC)) assert.ok(subscribed.includes(`${name}-id`), name);
    for (const { inputs, name } of ofType(SUBSCRIPTION)) {
      const policy = inputs.deadLetterPolicy as { deadLetterTopic: string } | undefined;
      assert.notEqual(isDeadLetter(inputs.topic), isDeadLetter(policy?.deadLetterTopic), name);
      if (policy) assert.ok(subscribed.includes(policy.deadLetterTopic), name);
    }
  });

  it("pushes requests to the invoker with a token, waits, and tries again ever later", async () => {
    const { get } = await messenger();
    assert.deepEqual(get(SUBSCRIPTION, "messenger-requests").inputs, {
      name: "customer-value-dev-requests",
      labels,
      topic: "messenger-requests-id",
      messageRetentionDuration: "604800s",
      expirationPolicy: { ttl: "" },
      ackDeadlineSeconds: 120,
      retryPolicy: { minimumBackoff: "10s", maximumBackoff: "600s" },
      deadLetterPolicy: { deadLetterTopic: "messenger-requests-dead-letter-id", maxDeliveryAttempts: 12 },
      pushConfig: {
        pushEndpoint: "https://invoker.run.app/",
        attributes: { "x-goog-version": "v1" },
        oidcToken: { serviceAccountEmail: "push@p", audience: "https://invoker.run.app" },
      },
    });
  });

  it("pushes events to the invoker in the same way, all of them", async () => {
    const { get } = await messenger();
    const {
      name: _,
      topic: __,
      deadLetterPolicy: ___,
      pushConfig,
      ...requests
    } = get(SUBSCRIPTION, "messenger-requests").inputs;
    assert.deepEqual(get(SUBSCRIPTION, "messenger-events").inputs, {
      ...requests,
      name: "customer-value-dev-events",
      topic: "messenger-events-id",
      deadLetterPolicy: { deadLetterTopic: "messenger-events-dead-letter-id", maxDeliveryAttempts: 12 },
      pushConfig: { ...(pushConfig as object), pushEndpoint: "https://invoker.run.app/events" },
    });
  });

  it("keeps the events of failed runs apart", async () => {
    const { get } = await messenger();
    const { topic, filter, pushConfig } = get(SUBSCRIPTION, "messenger-failures").inputs;
    assert.deepEqual(
      { topic, filter, pushConfig },
      { topic: "messenger-events-id", filter: 'attributes.status = "failed"', pushConfig: undefined },
    );
  });

  it("grants exactly this, each on one resource", async () => {
    const { ofType } = await messenger();
    const grants = [TOPIC_GRANT, SUBSCRIPTION_GRANT, ACCOUNT_GRANT].flatMap((type) =>
      ofType(type).map(({ inputs: { topic, subscription, serviceAccountId, role, member } }) =>
        [member, role, topic ?? subscription ?? serviceAccountId].join(" "),
      ),
    );
    assert.deepEqual(grants.sort(), [
      "serviceAccount:composer@p roles/pubsub.publisher customer-value-dev-requests",
      "serviceAccount:composer@p roles/pubsub.subscriber customer-value-dev-events",
      "serviceAccount:jobs@p roles/pubsub.publisher customer-value-dev-events",
      `${AGENT} roles/iam.serviceAccountOpenIdTokenCreator projects/p/serviceAccounts/push@p`,
      `${AGENT} roles/pubsub.publisher customer-value-dev-events-dead-letter`,
      `${AGENT} roles/pubsub.publisher customer-value-dev-requests-dead-letter`,
      `${AGENT} roles/pubsub.subscriber customer-value-dev-events`,
      `${AGENT} roles/pubsub.subscriber customer-value-dev-failures`,
      `${AGENT} roles/pubsub.subscriber customer-value-dev-requests`,
    ]);
  });

  it("has a role of listeners whose name IAM allows, for any app", async () => {
    const names = planNames({ ...identity, app: "a".repeat(100) });
    const { inputs } = (await messenger({ names })).get(
      "gcp:projects/iAMCustomRole:IAMCustomRole",
      "messenger-listener",
    );
    // cloud.google.com/iam/docs/reference/rest/v1/projects.roles
    assert.match(String(inputs.roleId), /^[\w.]{3,64}$/);
    assert.match(String(inputs.title), /^.{1,100}$/);
  });

  it("gives its topics and subscriptions", async () => {
    const { result } = await messenger();
    assert.equal(await unwrap(result.topics.requests.name), "customer-value-dev-requests");
    assert.equal(await unwrap(result.deadLetterTopics.events.name), "customer-value-dev-events-dead-letter");
    assert.equal(await unwrap(result.requests.name), "customer-value-dev-requests");
    assert.equal(await unwrap(result.failures.name), "customer-value-dev-failures");
  });
});
