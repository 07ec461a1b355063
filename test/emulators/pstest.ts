import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../lib/project.ts";
import type { PubSubEmulator } from "./pubsub.ts";
import { startServer } from "./server.ts";

/**
 * Starts the empty Pub/Sub fake of Google's Go client. It supports filters, but not push.
 * @throws Error when Go is missing.
 */
export async function startFilteringPubSub(): Promise<PubSubEmulator> {
  const program = join(cacheDir, "pstest");
  const cwd = join(import.meta.dirname, "pstest");
  await promisify(execFile)("go", ["build", "-o", program, "."], { cwd }).catch((cause) => {
    throw new Error(`pstest cannot be built: ${cause.message}\nInstall Go 1.24 or later.`, { cause });
  });
  const server = await startServer({
    command: (port) => [program, String(port)],
    isUp: async (port) => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      return socket.destroy().destroyed;
    },
  });
  return { ...server, host: `127.0.0.1:${server.port}` };
}
