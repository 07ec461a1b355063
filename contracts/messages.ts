import { z } from "zod";
import { runDate, runId, runSettings } from "./run.ts";
import { stepReport } from "./step.ts";

/** Topic of run requests: Orchestrator publishes them, Messenger pushes them to the invoker. */
export const REQUESTS = "requests";
/** Topic of run events: Workload publishes them. Every message has the attribute run_id, to filter on. */
export const EVENTS = "events";

/** Orchestrator -> Workload: run the pipeline for this date. */
export const runRequest = z.strictObject({
  run_id: runId,
  run_date: runDate,
  ...runSettings.partial().shape,
});
export type RunRequest = z.output<typeof runRequest>;

/** How a run can end. */
export const runStatus = z.enum(["succeeded", "failed", "cancelled"]);

/** Workload -> Orchestrator: the run has ended. */
export const runEvent = z.strictObject({
  run_id: runId,
  run_date: z.iso.date(),
  status: runStatus,
  failed_step: z.string().nullable().describe("The first step that failed."),
  reason: z.string().nullable().describe("Why it failed, in one sentence."),
  finished_at: z.iso.datetime(),
  steps: z.array(stepReport),
});
export type RunEvent = z.output<typeof runEvent>;

/** A message of Messenger: data is JSON, attributes are what subscriptions filter on. */
export interface Message {
  readonly id: string;
  readonly data: unknown;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The sending half of Messenger. */
export interface Publisher {
  /** Returns the message id when Messenger has stored the message. */
  publish(topic: string, data: unknown, attributes: Record<string, string>): Promise<string>;
  close(): Promise<void>;
}

/** Delivers messages from sender to receiver, at least once. */
export interface Messenger extends Publisher {
  /**
   * Returns the topic's messages that have these attributes, from now on. The promise resolves when no further message
   * can be missed. The messages end when the signal aborts.
   */
  subscribe(
    topic: string,
    filter: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Message>>;
}

/** Body of a Pub/Sub push request (cloud.google.com/pubsub/docs/push). */
export const pushEnvelope = z.object({
  message: z.object({
    data: z.base64().min(1, "must not be empty").meta({
      description: "A RunRequest or a RunEvent as JSON, in base64.",
      contentMediaType: "application/json",
    }),
    attributes: z.record(z.string(), z.string()).default({}),
    messageId: z.string(),
  }),
  subscription: z.string(),
  deliveryAttempt: z.number().int().optional(),
});
