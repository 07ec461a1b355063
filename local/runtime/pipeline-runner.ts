import { setTimeout } from "node:timers/promises";
import { PGraph } from "p-graph";
import { z } from "zod";
import { artifactPath } from "../../adapters/artifacts.ts";
import { parse, UserError } from "../../lib/user-error.ts";
import {
  type Container,
  type InputParameter,
  type ParameterDefinitions,
  type PipelineSpec,
  type Task,
  type Value,
  value,
} from "./pipeline-spec.ts";

const EXECUTOR_OUTPUT = "executor_output.json";
const executorOutput = z.object({ parameterValues: z.record(z.string(), value).default({}) });

/** How the tasks of a pipeline are run and told of. */
export interface Execution {
  /** URL below which each task gets a folder for its outputs. */
  readonly rootUrl: string;
  readonly signal: AbortSignal;
  /** Runs a container whose placeholders are resolved; rejects with an Error when its exit code is not 0. */
  run(taskName: string, container: Container, attempt: number, signal: AbortSignal): Promise<void>;
  /** Text of a file that a container wrote, undefined when there is none. */
  read(url: string): Promise<string | undefined>;
  onTask?(event: {
    task: string;
    state: "started" | "retrying" | "succeeded" | "failed";
    error?: Error;
  }): void;
}

interface Outputs {
  readonly parameters: Readonly<Record<string, Value>>;
  readonly artifacts: Readonly<Record<string, string>>;
}
type Ending =
  | { state: "SUCCEEDED"; outputs: Outputs }
  | { state: "FAILED" | "CANCELLED" | "SKIPPED"; error: Error };

/** Runs a PipelineSpec: dependencies, retries, parameters, output artifacts, exit tasks. Throws what its steps threw. */
export async function runPipeline(
  spec: PipelineSpec,
  parameters: Readonly<Record<string, Value>>,
  execution: Execution,
): Promise<void> {
  const unknown = Object.keys(parameters).filter((name) => !(name in spec.root.inputDefinitions.parameters));
  if (unknown.length > 0) throw new UserError(`The pipeline has no input ${unknown.join(", ")}.`);
  await runDag(spec, spec.root.dag.tasks, parameters, execution);
}

async function runDag(
  spec: PipelineSpec,
  tasks: Readonly<Record<string, Task>>,
  parameters: Readonly<Record<string, Value>>,
  execution: Execution,
): Promise<void> {
  const endings = new Map<string, Ending>();
  const edges = Object.entries(tasks).flatMap(([name, task]) =>
    upstreamOf(task).map((upstream): [string, string] => [upstream, name]),
  );
  const runOne = async (name: string): Promise<void> => {
    const task = tasks[name]!;
    const isExit = task.triggerPolicy?.strategy === "ALL_UPSTREAM_TASKS_COMPLETED";
    const upstreamFailed = upstreamOf(task).some((upstream) => endings.get(upstream)?.state !== "SUCCEEDED");
    if (upstreamFailed && !isExit) {
      endings.set(name, { state: "SKIPPED", error: new Error(`${name} was not run`) });
      return;
    }
    // An exit task runs after a cancellation, too.
    const signal = isExit ? new AbortController().signal : execution.signal;
    try {
      endings.set(name, {
        state: "SUCCEEDED",
        outputs: await runTask(spec, name, task, parameters, endings, { ...execution, signal }),
      });
    } catch (error) {
      endings.set(name, { state: signal.aborted ? "CANCELLED" : "FAILED", error: error as Error });
    }
  };
  await new PGraph(Object.fromEntries(Object.keys(tasks).map((name) => [name, {}])), edges).run({
    run: runOne,
  });
  for (const ending of endings.values()) {
    if (ending.state === "FAILED" || ending.state === "CANCELLED") throw ending.error;
  }
}

