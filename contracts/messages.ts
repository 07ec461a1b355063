import { z } from "zod";
import { runDate, runId, runSettings } from "./run.ts";
import { stepReport } from "./step.ts";

/** Topic that Orchestrator publishes run requests to, and Workload's invoker is pushed from. */
export const REQUESTS = "requests";
/** Topic that Workload publishes run events to; every message carries the attribute run_id, to filter on. */
export const EVENTS = "events";

/** Orchestrator -> Workload: run the pipeline of this date. */
export const runRequest = z.strictObject({
  run_id: runId,
  run_date: runDate,
  ...runSettings.partial().shape,
});
export type RunRequest = z.output<typeof runRequest>;

/** How a run can end. */
export const runStatus = z.enum(["succeeded", "failed", "cancelled"]);

/** Workload -> Orchestrator: the run has ended, and how. */
export const runEvent = z.strictObject({
  run_id: runId,
  run_date: z.iso.date(),
  status: runStatus,
  failed_step: z.string().nullable().describe("The first step that failed."),
  reason: z.string().nullable().describe("Why it failed, in a sentence."),
  finished_at: z.iso.datetime(),
  steps: z.array(stepReport),
});
export type RunEvent = z.output<typeof runEvent>;

/** A message as Messenger carries it: the body is JSON, attributes are what subscriptions filter on. */
export interface Message {
  readonly id: string;
  readonly data: unknown;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The sending half of Messenger. */
export interface Publisher {
  /** Resolves with the message id once Messenger has the message. */
  publish(topic: string, data: unknown, attributes: Record<string, string>): Promise<string>;
  close(): Promise<void>;
}

/** Messenger: delivers a message from sender to receiver, at least once. */
export interface Messenger extends Publisher {
  /** Resolves once it listens, with the topic's messages from then on that carry the attributes; they end when the signal aborts. */
  subscribe(
    topic: string,
    filter: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Message>>;
}

/** Body of a Pub/Sub push request (cloud.google.com/pubsub/docs/push). */
export const pushEnvelope = z.object({
  message: z.object({
    data: z.base64().default(""),
    attributes: z.record(z.string(), z.string()).default({}),
    messageId: z.string(),
  }),
  subscription: z.string(),
  deliveryAttempt: z.number().int().optional(),
});
