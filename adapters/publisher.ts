import type { Publisher } from "../contracts/messages.ts";
import { UserError } from "../lib/user-error.ts";
import { withRetries } from "./retry.ts";

/** Milliseconds after which a request without an answer is sent again. */
const TIMEOUT = 10_000;

/**
 * Opens the Messenger of a URL to publish to: pubsub://project?events=topic, or http://host:port for the local stack
 * (POST /topics/{topic}).
 * @throws UserError when the URL is neither.
 */
export async function openPublisher(url: string, timeout = TIMEOUT): Promise<Publisher> {
  if (url.startsWith("http:")) return httpPublisher(url, timeout);
  if (url.startsWith("pubsub:")) {
    const { PubSubMessenger } = await import("./pubsub.ts");
    return new PubSubMessenger(url);
  }
  throw new UserError(
    `MESSENGER_URL is ${url || "not set"}; allowed are pubsub://project?events=topic and http://host:port.`,
  );
}

const httpPublisher = (url: string, timeout: number): Publisher => ({
  publish: (topic, data, attributes) =>
    withRetries(async () => {
      const response = await fetch(new URL(`/topics/${topic}`, url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ data, attributes }),
        signal: AbortSignal.timeout(timeout),
      });
      if (response.ok) return ((await response.json()) as { id: string }).id;
      const message = `Messenger answered ${response.status}: ${await response.text()}`;
      throw Object.assign(new Error(message), { status: response.status });
    }, 200),
  close: async () => undefined,
});
