import { setTimeout } from "node:timers/promises";
import { PGraph } from "p-graph";
import { z } from "zod";
import { artifactPath } from "../../adapters/artifacts.ts";
import { mapValues } from "../../lib/map-values.ts";
import { parse, UserError } from "../../lib/user-error.ts";
import type { Component, Container, InputParameter, PipelineSpec, Task } from "./pipeline-spec.ts";

const EXECUTOR_OUTPUT = "executor_output.json";
const value = z.union([z.string(), z.number()]);
const executorOutput = z.object({ parameterValues: z.record(z.string(), value).default({}) });

type Values = Readonly<Record<string, z.output<typeof value>>>;

export interface TaskEvent {
  readonly task: string;
  readonly state: "started" | "retrying" | "succeeded" | "failed";
  readonly error?: Error;
}

/** How the tasks of a pipeline run. */
export interface Execution {
  /** URL of the folder that contains a folder for the outputs of each task. */
  readonly rootUrl: string;
  readonly signal: AbortSignal;
  /** Runs a container with {{$}} replaced. Rejects with an Error when it fails. */
  run(taskName: string, container: Container, attempt: number, signal: AbortSignal): Promise<void>;
  /** Returns the text of a file that a container wrote, or undefined when there is no file. */
  read(url: string): Promise<string | undefined>;
  onTask?(event: TaskEvent): void;
}

interface Outputs {
  readonly parameters: Values;
  /** URLs, by name. */
  readonly artifacts: Readonly<Record<string, string>>;
}
type Ending =
  | { readonly state: "SUCCEEDED"; readonly outputs: Outputs }
  | { readonly state: "FAILED" | "CANCELLED" | "SKIPPED"; readonly error: Error };
type Endings = ReadonlyMap<string, Ending>;

/**
 * Runs a PipelineSpec: dependencies, retries, parameters, artifacts, exit task.
 * @throws what the first failed task threw
 */
export async function runPipeline(
  spec: PipelineSpec,
  parameters: Values,
  execution: Execution,
): Promise<void> {
  const unknown = Object.keys(parameters).filter((name) => !(name in spec.root.inputDefinitions.parameters));
  if (unknown.length > 0) throw new UserError(`The pipeline has no input ${unknown.join(", ")}.`);
  await runDag(spec, spec.root.dag.tasks, parameters, execution);
}

async function runDag(
  spec: PipelineSpec,
  tasks: Readonly<Record<string, Task>>,
  parameters: Values,
  execution: Execution,
): Promise<void> {
  const endings = new Map<string, Ending>();
  const run = async (name: string): Promise<void> => {
    const task = tasks[name]!;
    const isExitTask = task.triggerPolicy !== undefined;
    const isReady = upstreamOf(task).every((upstream) => endings.get(upstream)?.state === "SUCCEEDED");
    if (!isReady && !isExitTask) {
      endings.set(name, { state: "SKIPPED", error: new Error(`${name} did not run`) });
      return;
    }
    // An exit task runs after a cancellation too.
    const signal = isExitTask ? new AbortController().signal : execution.signal;
    try {
      const outputs = await runTask(spec, name, task, parameters, endings, { ...execution, signal });
      endings.set(name, { state: "SUCCEEDED", outputs });
    } catch (error) {
      endings.set(name, { state: signal.aborted ? "CANCELLED" : "FAILED", error: error as Error });
    }
  };
  const edges = Object.entries(tasks).flatMap(([name, task]) =>
    upstreamOf(task).map((upstream): [string, string] => [upstream, name]),
  );
  await new PGraph(
    mapValues(tasks, () => ({})),
    edges,
  ).run({ run });
  for (const ending of endings.values())
    if (ending.state === "FAILED" || ending.state === "CANCELLED") throw ending.error;
}

