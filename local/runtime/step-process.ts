import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { jsonOrText } from "../../lib/json.ts";
import type { Logger } from "../../lib/log.ts";

export interface StepProcess {
  /** Name of the step, for errors. */
  readonly step: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** File for what the step writes to stdout and stderr. */
  readonly logFile: string;
  /** Seconds. */
  readonly timeLimit: number;
  /** Seconds from the time limit, or from SIGTERM, to SIGKILL. */
  readonly grace: number;
  readonly log: Logger;
  /** Receives each line that the step writes to stdout or stderr. */
  readonly onOutput?: ((line: string) => void) | undefined;
}

/**
 * Runs a step as a child process. When the signal aborts, the process gets SIGTERM, then SIGKILL.
 * @throws Error with the exit code and the last error in its output when the step fails, or the signal's reason
 */
export async function runStepProcess(options: StepProcess, signal: AbortSignal): Promise<void> {
  const { step, command, env, logFile, timeLimit, grace, log, onOutput } = options;
  signal.throwIfAborted();
  mkdirSync(dirname(logFile), { recursive: true });
  const logs = createWriteStream(logFile);
  logs.on("error", (error) => log.warn({ err: error, step }, "the step's log can't be written"));
  const [program, ...args] = command;
  const child = spawn(program!, args, {
    // Its own process group: Ctrl-C in the terminal reaches only the launcher, which then stops the step.
    detached: true,
    env: { ...inheritedEnv(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // As in a container, no process that the step started survives it.
  child.once("exit", () => kill(child.pid, "SIGKILL"));
  let lastError = "";
  let lastText = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(logs, { end: false });
    createInterface({ input: stream }).on("line", (line) => {
      onOutput?.(line);
      const entry = line.startsWith("{") ? jsonOrText(line) : line;
      const { severity, message } = entry as { severity?: unknown; message?: unknown };
      if (severity === "ERROR") lastError = String(message);
      else if (entry === line && /\S/.test(line) && !/^(\s+at |Node\.js v)/.test(line))
        lastText = line.trim();
    });
  }
  // The step enforces its time limit. This is for a step that hangs.
  let isLate = false;
  const killLate = (): void => {
    isLate = true;
    kill(child.pid, "SIGKILL");
  };
  const timers = [setTimeout(killLate, (timeLimit + grace) * 1000)];
  const stop = (): void => {
    kill(child.pid, "SIGTERM");
    timers.push(setTimeout(() => kill(child.pid, "SIGKILL"), grace * 1000));
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    const [code, endedBy] = await once(child, "close");
    signal.throwIfAborted();
    if (isLate) throw new Error(`${step}: killed, because it took longer than its limit of ${timeLimit} s`);
    if (code === 0) return;
    const ending = endedBy === null ? `exit code ${code}` : `ended by ${endedBy}`;
    // A process can't say that it gets SIGKILL: what it printed last has another subject.
    const reason = lastError || (endedBy === "SIGKILL" ? "" : lastText);
    throw new Error(`${step}: ${ending}${reason === "" ? "" : `: ${reason}`}`);
  } finally {
    timers.forEach(clearTimeout);
    signal.removeEventListener("abort", stop);
    logs.end();
  }
}

/** The part of this process's environment that a step's runtime needs. It contains no secrets. */
function inheritedEnv(): Record<string, string | undefined> {
  const names = ["PATH", "HOME", "TMPDIR", "LANG", "LOG_LEVEL", "DUCKDB_MEMORY_LIMIT", "SystemRoot"];
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    // The whole process group.
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}
