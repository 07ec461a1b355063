import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import { type Launcher, type RunState, runState } from "../../contracts/launcher.ts";
import { stepReport, stepReportUrl } from "../../contracts/step.ts";
import type { Logger } from "../../lib/log.ts";
import { formatError, UserError } from "../../lib/user-error.ts";
import { type Execution, runPipeline } from "./pipeline-runner.ts";
import { type Container, type PipelineSpec, parsePipelineSpec } from "./pipeline-spec.ts";

/** Program with its first arguments; one that takes no environment over is told it. */
export type Entrypoint = readonly string[] | ((env: Readonly<Record<string, string>>) => readonly string[]);

export interface LocalLauncherOptions {
  /** Folder below which every run has one of its own: runs/{run_id}. */
  readonly dataDir: string;
  /** URL of dataDir as the steps and the artifact store know it; its file: URL unless told. */
  readonly dataUrl?: string;
  readonly artifacts: ArtifactStore;
  /** The PipelineSpec, and what each of its images starts, in place of a container engine. */
  readonly spec: unknown;
  readonly entrypoints: Readonly<Record<string, Entrypoint>>;
  readonly log: Logger;
  readonly onTask?: (runId: string, event: Parameters<NonNullable<Execution["onTask"]>>[0]) => void;
  /** Gets every line that a step writes to stdout or stderr. */
  readonly onOutput?: (line: string) => void;
  /** Seconds from a step's time limit, or from its cancellation, to when it is killed; 5 unless told. */
  readonly grace?: number;
}

/** What is kept of a run in job.json. */
const job = runState.omit({ steps: true }).extend({ pid: z.number() });

/** Runs the pipeline as child processes; a run's id is a folder, so that starting it twice starts it once. */
export class LocalLauncher implements Launcher {
  readonly #options: LocalLauncherOptions;
  readonly #spec: PipelineSpec;
  readonly #endings = new Map<string, z.output<typeof job>>();
  readonly #running = new Map<string, { abort: AbortController; done: Promise<void> }>();

  /** Throws a UserError when the spec holds what the embedded edition can't run. */
  constructor(options: LocalLauncherOptions) {
    this.#options = options;
    this.#spec = parsePipelineSpec(options.spec);
  }

