import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout } from "node:timers/promises";

// Where Google's services are emulated nobody logs in: their clients need not look for who they are.
process.env.METADATA_SERVER_DETECTION ??= "none";

/** A server in a process of its own, for as long as a test needs it. */
export interface RunningServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly command: (port: number) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it answers: asked until it does. */
  readonly isUp: (port: number) => Promise<boolean>;
  /** @default 60 */
  readonly seconds?: number;
  /** @default a free one */
  readonly port?: number;
}

/** Starts a server on a port of 127.0.0.1 and waits until it answers; throws with what it printed when it does not. */
export async function startServer({
  command,
  env,
  isUp,
  seconds = 60,
  port: givenPort,
}: ServerOptions): Promise<RunningServer> {
  const port = givenPort ?? (await freePort());
  const [program = "", ...args] = command(port);
  // A group of its own, so that what it starts ends with it.
  const child = spawn(program, args, {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      printed = `${printed}${chunk}`.slice(-4000);
    });
  const failure = new Promise<never>((_, reject) => child.once("error", reject));
  failure.catch(() => undefined);
  const stop = (): void => void end(child, "SIGKILL");
  process.once("exit", stop);
  const deadline = Date.now() + seconds * 1000;
  try {
    while (!(await Promise.race([isUp(port).catch(() => false), failure]))) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`${program} did not come up on port ${port}: ${printed}`);
      await setTimeout(100);
    }
  } catch (error) {
    stop();
    throw error;
  }
  return {
    port,
    async close() {
      process.off("exit", stop);
      if (child.exitCode !== null || child.signalCode !== null) return;
      // Told first: Airflow's scheduler has processes outside of the group, which it ends itself.
      const ended = once(child, "exit");
      end(child, "SIGTERM");
      for (let tries = 0; tries < 150 && end(child, 0); tries += 1) await setTimeout(100);
      stop();
      await ended;
    },
  };
}

/** Sends the signal to what is left of the server; false when nothing is. */
function end(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  try {
    return child.pid !== undefined && process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}
