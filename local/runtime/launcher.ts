import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { withRetries } from "../../adapters/retry.ts";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import { type Launcher, type RunState, runState } from "../../contracts/launcher.ts";
import { readStepReports } from "../../contracts/step.ts";
import type { Logger } from "../../lib/log.ts";
import { cacheDir } from "../../lib/project.ts";
import { formatError, UserError } from "../../lib/user-error.ts";
import { runPipeline, type TaskEvent } from "./pipeline-runner.ts";
import { type Container, type PipelineSpec, parsePipelineSpec } from "./pipeline-spec.ts";
import { isAlive, lifeOfThisProcess } from "./process-life.ts";
import { runStepProcess } from "./step-process.ts";

/** Program and first arguments. A function gets the step's environment, for programs that do not inherit it. */
export type Entrypoint = readonly string[] | ((env: Readonly<Record<string, string>>) => readonly string[]);

export interface LocalLauncherOptions {
  /** Each run has a folder in it: runs/{run_id}. */
  readonly dataDir: string;
  /** URL of dataDir for the steps and the artifact store. @default its file: URL */
  readonly dataUrl?: string;
  readonly artifacts: ArtifactStore;
  readonly spec: unknown;
  /** What to start for each image of the spec. */
  readonly entrypoints: Readonly<Record<string, Entrypoint>>;
  /** Runs one attempt of a step. @default as a child process */
  readonly runStep?: typeof runStepProcess;
  readonly log: Logger;
  readonly onTask?: (runId: string, event: TaskEvent) => void;
  /** Receives each line that a step writes to stdout or stderr. */
  readonly onOutput?: (line: string) => void;
  /** Seconds from a step's time limit, or from its cancellation, until it is killed. @default 5 */
  readonly grace?: number;
  /** Runs at the same time. Further ones are queued. @default 2 */
  readonly maxRuns?: number;
}

/** Content of the file job.json of a run. The life is of the process that runs the pipeline. */
const job = runState.omit({ steps: true }).extend({ life: z.string().optional() });

/** A run of this process. */
interface Run {
  job: z.output<typeof job>;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly abort: AbortController;
  ended: Promise<void>;
}

/** Runs pipelines as child processes. The folder of a run makes it unique: a run that is launched twice starts once. */
export class LocalLauncher implements Launcher {
  readonly #options: LocalLauncherOptions;
  readonly #spec: PipelineSpec;
  /** In the order of their launch. */
  readonly #runs = new Map<string, Run>();

  /** @throws UserError when the spec can't run on one machine. */
  constructor(options: LocalLauncherOptions) {
    this.#options = options;
    this.#spec = parsePipelineSpec(options.spec);
  }

