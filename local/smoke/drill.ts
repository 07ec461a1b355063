import { randomUUID } from "node:crypto";
import { on } from "node:events";
import type { Message, PubSub } from "@google-cloud/pubsub";
import { type Publisher, REQUESTS } from "../../contracts/messages.ts";
import { UserError } from "../../lib/user-error.ts";

export interface Drill {
  /** Waits until the request is in the dead letters, and keeps it there. @throws UserError after the time limit */
  readonly arrival: (timeLimit: number) => Promise<void>;
  /** Acknowledges the request, and nothing else. Returns whether it has arrived. */
  readonly close: () => Promise<boolean>;
  readonly runId: string;
}

/** Sends a request that the invoker refuses and Pub/Sub must give up. */
export async function startDrill(
  pubsub: PubSub,
  publisher: Publisher,
  subscriptionName: string,
  signal: AbortSignal,
): Promise<Drill> {
  const runId = `fire-drill-${randomUUID().slice(0, 8)}`;
  const subscription = pubsub.subscription(subscriptionName);
  // The schema of the topic allows this, the invoker does not.
  await publisher.publish(REQUESTS, { run_id: runId, run_date: "2999-01-01" }, { run_id: runId });
  let letter: Message | undefined;
  return {
    runId,
    async arrival(timeLimit) {
      const limit = AbortSignal.timeout(timeLimit);
      try {
        const options = { signal: AbortSignal.any([signal, limit]) };
        for await (const [message] of on(subscription, "message", options) as AsyncIterable<[Message]>)
          if (message.attributes.run_id === runId) {
            letter = message;
            return;
          }
      } catch (error) {
        if (!limit.aborted) throw error;
        throw new UserError(
          `The request ${runId} is not in ${subscriptionName} after ${timeLimit / 1000} s.`,
        );
      }
    },
    async close() {
      letter?.ack();
      await subscription.close();
      return letter !== undefined;
    },
  };
}