  async launch(runId: string, parameters: Readonly<Record<string, string | number>>): Promise<boolean> {
    const folder = this.#folder(runId);
    const state = { run_id: runId, run_date: String(parameters.run_date), error: null, pid: process.pid };
    let claim: string | undefined;
    try {
      mkdirSync(join(this.#options.dataDir, "runs"), { recursive: true });
      claim = mkdtempSync(join(this.#options.dataDir, "runs", ".new-"));
      await this.#keep({ ...state, state: "running" }, claim);
      // Fails when another launcher was faster: a folder that isn't empty can't be replaced.
      renameSync(claim, folder);
    } catch (error) {
      if (claim !== undefined) rmSync(claim, { recursive: true, force: true });
      if (existsSync(folder)) return false;
      throw new UserError(`The folder of the run can't be made: ${(error as Error).message}`, {
        status: 500,
        remedy:
          "Check that the data folder can be written and has space left, or choose another with --data-dir.",
        cause: error,
      });
    }
    const abort = new AbortController();
    const end = async (ending: Pick<RunState, "state" | "error">): Promise<void> => {
      // Known here even where the disk has no room for it.
      this.#endings.set(runId, { ...state, ...ending });
      await this.#keep({ ...state, ...ending });
    };
    const done = this.#run(runId, parameters, abort.signal)
      .then(
        () => end({ state: "succeeded", error: null }),
        (error) => end({ state: abort.signal.aborted ? "cancelled" : "failed", error: formatError(error) }),
      )
      .catch((error) => this.#options.log.error({ err: error, run_id: runId }, "the run's end can't be kept"))
      .finally(() => this.#running.delete(runId));
    this.#running.set(runId, { abort, done });
    return true;
  }

  async state(runId: string): Promise<RunState | undefined> {
    const { artifacts } = this.#options;
    const text = await artifacts.read(jobUrl(this.#folder(runId)));
    if (text === undefined) return undefined;
    const { pid, ...kept } = this.#endings.get(runId) ?? job.parse(JSON.parse(text));
    const tasks = Object.values(this.#spec.components).flatMap((component) =>
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
      return ended({
        ...kept,
        state: "failed",
        error: "The process that ran it ended before the run did.",
        steps,
      });
    }
    return ended({ ...kept, steps });
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

  async #keep(state: z.output<typeof job>, folder = this.#folder(state.run_id)): Promise<void> {
    await this.#options.artifacts.write(jobUrl(folder), JSON.stringify(state, null, 2));
  }

  async #run(
    runId: string,
    parameters: Readonly<Record<string, string | number>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { artifacts, onTask, dataUrl = pathToFileURL(resolve(this.#options.dataDir)).href } = this.#options;
    await runPipeline(
      this.#spec,
      { ...parameters, run_id: runId },
      {
        rootUrl: `${dataUrl}/runs/${runId}/tasks`,
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
      throw new UserError(`No entrypoint is known for the image ${container.image}; known are ${known}.`);
    }
    const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
    const [program, ...args] = [
      ...(container.command.length > 0
        ? container.command
        : typeof entrypoint === "function"
          ? entrypoint(env)
          : entrypoint),
      ...container.args,
    ];
    mkdirSync(join(this.#folder(runId), "tasks", task), { recursive: true });
    const logs = createWriteStream(join(this.#folder(runId), `${task}-${attempt}.log`));
    logs.on("error", (error) => this.#options.log.warn({ err: error, task }, "the step's log can't be kept"));
    const child = spawn(program!, args, {
      // A group of its own: Ctrl-C in the terminal reaches the launcher alone, which then stops the step.
      detached: true,
      // Every step is a new process: what one has compiled the next need not.
      env: { NODE_COMPILE_CACHE: join(this.#options.dataDir, "compile-cache"), ...inherited(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    // As in a container, nothing that the step started outlives it.
    child.once("exit", () => kill(child.pid, "SIGKILL"));
    let last = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.pipe(logs, { end: false });
      createInterface({ input: stream }).on("line", (line) => {
        this.#options.onOutput?.(line);
        if (/\S/.test(line) && !/^(\s+at |Node\.js v)/.test(line)) last = line.trim();
      });
    }
    const { grace = 5 } = this.#options;
    const limit = Number(env.TIME_LIMIT_SECONDS ?? 3600);
    let isLate = false;
    // The step watches its limit itself and says so; this is for one that no longer can.
    const timers = [
      setTimeout(
        () => {
          isLate = true;
          kill(child.pid, "SIGKILL");
        },
        (limit + grace) * 1000,
      ),
    ];
    const stop = (): void => {
      kill(child.pid, "SIGTERM");
      timers.push(setTimeout(() => kill(child.pid, "SIGKILL"), grace * 1000));
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      const [code, by] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
        child.once("error", reject).once("close", (...ending) => resolve(ending));
      });
      signal.throwIfAborted();
      if (isLate) throw new Error(`${task}: killed, because it took longer than its limit of ${limit} s`);
      const how = by === null ? `exit code ${code}` : `ended by ${by}`;
      if (code !== 0) throw new Error(`${task}: ${how}${last === "" ? "" : `: ${messageIn(last)}`}`);
    } finally {
      timers.forEach(clearTimeout);
      signal.removeEventListener("abort", stop);
      logs.end();
    }
  }
}

/** What a step that was killed last told of itself is that it is running: of a run that has ended, that is not so. */
const ended = (run: RunState): RunState =>
  run.state === "running"
    ? run
    : {
        ...run,
        steps: run.steps.map((step) =>
          step.status === "running" ? { ...step, status: "failed" as const } : step,
        ),
      };

const jobUrl = (folder: string): string => pathToFileURL(join(folder, "job.json")).href;

/** The message of a structured log line; any other line as it is. */
function messageIn(line: string): string {
  try {
    return String(JSON.parse(line).message ?? line);
  } catch {
    return line;
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