  async launch(runId: string, parameters: Readonly<Record<string, string | number>>): Promise<boolean> {
    const folder = this.#folder(runId);
    const run: Run = {
      job: {
        run_id: runId,
        run_date: String(parameters.run_date),
        state: "queued",
        error: null,
      },
      parameters,
      abort: new AbortController(),
      ended: Promise.resolve(),
    };
    let claim: string | undefined;
    try {
      mkdirSync(join(this.#options.dataDir, "runs"), { recursive: true });
      claim = mkdtempSync(join(this.#options.dataDir, "runs", ".new-"));
      run.job.life = await lifeOfThisProcess();
      await this.#options.artifacts.write(jobUrl(claim), JSON.stringify(run.job, null, 2));
      // Fails if another launcher was faster: a folder with files can't be replaced.
      renameSync(claim, folder);
    } catch (error) {
      if (claim !== undefined) rmSync(claim, { recursive: true, force: true });
      if (existsSync(folder)) return false;
      throw new UserError(`The folder of the run can't be created: ${(error as Error).message}`, {
        status: 500,
        remedy: "Check the permissions and the free space of the data folder, or use another: --data-dir.",
        cause: error,
      });
    }
    this.#runs.set(runId, run);
    this.#startQueued();
    return true;
  }

  async state(runId: string): Promise<RunState | undefined> {
    const { artifacts, dataDir } = this.#options;
    const own = this.#runs.get(runId)?.job;
    let found = own ?? (await this.#kept(runId));
    const isLost = async ({ life }: z.output<typeof job>) => life === undefined || !(await isAlive(life));
    const lost = own === undefined && found !== undefined && isActive(found) && (await isLost(found));
    // Between the two looks the run can have ended, and then its process.
    if (lost) found = await this.#kept(runId);
    if (found === undefined) return undefined;
    const { life, ...kept } = found;
    const state: typeof kept =
      lost && isActive(kept)
        ? { ...kept, state: "failed", error: "The process of the run ended before the run did." }
        : kept;
    const tasks = Object.values(this.#spec.components).flatMap(({ dag }) => Object.keys(dag?.tasks ?? {}));
    const url = pathToFileURL(dataDir).href;
    return { ...state, steps: await readStepReports(artifacts, url, runId, tasks, !isActive(state)) };
  }

  async cancel(runId: string): Promise<void> {
    const run = this.#runs.get(runId);
    if (run?.job.state === "queued") run.ended = this.#end(run, "cancelled", "the run was cancelled");
    run?.abort.abort(new Error("the run was cancelled"));
    await run?.ended;
  }

  /** Cancels all runs and waits until they have ended. */
  async close(): Promise<void> {
    await Promise.all([...this.#runs.keys()].map((runId) => this.cancel(runId)));
  }

  #startQueued(): void {
    const runs = [...this.#runs.values()];
    const running = runs.filter((run) => run.job.state === "running").length;
    const free = Math.max(0, (this.#options.maxRuns ?? 2) - running);
    for (const run of runs.filter(({ job }) => job.state === "queued").slice(0, free)) {
      run.job = { ...run.job, state: "running" };
      run.ended = this.#run(run).finally(() => this.#startQueued());
    }
  }

  async #run(run: Run): Promise<void> {
    const { artifacts, onTask, dataUrl = pathToFileURL(resolve(this.#options.dataDir)).href } = this.#options;
    const { run_id } = run.job;
    const { signal } = run.abort;
    try {
      await this.#keep(run);
      await runPipeline(
        this.#spec,
        { ...run.parameters, run_id },
        {
          rootUrl: `${dataUrl}/runs/${run_id}/tasks`,
          signal,
          read: (url) => withRetries(() => artifacts.read(url), 100),
          run: (task, container, attempt, stop) => this.#execute(run_id, task, container, attempt, stop),
          ...(onTask === undefined ? {} : { onTask: (event) => onTask(run_id, event) }),
        },
      );
      await this.#end(run, "succeeded", null);
    } catch (error) {
      await this.#end(run, signal.aborted ? "cancelled" : "failed", formatError(error));
    }
  }

  async #end(run: Run, state: RunState["state"], error: string | null): Promise<void> {
    run.job = { ...run.job, state, error };
    await this.#keep(run);
  }

  /** Writes the run's state. If the disk is full, this process still knows it. */
  async #keep(run: Run): Promise<void> {
    const { artifacts, log } = this.#options;
    const { run_id } = run.job;
    const text = JSON.stringify(run.job, null, 2);
    await withRetries(() => artifacts.write(jobUrl(this.#folder(run_id)), text), 100).catch((error) =>
      log.error({ err: error, run_id }, "the run's state can't be written"),
    );
  }

  async #execute(
    runId: string,
    task: string,
    { image, args, env }: Container,
    attempt: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { entrypoints, runStep = runStepProcess, log, onOutput, grace = 5 } = this.#options;
    const entrypoint = entrypoints[image];
    if (entrypoint === undefined)
      throw new UserError(
        `There is no entrypoint for the image ${image}, only for ${Object.keys(entrypoints).join(", ")}.`,
      );
    const variables = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    mkdirSync(join(this.#folder(runId), "tasks", task), { recursive: true });
    await runStep(
      {
        step: task,
        command: [...(typeof entrypoint === "function" ? entrypoint(variables) : entrypoint), ...args],
        // Each step is a new process. With the cache it does not compile what an earlier one has compiled.
        env: { NODE_COMPILE_CACHE: join(cacheDir, "node"), ...variables },
        logFile: join(this.#folder(runId), `${task}-${attempt}.log`),
        timeLimit: Number(variables.TIME_LIMIT_SECONDS ?? 3600),
        grace,
        log,
        onOutput,
      },
      signal,
    );
  }

  async #kept(runId: string): Promise<z.output<typeof job> | undefined> {
    const text = await this.#options.artifacts.read(jobUrl(this.#folder(runId)));
    return text === undefined ? undefined : job.parse(JSON.parse(text));
  }

  #folder(runId: string): string {
    return resolve(this.#options.dataDir, "runs", runId);
  }
}

const isActive = ({ state }: Pick<RunState, "state">): boolean => state === "queued" || state === "running";

const jobUrl = (folder: string): string => pathToFileURL(join(folder, "job.json")).href;
