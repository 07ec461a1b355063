import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { promisify } from "node:util";
import { type RunningServer, startServer } from "./server.ts";

export interface PubSubEmulator extends RunningServer {
  /** As PUBSUB_EMULATOR_HOST has it: host:port. */
  readonly host: string;
}

/**
 * Pub/Sub by Google's own emulator, with nothing in it. It pushes, retries and dead-letters; it ignores filters.
 * @throws Error when the Google Cloud SDK, its emulator or Java are not there.
 */
export async function startPubSub(): Promise<PubSubEmulator> {
  const jar = await emulatorJar();
  const server = await startServer({
    command: (port) => ["java", "-jar", jar, "--host=127.0.0.1", `--port=${port}`],
    isUp: async (port) => (await fetch(`http://127.0.0.1:${port}`)).ok,
  });
  return { ...server, host: `127.0.0.1:${server.port}` };
}

/** The emulator itself: gcloud's wrapper would leave it running. */
async function emulatorJar(): Promise<string> {
  const remedy = "Install the Google Cloud SDK with its component pubsub-emulator, and Java 17 or later.";
  const root = await promisify(execFile)("gcloud", ["info", "--format=value(installation.sdk_root)"]).catch(
    (cause) => {
      throw new Error(`gcloud can't be run. ${remedy}`, { cause });
    },
  );
  const pattern = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar";
  const [jar] = globSync(`${root.stdout.trim()}/${pattern}`);
  if (jar === undefined) throw new Error(`There is no ${pattern} in ${root.stdout.trim()}. ${remedy}`);
  return jar;
}
