import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

let address: Promise<string> | undefined;

/**
 * The address of a socket on which this process listens as long as it lives. A pid does not identify a process: after a
 * restart another one has it. The operating system closes the socket when the process ends, also when it is killed.
 */
export function lifeOfThisProcess(): Promise<string> {
  address ??= listen();
  return address;
}

async function listen(): Promise<string> {
  const name = `process-${randomUUID()}`;
  const isPipe = process.platform === "win32";
  const path = isPipe ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
  const server = createServer((socket) => socket.destroy()).unref();
  server.listen({ path, writableAll: true });
  await once(server, "listening");
  if (!isPipe) process.once("exit", () => rmSync(path, { force: true }));
  return path;
}

/** Whether the process with this address of lifeOfThisProcess has not ended. */
export async function isAlive(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    // Of another error, like too many connections, the process did not die.
    return !["ECONNREFUSED", "ENOENT"].includes((error as NodeJS.ErrnoException).code!);
  } finally {
    socket.destroy();
  }
}
