/** Faults in the processes of a whole pipeline, and in the calls that its steps make of DuckDB. */
import { fileArtifacts } from "../../adapters/artifacts.ts";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import { seededRandom } from "../../jobs/clv/random.ts";
import { jsonOrText } from "../../lib/json.ts";
import { runStepProcess, type StepProcess } from "../../local/runtime/step-process.ts";
import type { Calls, Line, WarehouseFault } from "./faulty-warehouse.ts";
import { KINDS, type Kind } from "./injection.ts";

/** Runs an attempt of a step. */
type Attempt = (step: StepProcess, signal: AbortSignal) => Promise<void>;

export interface PipelineFault {
  /** Runs an attempt of a step, the first one being 1. @default without a fault */
  readonly run?: (step: StepProcess, attempt: number, signal: AbortSignal) => Promise<void>;
  /** The artifact store of the launcher. */
  readonly artifacts?: ArtifactStore;
  /** The launcher is killed so many milliseconds after this step started, if it still runs. */
  readonly killLauncher?: { readonly step: string; readonly after: number; readonly happened: () => void };
  /** The run must succeed: a step whose first attempt failed has one more, without a fault. */
  readonly succeeds?: boolean;
}

/** Starts Node.js with these modules before the step's program. */
export function importing(step: StepProcess, modules: readonly string[]): StepProcess {
  const [node, ...args] = step.command;
  return { ...step, command: [node!, ...modules.flatMap((module) => ["--import", module]), ...args] };
}

/** Runs a step that prints what happens to its calls of the warehouse: onLine receives it. */
export async function withWarehouse(
  step: StepProcess,
  signal: AbortSignal,
  onLine: (line: Partial<Line>) => void,
  fault?: WarehouseFault,
): Promise<void> {
  await runStepProcess(
    {
      ...importing(step, [import.meta.resolve("./faulty-warehouse.ts")]),
      env: { ...step.env, ...(fault && { WAREHOUSE_FAULT: JSON.stringify(fault) }) },
      onOutput: (line) => line.startsWith("{") && onLine(jsonOrText(line) as Partial<Line>),
    },
    signal,
  );
}

/** The step with another time limit, in seconds. */
const limited = (step: StepProcess, timeLimit: number): StepProcess => ({
  ...step,
  env: { ...step.env, TIME_LIMIT_SECONDS: String(timeLimit) },
  timeLimit,
  grace: 1,
});

/** Runs an attempt in a shell: "$@" in the script is the command. The fault happened if the attempt fails. */
function inShell(script: string, happened: () => void): Attempt {
  return async (step, signal) => {
    const command = ["sh", "-c", script, "sh", ...step.command];
    await runStepProcess({ ...step, command }, signal).catch((error) => {
      happened();
      throw error;
    });
  };
}

const killAfter = (seconds: number): string =>
  `"$@" & step=$!; (sleep ${seconds.toFixed(3)}; kill -9 $step) & wait $step`;

/** What happens to the first attempt of a step. */
type StepFault = (calls: Calls, random: () => number, happened: () => void) => Attempt;

const warehouseFault =
  (kind: Kind): StepFault =>
  ({ count, together, seconds }, random, happened) => {
    // Only a call that is made beside others can be overtaken.
    const numbers = kind === "reorder" ? together : Array(count).keys().toArray();
    const call = numbers[Math.floor(random() * numbers.length)];
    const blocks = random() < 0.5;
    if (call === undefined) return runStepProcess;
    // A busy machine makes the call within the limit too.
    const change = (step: StepProcess) => (kind === "late" ? limited(step, 3 * seconds + 1) : step);
    return (step, signal) =>
      withWarehouse(change(step), signal, ({ injected }) => injected && happened(), { kind, call, blocks });
  };

/** By kind. In this order the first run has each kind at a step where it can happen. */
const STEP_FAULTS: Readonly<Record<string, StepFault>> = {
  "step killed at a random time": (_calls, random, happened) => inShell(killAfter(1.2 * random()), happened),
  "step killed before its work": (_calls, _random, happened) => inShell("kill -9 $$", happened),
  "step killed after its work": (_calls, _random, happened) => inShell('"$@"; kill -9 $$', happened),
  ...Object.fromEntries(KINDS.toReversed().map((kind) => [`DuckDB: ${kind}`, warehouseFault(kind)])),
};

/** Faults after which a run may fail. Each takes a step. */
const RUN_FAULTS: Readonly<
  Record<string, (step: string, random: () => number, happened: () => void) => PipelineFault>
> = {
  "each attempt of a step killed": (step, random, happened) =>
    ofStep(step, inShell(killAfter(1.2 * random()), happened)),
  "launcher killed": (step, random, happened) => ({
    killLauncher: { step, after: 600 * random(), happened },
  }),
  // A file can't grow beyond some blocks.
  "disk full for a step": (step, random, happened) =>
    ofStep(step, inShell(`ulimit -f ${Math.floor(random() ** 2 * 10_000)}; exec "$@"`, happened)),
  "disk full for the launcher": (_step, random, happened) => {
    let left = Math.floor(3 * random());
    const write: ArtifactStore["write"] = async (url, text) => {
      left -= 1;
      if (left >= 0) return await fileArtifacts.write(url, text);
      happened();
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    };
    return { artifacts: { ...fileArtifacts, write } };
  },
};

const ofStep = (name: string, attempt: Attempt): PipelineFault => ({
  run: (step, _attempt, signal) => (step.step === name ? attempt : runStepProcess)(step, signal),
});

export interface PipelineFaultsOptions {
  readonly seed: number;
  readonly runs: number;
  /** The steps in their order, and how each calls the warehouse. */
  readonly calls: Readonly<Record<string, Calls>>;
  /** Kinds of the faults of steps. @default all */
  readonly kinds?: readonly string[];
  /** Is called when a fault happens. */
  readonly happened: (kind: string) => void;
}

/**
 * Plans the faults of runs. Every second run has a fault of each step, so that after as many of them as there are kinds each step
 * has had each kind. The other runs have one fault, after which a run may fail.
 */
export function planPipelineFaults(options: PipelineFaultsOptions): { name: string; fault: PipelineFault }[] {
  const { seed, runs, calls, kinds = Object.keys(STEP_FAULTS), happened } = options;
  const random = seededRandom(seed);
  const steps = Object.keys(calls);
  return Array.from({ length: runs }, (_, index) => {
    const turn = Math.floor(index / 2);
    if (index % 2 === 0) {
      const attempts = new Map(
        steps.map((step, number): [string, Attempt] => {
          const kind = kinds[(number + turn) % kinds.length]!;
          return [step, STEP_FAULTS[kind]!(calls[step]!, random, () => happened(kind))];
        }),
      );
      const run: PipelineFault["run"] = (step, attempt, signal) =>
        (attempt === 1 ? attempts.get(step.step)! : runStepProcess)(step, signal);
      return { name: `${index}, faults of all steps`, fault: { run, succeeds: true } };
    }
    const [kind, faultOf] = Object.entries(RUN_FAULTS)[turn % Object.keys(RUN_FAULTS).length]!;
    const step = steps[Math.floor(turn / Object.keys(RUN_FAULTS).length) % steps.length]!;
    return { name: `${index}, ${kind}, ${step}`, fault: faultOf(step, random, () => happened(kind)) };
  });
}
