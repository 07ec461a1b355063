import { randomUUID } from "node:crypto";
import type { Message, PubSub } from "@google-cloud/pubsub";
import { type Publisher, REQUESTS } from "../../contracts/messages.ts";
import { UserError } from "../../lib/user-error.ts";
import { within } from "../../lib/within.ts";

export interface Drill {
  readonly runId: string;
  /** Waits until the request is in the dead letters, and keeps it there. @throws UserError after the time limit, ms */
  readonly arrival: (timeLimit: number) => Promise<void>;
  /** Acknowledges the request, and no other message. Returns whether it has arrived. */
  readonly close: () => Promise<boolean>;
}

/** Sends a request that the invoker refuses, so that Pub/Sub must move it to the dead letters. */
export async function startDrill(
  pubsub: PubSub,
  publisher: Publisher,
  subscriptionName: string,
  signal: AbortSignal,
): Promise<Drill> {
  const runId = `fire-drill-${randomUUID().slice(0, 8)}`;
  // The schema of the topic allows this, the invoker does not.
  await publisher.publish(REQUESTS, { run_id: runId, run_date: "2999-01-01" }, { run_id: runId });
  const subscription = pubsub.subscription(subscriptionName);
  const arrived = Promise.withResolvers<void>();
  let letter: Message | undefined;
  // Without a listener the client returns the messages to Pub/Sub, and can no longer acknowledge them.
  subscription.on("error", arrived.reject).on("message", (message: Message) => {
    if (message.attributes.run_id !== runId) return;
    letter = message;
    arrived.resolve();
  });
  return {
    runId,
    async arrival(timeLimit) {
      const late = new UserError(`${runId} is not in ${subscriptionName} after ${timeLimit / 1000} s.`);
      signal.addEventListener("abort", () => arrived.reject(late), { once: true });
      await within(timeLimit, arrived.promise, late);
    },
    async close() {
      letter?.ack();
      await subscription.close();
      return letter !== undefined;
    },
  };
}
