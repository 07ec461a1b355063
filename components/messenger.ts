import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { EVENTS, REQUESTS, runEvent, runRequest } from "../contracts/messages.ts";
import { Component, type Member, type StackArgs } from "./component.ts";
import { type Duration, googleDuration, toSeconds } from "./duration.ts";
import type { Names } from "./names.ts";
import { protocolBuffer } from "./pubsub-schema.ts";

type Topic = typeof REQUESTS | typeof EVENTS;

export interface MessengerArgs extends StackArgs {
  /** How long topics and subscriptions keep messages: 10 minutes to 31 days. */
  readonly retention: Duration;
  /** Where requests and events are pushed to: Workload's invoker. */
  readonly push: {
    /** URL of the Cloud Run service, which is also what it expects as the audience of tokens. */
    readonly url: pulumi.Input<string>;
    /** The account of the token. It may call the invoker and nothing else. */
    readonly account: gcp.serviceaccount.Account;
    /**
     * How long the invoker may take to answer, 10 to 600 seconds.
     * @example "120 seconds"
     */
    readonly deadline: Duration;
  };
  /** Who may publish to a topic: IAM members by what they are. */
  readonly publishers: Readonly<Record<Topic, Readonly<Record<string, Member>>>>;
  /** Who may subscribe to the events of a run, and end that subscription: IAM members by what they are. */
  readonly listeners: Readonly<Record<string, Member>>;
}

const MESSAGES: Readonly<Record<Topic, readonly [name: string, schema: z.ZodType]>> = {
  requests: ["RunRequest", runRequest],
  events: ["RunEvent", runEvent],
};

/** cloud.google.com/pubsub/docs/access-control: what a listener does with the subscription of a run. */
const LISTEN = ["create", "consume", "delete"].map((verb) => `pubsub.subscriptions.${verb}`);

/** Waits between deliveries, which double. The last attempt is after about an hour. */
const BACK_OFF = { minimumBackoff: "10s", maximumBackoff: "600s" };
const DELIVERY_ATTEMPTS = 12;

/**
 * Delivers messages from sender to receiver: a topic for requests, pushed to the invoker, and one for events, which
 * Orchestrator subscribes to once for each run. Messages that can't be delivered are kept as dead letters.
 */
export class Messenger extends Component<MessengerArgs> {
  readonly topics: Readonly<Record<Topic, gcp.pubsub.Topic>>;
  /** Topics of messages that could not be delivered. */
  readonly deadLetterTopics: Readonly<Record<Topic, gcp.pubsub.Topic>>;
  /** Pushes requests to the invoker. */
  readonly requests: gcp.pubsub.Subscription;
  /** Pushes events to the invoker, which logs them for the stack's metrics. */
  readonly events: gcp.pubsub.Subscription;
  /** Keeps the events of failed runs until somebody acknowledges them. */
  readonly failures: gcp.pubsub.Subscription;

  constructor(name: string, args: MessengerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("Messenger", name, args, opts);

    // Pub/Sub's own account moves dead letters and makes tokens.
    const agent = this.agent("pubsub.googleapis.com");
    this.topics = { requests: this.#topic(REQUESTS), events: this.#topic(EVENTS) };
    // Without a schema: a dead letter may have any content.
    this.deadLetterTopics = {
      requests: this.#anyTopic("requests-dead-letter"),
      events: this.#anyTopic("events-dead-letter"),
    };
    this.#keepDeadLetters(REQUESTS);
    this.#keepDeadLetters(EVENTS);
    this.requests = this.#subscription("requests", REQUESTS, this.#pushTo("/"));
    this.events = this.#subscription("events", EVENTS, this.#pushTo("/events"));
    this.failures = this.#subscription("failures", EVENTS, { filter: 'attributes.status = "failed"' });
    this.#allowDeadLetters(agent);
    this.#allowTokens(agent);
    this.#allowPublishers();
    this.#allowListeners();

    this.registerOutputs({ requests: this.topics.requests.name, events: this.topics.events.name });
  }

  #topic(topic: Topic): gcp.pubsub.Topic {
    const schema = new gcp.pubsub.Schema(
      this.named(topic),
      {
        name: this.args.names.schemas[topic],
        type: "PROTOCOL_BUFFER",
        definition: protocolBuffer(...MESSAGES[topic]),
      },
      this.child,
    );
    return this.#anyTopic(topic, { schemaSettings: { schema: schema.id, encoding: "JSON" } });
  }

