import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout } from "node:timers/promises";

// Google's clients need no credentials for emulators: do not look for a metadata server.
process.env.METADATA_SERVER_DETECTION ??= "none";

/** A server in a separate process. */
export interface RunningServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly command: (port: number) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Returns true when the server answers. Called until it does; an error counts as false. */
  readonly isUp: (port: number) => Promise<boolean>;
  /** Time to start. @default 60 */
  readonly seconds?: number;
  /** @default a free port */
  readonly port?: number;
}

/**
 * Starts a server on a port of 127.0.0.1 and waits until it answers.
 * @throws Error with its output when it does not start in time.
 */
export async function startServer({
  command,
  env,
  isUp,
  seconds = 60,
  port: givenPort,
}: ServerOptions): Promise<RunningServer> {
  const port = givenPort ?? (await freePort());
  const [program = "", ...args] = command(port);
  // A process group: close() also stops the server's children.
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
  const stop = (): void => void signalGroup(child, "SIGKILL");
  process.once("exit", stop);
  const deadline = Date.now() + seconds * 1000;
  try {
    while (!(await Promise.race([isUp(port).catch(() => false), failure]))) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`${program} does not answer on port ${port}: ${printed}`);
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
      // SIGTERM first: Airflow's scheduler then stops its children, which are outside of the group.
      const ended = once(child, "exit");
      signalGroup(child, "SIGTERM");
      for (let tries = 0; tries < 600 && signalGroup(child, 0); tries += 1) await setTimeout(100);
      stop();
      await ended;
    },
  };
}

/** Sends a signal to the process group; false if it has ended. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  try {
    return child.pid !== undefined && process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

/** A free port of 127.0.0.1. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}
