import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type { ArtifactStore } from "../contracts/artifacts.ts";
import { type Launcher, type RunState, runState } from "../contracts/launcher.ts";
import type { Logger } from "../contracts/log.ts";
import { explain, Problem } from "../contracts/problem.ts";
import { stepReport, stepReportUrl } from "../contracts/step.ts";
import { type Container, type Execution, pipelineSpecSchema, runPipeline } from "./pipeline-runner.ts";

export interface LocalLauncherOptions {
  /** Folder below which every run has one of its own: runs/{run_id}. */
  readonly dataDir: string;
  readonly artifacts: ArtifactStore;
  /** The PipelineSpec, and what each of its images starts, in place of a container engine. */
  readonly spec: unknown;
  readonly entrypoints: Readonly<Record<string, readonly string[]>>;
  readonly log: Logger;
  readonly onTask?: (runId: string, event: Parameters<NonNullable<Execution["onTask"]>>[0]) => void;
  /** Gets every line that a step writes to stdout or stderr. */
  readonly onOutput?: (line: string) => void;
}

/** What is kept of a run in job.json. */
const job = runState.omit({ steps: true }).extend({ pid: z.number() });

/** Runs the pipeline as child processes; a run's id is a folder, so that starting it twice starts it once. */
export class LocalLauncher implements Launcher {
  readonly #options: LocalLauncherOptions;
  readonly #running = new Map<string, { abort: AbortController; done: Promise<void> }>();

  constructor(options: LocalLauncherOptions) {
    this.#options = options;
  }

  async launch(runId: string, parameters: Readonly<Record<string, string | number>>): Promise<boolean> {
    const folder = this.#folder(runId);
    mkdirSync(join(this.#options.dataDir, "runs"), { recursive: true });
    try {
      mkdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw new Problem(`The folder of the run can't be made: ${(error as Error).message}`, {
        status: 500,
        remedy:
          "Check that the data folder can be written and has space left, or choose another with --data-dir.",
        cause: error,
      });
    }
    const abort = new AbortController();
    const state = { run_id: runId, run_date: String(parameters.run_date), error: null, pid: process.pid };
    await this.#keep({ ...state, state: "running" });
    const done = this.#run(runId, parameters, abort.signal)
      .then(() => this.#keep({ ...state, state: "succeeded" }))
      .catch((error) =>
        this.#keep({ ...state, state: abort.signal.aborted ? "cancelled" : "failed", error: explain(error) }),
      )
      .finally(() => this.#running.delete(runId));
    this.#running.set(runId, { abort, done });
    return true;
  }

  async state(runId: string): Promise<RunState | undefined> {
    const { artifacts, spec } = this.#options;
    const text = await artifacts.read(this.#url(runId));
    if (text === undefined) return undefined;
    const { pid, ...kept } = job.parse(JSON.parse(text));
    const tasks = Object.values(pipelineSpecSchema.parse(spec).components).flatMap((component) =>
      Object.keys(component.dag?.tasks ?? {}),
    );
    const reports = await Promise.all(
      tasks.map((task) =>
        artifacts.read(stepReportUrl(pathToFileURL(this.#options.dataDir).href, runId, task)),
      ),
    );
    const steps = reports.flatMap((report) =>
      report === undefined ? [] : [stepReport.parse(JSON.parse(report))],
    );
    if (kept.state === "running" && !this.#running.has(runId) && !isAlive(pid)) {
      return { ...kept, state: "failed", error: "The process that ran it ended before the run did.", steps };
    }
    return { ...kept, steps };
  }

  async cancel(runId: string): Promise<void> {
    const run = this.#running.get(runId);
    run?.abort.abort(new Error("the run was cancelled"));
    await run?.done;
  }

  /** Cancels what runs, and waits until it has ended. */
  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((runId) => this.cancel(runId)));
  }

  #folder(runId: string): string {
    return join(this.#options.dataDir, "runs", runId);
  }

  #url(runId: string): string {
    return pathToFileURL(join(this.#folder(runId), "job.json")).href;
  }

  async #keep(state: z.output<typeof job>): Promise<void> {
    await this.#options.artifacts.write(this.#url(state.run_id), JSON.stringify(state, null, 2));
  }

  async #run(
    runId: string,
    parameters: Readonly<Record<string, string | number>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { artifacts, onTask, spec } = this.#options;
    await runPipeline(
      pipelineSpecSchema.parse(spec),
      { ...parameters, run_id: runId },
      {
        rootUrl: pathToFileURL(join(this.#folder(runId), "tasks")).href,
        signal,
        read: (url) => artifacts.read(url),
        run: (task, container, attempt, stop) => this.#execute(runId, task, container, attempt, stop),
        ...(onTask === undefined ? {} : { onTask: (event) => onTask(runId, event) }),
      },
    );
  }

  async #execute(
    runId: string,
    task: string,
    container: Container,
    attempt: number,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const entrypoint = this.#options.entrypoints[container.image];
    if (entrypoint === undefined) {
      const known = Object.keys(this.#options.entrypoints).join(", ");
      throw new Problem(`No entrypoint is known for the image ${container.image}; known are ${known}.`);
    }
    const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
    const [program, ...args] = [
      ...(container.command.length > 0 ? container.command : entrypoint),
      ...container.args,
    ];
    const logs = createWriteStream(join(this.#folder(runId), `${task}-${attempt}.log`));
    const lines: string[] = [];
    const child = spawn(program!, args, {
      // A group of its own: Ctrl-C in the terminal reaches the launcher alone, which then stops the step.
      detached: true,
      env: { ...inherited(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const stop = (): void => void kill(child.pid, "SIGTERM");
    const limit = Number(env.TIME_LIMIT_SECONDS ?? 3600);
    // The step watches its limit itself and says so; this is for one that no longer can.
    const timer = setTimeout(() => kill(child.pid, "SIGKILL"), (limit + 5) * 1000);
    signal.addEventListener("abort", stop, { once: true });
    let rest = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        logs.write(text);
        const parts = (rest + text).split("\n");
        rest = parts.pop()!;
        for (const line of parts) this.#options.onOutput?.(line);
        lines.push(...parts);
        lines.splice(0, lines.length - 20);
      });
    }
    try {
      const [code, by] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
        child.once("error", reject).once("close", (...ending) => resolve(ending));
      });
      signal.throwIfAborted();
      if (code !== 0) {
        const how = by === null ? `exit code ${code}` : `ended by ${by}`;
        const last = [...lines, rest].filter((line) => line.trim() !== "" && !line.startsWith("{")).at(-1);
        throw new Error(`${task}: ${how}${last === undefined ? "" : `: ${last.trim()}`}`);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      logs.end();
    }
  }
}

/** What a step inherits of this process's environment: what its runtime needs, and no secrets. */
function inherited(): NodeJS.ProcessEnv {
  const names = ["PATH", "HOME", "TMPDIR", "LANG", "LOG_LEVEL", "NODE_COMPILE_CACHE", "SystemRoot"];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