async function runTask(
  spec: PipelineSpec,
  name: string,
  task: Task,
  parameters: Readonly<Record<string, Value>>,
  endings: ReadonlyMap<string, Ending>,
  execution: Execution,
): Promise<Outputs> {
  const definition = spec.components[task.componentRef.name];
  if (definition === undefined)
    throw new UserError(
      `Task ${name} refers to the component ${task.componentRef.name}, which is not there.`,
    );
  const inputs = mapValues(task.inputs.parameters, (input) =>
    resolveParameter(name, input, parameters, endings),
  );
  if (definition.dag !== undefined) {
    await runDag(spec, definition.dag.tasks, inputs, execution);
    return { parameters: {}, artifacts: {} };
  }
  const executor = spec.deploymentSpec.executors[definition.executorLabel ?? ""];
  if (executor === undefined)
    throw new UserError(`Task ${name} has no executor ${definition.executorLabel}.`);

  const folder = `${execution.rootUrl}/${name}`;
  const artifacts = mapValues(
    definition.outputDefinitions.artifacts,
    (_, artifact) => `${folder}/${artifact}`,
  );
  const executorInput = {
    inputs: {
      parameterValues: inputs,
      artifacts: mapValues(
        task.inputs.artifacts,
        ({ taskOutputArtifact: { producerTask, outputArtifactKey } }) =>
          artifactList(
            outputArtifactKey,
            String(outputOf(endings, producerTask, "artifacts", outputArtifactKey)),
          ),
      ),
    },
    outputs: {
      parameters: mapValues(definition.outputDefinitions.parameters, (_, parameter) => ({
        outputFile: artifactPath(`${folder}/${parameter}`),
      })),
      artifacts: mapValues(artifacts, (uri, artifact) => artifactList(artifact, uri)),
      outputFile: artifactPath(`${folder}/${EXECUTOR_OUTPUT}`),
    },
  };
  const filled = { ...executor.container, ...fill(name, executor.container, executorInput) };

  const { maxRetryCount, backoffDuration, backoffFactor } = task.retryPolicy;
  for (let attempt = 1; ; attempt += 1) {
    execution.signal.throwIfAborted();
    execution.onTask?.({ task: name, state: "started" });
    const outcome = await execution
      .run(name, filled, attempt, execution.signal)
      .then(() => outputParameters(name, folder, definition.outputDefinitions.parameters, execution))
      .catch((error: Error) => error);
    if (!(outcome instanceof Error)) {
      execution.onTask?.({ task: name, state: "succeeded" });
      return { parameters: outcome, artifacts };
    }
    const isLast = attempt > maxRetryCount || execution.signal.aborted;
    execution.onTask?.({ task: name, state: isLast ? "failed" : "retrying", error: outcome });
    if (isLast) throw outcome;
    const wait = 1000 * backoffDuration * backoffFactor ** (attempt - 1);
    await setTimeout(wait, undefined, { signal: execution.signal }).catch(() => undefined);
  }
}

/** What a task wrote: in the file of all its outputs, or in a file for each. Throws when one is missing. */
async function outputParameters(
  name: string,
  folder: string,
  definitions: ParameterDefinitions,
  { read }: Execution,
): Promise<Record<string, Value>> {
  const text = (await read(`${folder}/${EXECUTOR_OUTPUT}`)) ?? "{}";
  const written = parse(executorOutput, JSON.parse(text), `The outputs of ${name}`).parameterValues;
  for (const [parameter, { parameterType }] of Object.entries(definitions)) {
    const alone = parameter in written ? undefined : await read(`${folder}/${parameter}`);
    if (alone !== undefined)
      written[parameter] = parameterType === "STRING" ? alone : value.parse(JSON.parse(alone));
    if (!(parameter in written)) throw new Error(`${name} did not write its output ${parameter}`);
  }
  return written;
}

function upstreamOf(task: Task): string[] {
  const producers = Object.values(task.inputs.parameters).flatMap((input) => {
    if ("taskOutputParameter" in input) return [input.taskOutputParameter.producerTask];
    return "taskFinalStatus" in input ? [input.taskFinalStatus.producerTask] : [];
  });
  const artifacts = Object.values(task.inputs.artifacts).map(
    ({ taskOutputArtifact }) => taskOutputArtifact.producerTask,
  );
  return [...new Set([...task.dependentTasks, ...producers, ...artifacts])];
}

