import { setTimeout } from "node:timers/promises";
import { PGraph } from "p-graph";
import { z } from "zod";
import { artifactPath } from "../adapters/artifacts.ts";
import { Problem } from "../contracts/problem.ts";

/** What the embedded edition runs of PipelineSpec (pipeline_spec.proto of Kubeflow Pipelines); anything else is refused. */
const value = z.union([z.string(), z.number(), z.boolean()]);
const inputParameter = z.union([
  z.strictObject({ runtimeValue: z.strictObject({ constant: value }) }),
  z.strictObject({ componentInputParameter: z.string() }),
  z.strictObject({
    taskOutputParameter: z.strictObject({ producerTask: z.string(), outputParameterKey: z.string() }),
  }),
  z.strictObject({ taskFinalStatus: z.strictObject({ producerTask: z.string() }) }),
]);
const seconds = z
  .string()
  .regex(/^\d+(\.\d+)?s$/)
  .transform((text) => Number.parseFloat(text));
const task = z.strictObject({
  taskInfo: z.strictObject({ name: z.string() }),
  componentRef: z.strictObject({ name: z.string() }),
  dependentTasks: z.array(z.string()).default([]),
  triggerPolicy: z
    .strictObject({ strategy: z.enum(["ALL_UPSTREAM_TASKS_SUCCEEDED", "ALL_UPSTREAM_TASKS_COMPLETED"]) })
    .optional(),
  inputs: z
    .strictObject({
      parameters: z.record(z.string(), inputParameter).default({}),
      artifacts: z
        .record(
          z.string(),
          z.strictObject({
            taskOutputArtifact: z.strictObject({ producerTask: z.string(), outputArtifactKey: z.string() }),
          }),
        )
        .default({}),
    })
    .prefault({}),
  cachingOptions: z.strictObject({ enableCache: z.literal(false).optional() }).default({}),
  retryPolicy: z
    .strictObject({
      maxRetryCount: z.number().int().min(0),
      backoffDuration: seconds,
      backoffFactor: z.number().default(2),
    })
    .optional(),
});
const dag = z.strictObject({ tasks: z.record(z.string(), task) });
const definitions = z.looseObject({ parameters: z.record(z.string(), z.looseObject({})).default({}) });
const component = z.strictObject({
  inputDefinitions: definitions.optional(),
  outputDefinitions: z
    .looseObject({
      parameters: z.record(z.string(), z.unknown()).default({}),
      artifacts: z.record(z.string(), z.looseObject({})).default({}),
    })
    .prefault({}),
  executorLabel: z.string().optional(),
  dag: dag.optional(),
});
const container = z.strictObject({
  image: z.string(),
  command: z.array(z.string()).default([]),
  args: z.array(z.string()).default([]),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })).default([]),
});
export const pipelineSpecSchema = z.looseObject({
  schemaVersion: z.string().startsWith("2.1"),
  root: z.strictObject({ inputDefinitions: definitions, dag }),
  components: z.record(z.string(), component),
  deploymentSpec: z.strictObject({
    executors: z.record(z.string(), z.strictObject({ container })),
  }),
});
type PipelineSpec = z.output<typeof pipelineSpecSchema>;
type Value = z.output<typeof value>;
type Task = z.output<typeof task>;
export type Container = z.output<typeof container>;

/** How the tasks of a pipeline are run and told of. */
export interface Execution {
  /** URL below which each task gets a folder for its outputs. */
  readonly rootUrl: string;
  readonly signal: AbortSignal;
  /** Runs a container whose placeholders are resolved; throws when its exit code is not 0. */
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
  if (unknown.length > 0) throw new Problem(`The pipeline has no input ${unknown.join(", ")}.`);
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
    throw new Problem(`Task ${name} refers to the component ${task.componentRef.name}, which is not there.`);
  const inputs = mapValues(task.inputs.parameters, (input) =>
    resolveParameter(name, input, parameters, endings),
  );
  if (definition.dag !== undefined) {
    await runDag(spec, definition.dag.tasks, inputs, execution);
    return { parameters: {}, artifacts: {} };
  }
  const executor = spec.deploymentSpec.executors[definition.executorLabel ?? ""];
  if (executor === undefined) throw new Problem(`Task ${name} has no executor ${definition.executorLabel}.`);

