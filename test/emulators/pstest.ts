import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../uv.ts";
import type { PubSubEmulator } from "./pubsub.ts";
import { startServer } from "./server.ts";

/**
 * Pub/Sub that honours filters, with nothing in it: the fake of Google's Go client. It pushes nothing.
 * @throws Error when there is no Go to build it.
 */
export async function startFilteringPubSub(): Promise<PubSubEmulator> {
  const program = join(cacheDir, "pstest");
  const cwd = join(import.meta.dirname, "pstest");
  await promisify(execFile)("go", ["build", "-o", program, "."], { cwd }).catch((cause) => {
    throw new Error(`pstest can't be built: ${cause.message}\nInstall Go 1.24 or later.`, { cause });
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
