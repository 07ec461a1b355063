import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { promisify } from "node:util";
import type { protos } from "@google-cloud/pubsub";
import { type RunningServer, startServer } from "./server.ts";

export interface PubSubEmulator extends RunningServer {
  /** Value for PUBSUB_EMULATOR_HOST: host:port. */
  readonly host: string;
}

/**
 * Starts Google's own emulator of Pub/Sub, empty. It supports push, retries and dead letters; it ignores filters.
 * @throws Error when the Google Cloud SDK, its emulator or Java is missing.
 */
export async function startPubSub(): Promise<PubSubEmulator> {
  const jar = await emulatorJar();
  const server = await startServer({
    command: (port) => ["java", "-jar", jar, "--host=127.0.0.1", `--port=${port}`],
    isUp: async (port) => (await fetch(`http://127.0.0.1:${port}`)).ok,
  });
  return { ...server, host: `127.0.0.1:${server.port}` };
}

/** The emulator's jar. gcloud's own command does not stop the emulator when it ends. */
async function emulatorJar(): Promise<string> {
  const remedy = "Install the Google Cloud SDK with its component pubsub-emulator, and Java 17 or later.";
  const root = await promisify(execFile)("gcloud", ["info", "--format=value(installation.sdk_root)"]).catch(
    (cause) => {
      throw new Error(`gcloud does not run. ${remedy}`, { cause });
    },
  );
  const pattern = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar";
  const [jar] = globSync(`${root.stdout.trim()}/${pattern}`);
  if (jar === undefined) throw new Error(`${root.stdout.trim()} has no ${pattern}. ${remedy}`);
  return jar;
}

const DAY = 86_400;

/**
 * Asserts what emulators do not check: Pub/Sub refuses a subscription that expires in less than a day, or before its
 * messages do (cloud.google.com/pubsub/docs/subscription-properties). The defaults are 31 and 7 days.
 */
export function assertExpirationIsAllowed(subscription: protos.google.pubsub.v1.ISubscription): void {
  const expiration = Number(subscription.expirationPolicy?.ttl?.seconds ?? 31 * DAY);
  const retention = Number(subscription.messageRetentionDuration?.seconds ?? 7 * DAY);
  assert.ok(expiration >= DAY, `The subscription expires after ${expiration} s.`);
  assert.ok(
    expiration > retention,
    `It expires after ${expiration} s; messages are kept for ${retention} s.`,
  );
}
