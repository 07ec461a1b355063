import pRetry from "p-retry";
import type { Publisher } from "../contracts/messages.ts";
import { UserError } from "../lib/user-error.ts";

/**
 * The Messenger that a URL names, to send to: pubsub://project?events=topic, or http://host:port, the embedded one
 * (POST /topics/{topic}). Throws a UserError when the URL names none.
 */
export async function openPublisher(url: string): Promise<Publisher> {
  if (url.startsWith("http:")) return httpPublisher(url);
  if (url.startsWith("pubsub:")) {
    const { PubSubMessenger } = await import("./pubsub.ts");
    return new PubSubMessenger(url);
  }
  throw new UserError(
    `MESSENGER_URL is ${url || "not set"}; allowed are pubsub://project?events=topic and http://host:port.`,
  );
}

function httpPublisher(url: string): Publisher {
  return {
    publish: (topic, data, attributes) =>
      pRetry(
        async () => {
          const response = await fetch(new URL(`/topics/${topic}`, url), {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ data, attributes }),
          });
          if (!response.ok)
            throw new Error(`Messenger answered ${response.status}: ${await response.text()}`);
          return ((await response.json()) as { id: string }).id;
        },
        { retries: 3, minTimeout: 200 },
      ),
    close: async () => undefined,
  };
}