function resolveParameter(
  name: string,
  input: InputParameter,
  parameters: Readonly<Record<string, Value>>,
  endings: ReadonlyMap<string, Ending>,
): Value {
  if ("runtimeValue" in input) return input.runtimeValue.constant;
  if ("taskOutputParameter" in input) {
    const { producerTask, outputParameterKey } = input.taskOutputParameter;
    return outputOf(endings, producerTask, "parameters", outputParameterKey);
  }
  if ("taskFinalStatus" in input) {
    const ending = endings.get(input.taskFinalStatus.producerTask);
    const error =
      ending === undefined || ending.state === "SUCCEEDED" ? {} : { message: ending.error.message };
    return JSON.stringify({
      state: ending?.state,
      pipelineTaskName: input.taskFinalStatus.producerTask,
      error,
    });
  }
  const given = parameters[input.componentInputParameter];
  if (given === undefined)
    throw new UserError(
      `Task ${name} needs the input ${input.componentInputParameter}, which was not given.`,
    );
  return given;
}

function outputOf(
  endings: ReadonlyMap<string, Ending>,
  producerTask: string,
  kind: keyof Outputs,
  name: string,
): Value {
  const ending = endings.get(producerTask);
  const output = ending?.state === "SUCCEEDED" ? ending.outputs[kind][name] : undefined;
  if (output === undefined) throw new UserError(`Task ${producerTask} has no output ${name}.`);
  return output;
}

interface ArtifactList {
  readonly artifacts: readonly [{ readonly name: string; readonly uri: string }];
}
const artifactList = (name: string, uri: string): ArtifactList => ({ artifacts: [{ name, uri }] });

/** ExecutorInput of pipeline_spec.proto. */
interface ExecutorInput {
  readonly inputs: {
    readonly parameterValues: Readonly<Record<string, Value>>;
    readonly artifacts: Readonly<Record<string, ArtifactList>>;
  };
  readonly outputs: {
    readonly parameters: Readonly<Record<string, { readonly outputFile: string }>>;
    readonly artifacts: Readonly<Record<string, ArtifactList>>;
    readonly outputFile: string;
  };
}

/** Replaces the placeholders of KFP (kfp.dsl.placeholders) in command and arguments by what they stand for. */
function fill(
  task: string,
  { command, args }: Container,
  input: ExecutorInput,
): { command: string[]; args: string[] } {
  const { inputs, outputs } = input;
  const artifacts = (way: "inputs" | "outputs") =>
    Object.entries(input[way].artifacts).flatMap(
      ([
        name,
        {
          artifacts: [{ uri }],
        },
      ]) => [
        [`{{$.${way}.artifacts['${name}'].uri}}`, uri] as const,
        [`{{$.${way}.artifacts['${name}'].path}}`, artifactPath(uri)] as const,
      ],
    );
  const values = new Map<string, Value>([
    ["{{$}}", JSON.stringify(input)],
    ...Object.entries(inputs.parameterValues).map(
      ([name, given]) => [`{{$.inputs.parameters['${name}']}}`, given] as const,
    ),
    ...Object.entries(outputs.parameters).map(
      ([name, { outputFile }]) => [`{{$.outputs.parameters['${name}'].output_file}}`, outputFile] as const,
    ),
    ...artifacts("inputs"),
    ...artifacts("outputs"),
  ]);
  const replace = (text: string): string =>
    text.replace(/\{\{\$.*?\}\}/g, (placeholder) => {
      const found = values.get(placeholder);
      if (found !== undefined) return String(found);
      const known = [...values.keys()].join(", ");
      throw new UserError(`Task ${task} has nothing for the placeholder ${placeholder}; it has ${known}.`);
    });
  return { command: command.map(replace), args: args.map(replace) };
}

function mapValues<V, W>(
  record: Readonly<Record<string, V>>,
  map: (value: V, key: string) => W,
): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