  #anyTopic(role: keyof Names["topics"], more: gcp.pubsub.TopicArgs = {}): gcp.pubsub.Topic {
    const { names, labels, region, retention } = this.args;
    const args: gcp.pubsub.TopicArgs = {
      name: names.topics[role],
      labels,
      messageRetentionDuration: googleDuration(retention),
      messageStoragePolicy: { allowedPersistenceRegions: [region] },
      ...more,
    };
    return new gcp.pubsub.Topic(this.named(role), args, this.child);
  }

  #pushTo(path: "/" | "/events"): Partial<gcp.pubsub.SubscriptionArgs> {
    const { url, account, deadline } = this.args.push;
    return {
      ackDeadlineSeconds: toSeconds(deadline),
      pushConfig: {
        pushEndpoint: pulumi.interpolate`${url}${path}`,
        // Pub/Sub sets it on every push subscription: left out, each preview after a refresh would remove it.
        attributes: { "x-goog-version": "v1" },
        oidcToken: { serviceAccountEmail: account.email, audience: url },
      },
    };
  }

  #subscription(
    role: keyof Names["subscriptions"],
    topic: Topic,
    more: Partial<gcp.pubsub.SubscriptionArgs>,
  ): gcp.pubsub.Subscription {
    return this.#anySubscription(role, {
      topic: this.topics[topic].id,
      retryPolicy: BACK_OFF,
      deadLetterPolicy: {
        deadLetterTopic: this.deadLetterTopics[topic].id,
        maxDeliveryAttempts: DELIVERY_ATTEMPTS,
      },
      ...more,
    });
  }

  /** Keeps what could not be delivered until somebody acknowledges it. */
  #keepDeadLetters(topic: Topic): void {
    this.#anySubscription(`${topic}-dead-letter`, { topic: this.deadLetterTopics[topic].id });
  }

  #anySubscription(
    role: keyof Names["subscriptions"],
    more: gcp.pubsub.SubscriptionArgs,
  ): gcp.pubsub.Subscription {
    const { names, labels, retention } = this.args;
    const args: gcp.pubsub.SubscriptionArgs = {
      name: names.subscriptions[role],
      labels,
      messageRetentionDuration: googleDuration(retention),
      // Never: runs may be a month apart.
      expirationPolicy: { ttl: "" },
      ...more,
    };
    return new gcp.pubsub.Subscription(this.named(role), args, this.child);
  }

  /** cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions */
  #allowDeadLetters({ member }: gcp.projects.ServiceIdentity): void {
    for (const topic of [REQUESTS, EVENTS] as const)
      this.#allow(this.deadLetterTopics[topic], `${topic}-dead-letter`, "publisher", { agent: member });
    for (const role of ["requests", "events", "failures"] as const)
      this.grant(
        gcp.pubsub.SubscriptionIAMMember,
        `${role}-subscriber-agent`,
        { subscription: this[role].name },
        "roles/pubsub.subscriber",
        member,
      );
  }

  /** cloud.google.com/pubsub/docs/authenticate-push-subscriptions: tokens of the push account alone. */
  #allowTokens({ member }: gcp.projects.ServiceIdentity): void {
    this.grant(
      gcp.serviceaccount.IAMMember,
      "push-token-agent",
      { serviceAccountId: this.args.push.account.name },
      "roles/iam.serviceAccountOpenIdTokenCreator",
      member,
    );
  }

  #allowPublishers(): void {
    for (const topic of [REQUESTS, EVENTS] as const)
      this.#allow(this.topics[topic], topic, "publisher", this.args.publishers[topic]);
  }

  #allowListeners(): void {
    const { names, project, listeners } = this.args;
    this.#allow(this.topics.events, EVENTS, "subscriber", listeners);
    // The right to make a subscription is one on the project.
    const title = `${names.topics.events}-listener`;
    const description = "Makes a subscription for the events of a run, reads and ends it.";
    const role = this.role("listener", project, title, description, LISTEN);
    for (const [who, member] of Object.entries(listeners))
      this.grant(gcp.projects.IAMMember, `listener-${who}`, { project }, role.name, member);
  }

  #allow(
    { name: topic }: gcp.pubsub.Topic,
    what: string,
    role: "publisher" | "subscriber",
    members: Readonly<Record<string, Member>>,
  ): void {
    for (const [who, member] of Object.entries(members))
      this.grant(
        gcp.pubsub.TopicIAMMember,
        `${what}-${role}-${who}`,
        { topic },
        `roles/pubsub.${role}`,
        member,
      );
  }
}