async function runTask(
  spec: PipelineSpec,
  name: string,
  task: Task,
  parameters: Values,
  endings: Endings,
  execution: Execution,
): Promise<Outputs> {
  const component = spec.components[task.componentRef.name]!;
  const inputs = mapValues(task.inputs.parameters, (input) => resolve(name, input, parameters, endings));
  if (component.dag !== undefined) {
    await runDag(spec, component.dag.tasks, inputs, execution);
    return { parameters: {}, artifacts: {} };
  }
  const executor = spec.deploymentSpec.executors[component.executorLabel!]!;

  const folder = `${execution.rootUrl}/${name}`;
  const artifacts = mapValues(component.outputDefinitions.artifacts, (_, key) => `${folder}/${key}`);
  // ExecutorInput of pipeline_spec.proto.
  const executorInput = {
    inputs: {
      parameterValues: inputs,
      artifacts: mapValues(
        task.inputs.artifacts,
        ({ taskOutputArtifact: { producerTask, outputArtifactKey } }) =>
          artifactList(outputArtifactKey, outputOf(endings, producerTask, "artifacts", outputArtifactKey)),
      ),
    },
    outputs: {
      artifacts: mapValues(artifacts, (uri, key) => artifactList(key, uri)),
      outputFile: artifactPath(`${folder}/${EXECUTOR_OUTPUT}`),
    },
  };
  const args = executor.container.args.map((arg) => (arg === "{{$}}" ? JSON.stringify(executorInput) : arg));
  const container = { ...executor.container, args };

  const { maxRetryCount, backoffDuration, backoffFactor } = task.retryPolicy;
  for (let attempt = 1; ; attempt += 1) {
    execution.signal.throwIfAborted();
    execution.onTask?.({ task: name, state: "started" });
    const outcome = await execution
      .run(name, container, attempt, execution.signal)
      .then(() => outputParameters(name, `${folder}/${EXECUTOR_OUTPUT}`, component, execution))
      .catch((error: Error) => error);
    if (!(outcome instanceof Error)) {
      execution.onTask?.({ task: name, state: "succeeded" });
      return { parameters: outcome, artifacts };
    }
    const isLast = attempt > maxRetryCount || execution.signal.aborted;
    execution.onTask?.({ task: name, state: isLast ? "failed" : "retrying", error: outcome });
    if (isLast) throw outcome;
    const delay = 1000 * backoffDuration * backoffFactor ** (attempt - 1);
    await setTimeout(delay, undefined, { signal: execution.signal }).catch(() => undefined);
  }
}

async function outputParameters(
  task: string,
  url: string,
  { outputDefinitions }: Component,
  { read }: Execution,
): Promise<Values> {
  const text = (await read(url)) ?? "{}";
  const written = parse(executorOutput, JSON.parse(text), `The outputs of ${task}`).parameterValues;
  const missing = Object.keys(outputDefinitions.parameters).filter((name) => !(name in written));
  if (missing.length > 0) throw new Error(`${task} did not write its output ${missing.join(", ")}`);
  return written;
}

function upstreamOf({ dependentTasks, inputs }: Task): string[] {
  const producers = [
    ...Object.values(inputs.parameters).flatMap((input) => {
      if ("taskOutputParameter" in input) return input.taskOutputParameter.producerTask;
      return "taskFinalStatus" in input ? input.taskFinalStatus.producerTask : [];
    }),
    ...Object.values(inputs.artifacts).map(({ taskOutputArtifact }) => taskOutputArtifact.producerTask),
  ];
  return [...new Set([...dependentTasks, ...producers])];
}

function resolve(task: string, input: InputParameter, parameters: Values, endings: Endings): Values[string] {
  if ("runtimeValue" in input) return input.runtimeValue.constant;
  if ("taskOutputParameter" in input) {
    const { producerTask, outputParameterKey } = input.taskOutputParameter;
    return outputOf(endings, producerTask, "parameters", outputParameterKey);
  }
  if ("taskFinalStatus" in input) {
    const { producerTask } = input.taskFinalStatus;
    const ending = endings.get(producerTask)!;
    const error = ending.state === "SUCCEEDED" ? {} : { message: ending.error.message };
    return JSON.stringify({ state: ending.state, pipelineTaskName: producerTask, error });
  }
  const given = parameters[input.componentInputParameter];
  if (given === undefined)
    throw new UserError(
      `Task ${task} needs the input ${input.componentInputParameter}, which was not given.`,
    );
  return given;
}

function outputOf(endings: Endings, task: string, kind: keyof Outputs, name: string): Values[string] {
  const ending = endings.get(task);
  const output = ending?.state === "SUCCEEDED" ? ending.outputs[kind][name] : undefined;
  if (output === undefined) throw new UserError(`Task ${task} has no output ${name}.`);
  return output;
}

const artifactList = (name: string, uri: Values[string]): object => ({ artifacts: [{ name, uri }] });