  const folder = `${execution.rootUrl}/${name}`;
  const artifacts = mapValues(
    definition.outputDefinitions.artifacts,
    (_, artifact) => `${folder}/${artifact}`,
  );
  const outputFileUrl = `${folder}/executor_output.json`;
  const executorInput = {
    inputs: {
      parameterValues: inputs,
      artifacts: mapValues(
        task.inputs.artifacts,
        ({ taskOutputArtifact: { producerTask, outputArtifactKey } }) => ({
          artifacts: [
            { name: outputArtifactKey, uri: outputsOf(endings, producerTask).artifacts[outputArtifactKey] },
          ],
        }),
      ),
    },
    outputs: {
      parameters: mapValues(definition.outputDefinitions.parameters, (_, parameter) => ({
        outputFile: artifactPath(`${folder}/${parameter}`),
      })),
      artifacts: mapValues(artifacts, (uri, artifact) => ({ artifacts: [{ name: artifact, uri }] })),
      outputFile: artifactPath(outputFileUrl),
    },
  };
  const filled = { ...executor.container, ...fill(executor.container, executorInput) };

  const retries = task.retryPolicy?.maxRetryCount ?? 0;
  for (let attempt = 1; ; attempt += 1) {
    execution.onTask?.({ task: name, state: "started" });
    try {
      await execution.run(name, filled, attempt, execution.signal);
      break;
    } catch (error) {
      const isLast = attempt > retries || execution.signal.aborted;
      execution.onTask?.({ task: name, state: isLast ? "failed" : "retrying", error: error as Error });
      if (isLast) throw error;
      const policy = task.retryPolicy!;
      await setTimeout(1000 * policy.backoffDuration * policy.backoffFactor ** (attempt - 1), undefined, {
        signal: execution.signal,
      });
    }
  }
  const written = z
    .object({ parameterValues: z.record(z.string(), value).default({}) })
    .parse(JSON.parse((await execution.read(outputFileUrl)) ?? "{}")).parameterValues;
  const missing = Object.keys(definition.outputDefinitions.parameters).filter(
    (output) => !(output in written),
  );
  if (missing.length > 0) throw new Error(`${name} did not write its output ${missing.join(", ")}`);
  execution.onTask?.({ task: name, state: "succeeded" });
  return { parameters: written, artifacts };
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
  input: z.output<typeof inputParameter>,
  parameters: Readonly<Record<string, Value>>,
  endings: ReadonlyMap<string, Ending>,
): Value {
  if ("runtimeValue" in input) return input.runtimeValue.constant;
  if ("taskOutputParameter" in input) {
    const { producerTask, outputParameterKey } = input.taskOutputParameter;
    return outputsOf(endings, producerTask).parameters[outputParameterKey]!;
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
    throw new Problem(`Task ${name} needs the input ${input.componentInputParameter}, which was not given.`);
  return given;
}

function outputsOf(endings: ReadonlyMap<string, Ending>, producerTask: string): Outputs {
  const ending = endings.get(producerTask);
  if (ending?.state !== "SUCCEEDED") throw new Error(`${producerTask} has no outputs`);
  return ending.outputs;
}

/** Replaces the placeholders of KFP in command and arguments: {{$}} and {{$.path['key'].path}} of the executor input. */
function fill(container: Container, executorInput: object): { command: string[]; args: string[] } {
  const replace = (text: string): string =>
    text.replace(/\{\{\$(.*?)\}\}/g, (_, path: string) => {
      let found: unknown = executorInput;
      const keys = [...path.matchAll(/\.(\w+)|\['([^']+)'\]/g)].map((match) => match[1] ?? match[2]!);
      for (const key of keys) {
        found = (found as Record<string, unknown> | undefined)?.[synonyms[key] ?? key];
      }
      if (found === undefined)
        throw new Problem(`The placeholder {{$${path}}} names nothing that the task has.`);
      return typeof found === "string" ? found : JSON.stringify(found);
    });
  // {{$.inputs.parameters['x']}} is the value itself, {{$.outputs.parameters['x'].output_file}} a path.
  const synonyms: Record<string, string> = { output_file: "outputFile" };
  const prepared = (text: string): string =>
    replace(text.replaceAll("$.inputs.parameters[", "$.inputs.parameterValues["));
  return { command: container.command.map(prepared), args: container.args.map(prepared) };
}

function mapValues<V, W>(
  record: Readonly<Record<string, V>>,
  map: (value: V, key: string) => W,
): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
