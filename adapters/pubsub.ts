import { randomUUID } from "node:crypto";
import { on } from "node:events";
import { PubSub, type Message as PubSubMessage, type Subscription } from "@google-cloud/pubsub";
import type { Message, Messenger } from "../contracts/messages.ts";
import { jsonOrText } from "../lib/json.ts";
import { UserError } from "../lib/user-error.ts";

/**
 * Messenger on Pub/Sub. The URL maps the topics of the contracts to those of a project:
 * pubsub://project?requests=my-requests&events=my-events. PUBSUB_EMULATOR_HOST is used when it is set.
 */
export class PubSubMessenger implements Messenger {
  readonly #client: PubSub;
  readonly #topics: URLSearchParams;

  /** @throws UserError when the URL has no project. */
  constructor(url: string, client?: PubSub) {
    const { hostname, searchParams } = new URL(url);
    if (hostname === "")
      throw new UserError(`MESSENGER_URL is ${url}; allowed is pubsub://project?events=topic.`);
    this.#client = client ?? new PubSub({ projectId: hostname });
    this.#topics = searchParams;
  }

  async publish(topic: string, data: unknown, attributes: Record<string, string>): Promise<string> {
    return await this.#topic(topic).publishMessage({ data: Buffer.from(JSON.stringify(data)), attributes });
  }

  /** Creates a subscription and deletes it at the end. If the deletion fails, Pub/Sub deletes it after two days. */
  async subscribe(
    topic: string,
    filter: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Message>> {
    const conditions = Object.entries(filter).map(
      ([name, value]) => `attributes.${name} = ${JSON.stringify(value)}`,
    );
    const [subscription] = await this.#topic(topic).createSubscription(`${topic}-${randomUUID()}`, {
      filter: conditions.join(" AND "),
      // Pub/Sub refuses an expiration that is not longer than the retention, which is 7 days by default.
      messageRetentionDuration: { seconds: 12 * 3600 },
      expirationPolicy: { ttl: { seconds: 48 * 3600 } },
    });
    return this.#messages(subscription, filter, signal);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async *#messages(
    subscription: Subscription,
    filter: Record<string, string>,
    signal: AbortSignal,
  ): AsyncGenerator<Message> {
    try {
      const received = on(subscription, "message", { signal }) as AsyncIterable<[PubSubMessage]>;
      for await (const [message] of received) {
        message.ack();
        const { id, data, attributes } = message;
        // Pub/Sub's emulator does not filter.
        if (Object.entries(filter).every(([name, value]) => attributes[name] === value))
          yield { id, data: jsonOrText(data.toString()), attributes };
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await subscription.close();
      await subscription.delete();
    }
  }

  #topic(name: string) {
    const topic = this.#topics.get(name);
    if (topic === null) {
      const known = [...this.#topics.keys()].join(", ") || "none";
      throw new UserError(`MESSENGER_URL has no topic for ${name}; it has topics for: ${known}.`, {
        remedy: `Add ${name}=TOPIC to it.`,
      });
    }
    return this.#client.topic(topic, { gaxOpts: { timeout: 60_000 } });
  }
}
