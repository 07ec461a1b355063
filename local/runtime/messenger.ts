import { EventEmitter, on, once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import pRetry from "p-retry";
import { z } from "zod";
import type { Message, Messenger } from "../../contracts/messages.ts";
import type { Logger } from "../../lib/log.ts";
import { parse } from "../../lib/user-error.ts";

const publishRequest = z.strictObject({
  data: z.unknown(),
  attributes: z.record(z.string(), z.string()).default({}),
});

export interface PushOptions {
  readonly topic: string;
  readonly url: string;
  /** Deliveries before a message becomes a dead letter. */
  readonly maxDeliveryAttempts: number;
  /** Delay before the second delivery, in milliseconds. It doubles with each delivery. */
  readonly minimumBackoff: number;
  /** An endpoint that has not answered after these milliseconds gets the message again. @default 60000 */
  readonly ackDeadline?: number;
}

/**
 * Messenger in this process. Works like Pub/Sub: at-least-once push to an HTTP endpoint with back-off and dead letters,
 * and subscriptions that filter by attributes. Other processes publish over HTTP: POST /topics/{topic}.
 */
export class LocalMessenger implements Messenger {
  readonly #topics = new EventEmitter().setMaxListeners(0);
  readonly #server: Server;
  readonly #log: Logger;
  #published = 0;

  private constructor(log: Logger) {
    this.#log = log;
    this.#server = createServer(async (request, response) => {
      const topic = /^\/topics\/([\w-]+)$/.exec(request.url ?? "")?.[1];
      try {
        if (request.method !== "POST" || topic === undefined) throw new Error("Use POST /topics/{topic}.");
        const { data, attributes } = parse(publishRequest, await json(request), "message");
        const id = await this.publish(topic, data, attributes);
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ id }));
      } catch (error) {
        response.writeHead(400).end((error as Error).message);
      }
    });
  }

  static async start(log: Logger): Promise<LocalMessenger> {
    const messenger = new LocalMessenger(log);
    messenger.#server.listen(0, "127.0.0.1").unref();
    await once(messenger.#server, "listening");
    return messenger;
  }

  /** Where other processes publish. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async publish(topic: string, data: unknown, attributes: Record<string, string>): Promise<string> {
    this.#published += 1;
    const message: Message = { id: String(this.#published), data, attributes };
    this.#topics.emit(topic, message);
    return message.id;
  }

  async subscribe(
    topic: string,
    filter: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Message>> {
    // `on` throws for an aborted signal. Here it ends the messages.
    return signal.aborted
      ? (async function* () {})()
      : matching(on(this.#topics, topic, { signal }), filter, signal);
  }

  /** Pushes every message of the topic to an endpoint, like a Pub/Sub push subscription. */
  push({ topic, url, maxDeliveryAttempts, minimumBackoff, ackDeadline = 60_000 }: PushOptions): void {
    this.#topics.on(topic, async (message: Message) => {
      const { id, attributes } = message;
      const data = Buffer.from(JSON.stringify(message.data) ?? "").toString("base64");
      const deliver = async (deliveryAttempt: number): Promise<void> => {
        const response = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            message: { data, attributes, messageId: id },
            subscription: `projects/local/subscriptions/${topic}-push`,
            deliveryAttempt,
          }),
          signal: AbortSignal.timeout(ackDeadline),
        });
        if (!response.ok) throw new Error(await reasonOf(response));
      };
      await pRetry(deliver, {
        retries: maxDeliveryAttempts - 1,
        minTimeout: minimumBackoff,
        maxTimeout: 60_000,
        unref: true,
      }).catch(({ message: reason }: Error) => {
        this.#log.error({ reason, message_id: id, topic }, `message ${id} of ${topic} is a dead letter`);
        const letter: Message = { ...message, attributes: { ...attributes, reason } };
        this.#topics.emit(`${topic}-dead-letter`, letter);
      });
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Why the endpoint refused a message: the text of a problem document, or of any other body. */
async function reasonOf(response: Response): Promise<string> {
  const text = await response.text();
  if (!response.headers.get("content-type")?.startsWith("application/problem+json"))
    return `${response.status}: ${text}`;
  const { detail, remedy } = JSON.parse(text);
  return [detail, remedy].filter(Boolean).join("\n");
}

async function* matching(
  messages: AsyncIterable<unknown>,
  filter: Record<string, string>,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  try {
    for await (const [message] of messages as AsyncIterable<[Message]>)
      if (Object.entries(filter).every(([name, value]) => message.attributes[name] === value)) yield message;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
