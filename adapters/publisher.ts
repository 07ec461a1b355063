import pRetry from "p-retry";
import type { Publisher } from "../contracts/messages.ts";
import { Problem } from "../contracts/problem.ts";

/**
 * The Messenger that a URL names, to send to: http://host:port is the embedded one (POST /topics/{topic}).
 * Throws a Problem when the URL names none.
 */
export function openPublisher(url: string): Publisher {
  if (url.startsWith("http:")) return httpPublisher(url);
  throw new Problem(`MESSENGER_URL is ${url || "not set"}; allowed is http://host:port.`);
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
  };
}
