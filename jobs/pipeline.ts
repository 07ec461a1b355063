/**
 * Which jobs run in which order, and how often a failed one is run again: a PipelineSpec of Kubeflow Pipelines (schema
 * 2.1, pipeline_spec.proto). Vertex AI Pipelines and local/runtime/ run the same one.
 */
import { runSettings } from "../contracts/run.ts";
import { mapValues } from "../lib/map-values.ts";

export const IMAGES = ["sql-runner", "clv", "notify"] as const;
export type Image = (typeof IMAGES)[number];

type ParameterType = "STRING" | "NUMBER_INTEGER" | "NUMBER_DOUBLE";

interface StepDefinition {
  readonly image: Image;
  readonly after: readonly string[];
  /** Output parameters of earlier steps that this step takes: name and step. */
  readonly takes?: Readonly<Record<string, string>>;
  readonly outputs?: Readonly<Record<string, ParameterType>>;
  /** Output artifacts: name and type. */
  readonly artifacts?: Readonly<Record<string, string>>;
  readonly timeLimitSeconds: number;
}

/** The steps of a run. To use your own image for a step, change its entry here. */
export const STEPS: Readonly<Record<string, StepDefinition>> = {
  features: { image: "sql-runner", after: [], timeLimitSeconds: 1800 },
  train: {
    image: "clv",
    after: ["features"],
    outputs: { model_id: "STRING" },
    artifacts: { model: "system.Model" },
    timeLimitSeconds: 1800,
  },
  score: { image: "sql-runner", after: ["train"], takes: { model_id: "train" }, timeLimitSeconds: 1800 },
  backtest: { image: "clv", after: ["score"], takes: { model_id: "train" }, timeLimitSeconds: 900 },
  publish: { image: "sql-runner", after: ["backtest"], timeLimitSeconds: 900 },
};

/** The exit task: it runs after the steps, whether they succeeded or not. */
const EXIT = { name: "notify", image: "notify", timeLimitSeconds: 300 } as const;

/** A failed step is run again this many times. The delay before the first retry doubles with each retry. */
export const RETRY = { times: 1, delay: "60s" } as const;

/** Input parameters of the pipeline. */
const INPUTS: Readonly<Record<string, ParameterType>> = {
  run_id: "STRING",
  run_date: "STRING",
  ...Object.fromEntries(
    Object.entries(runSettings.parse({})).map(([name, value]): [string, ParameterType] => [
      name,
      typeof value === "string" ? "STRING" : /weeks|days/.test(name) ? "NUMBER_INTEGER" : "NUMBER_DOUBLE",
    ]),
  ),
};

export interface PipelineOptions {
  /** The image of each job; by digest in the cloud. */
  readonly images: Readonly<Record<Image, string>>;
  /** Environment of all jobs: WAREHOUSE_URL, MESSENGER_URL, ARTIFACTS_URL, and variables that only one job reads. */
  readonly env: Readonly<Record<string, string>>;
  /** Delay before the first retry. @default RETRY.delay */
  readonly retryDelay?: `${number}s`;
}

/** Returns the PipelineSpec, as JSON of pipeline_spec.proto. The same options give the same text. */
export function pipelineSpec({ images, env, retryDelay = RETRY.delay }: PipelineOptions) {
  const inputDefinitions = { parameters: mapValues(INPUTS, (parameterType) => ({ parameterType })) };
  const passed = mapValues(INPUTS, (_, name) => ({ componentInputParameter: name }));
  const task = (name: string) => ({
    taskInfo: { name },
    componentRef: { name: `comp-${name}` },
    cachingOptions: {},
    retryPolicy: { maxRetryCount: RETRY.times, backoffDuration: retryDelay, backoffFactor: 2 },
  });
  const constant = (value: string) => ({ runtimeValue: { constant: value } });
  const executor = ({ image, timeLimitSeconds }: Pick<StepDefinition, "image" | "timeLimitSeconds">) => ({
    container: {
      image: images[image],
      args: ["--executor-input", "{{$}}"],
      env: Object.entries({ ...env, TIME_LIMIT_SECONDS: String(timeLimitSeconds) }).map(([name, value]) => ({
        name,
        value,
      })),
    },
  });
  const component = (name: string, extra: Readonly<Record<string, object>>, step?: StepDefinition) => ({
    executorLabel: `exec-${name}`,
    inputDefinitions: {
      parameters: { step: { parameterType: "STRING" }, ...inputDefinitions.parameters, ...extra },
    },
    ...(step?.outputs || step?.artifacts
      ? {
          outputDefinitions: {
            parameters: mapValues(step.outputs ?? {}, (parameterType) => ({ parameterType })),
            artifacts: mapValues(step.artifacts ?? {}, (schemaTitle) => ({
              artifactType: { schemaTitle, schemaVersion: "0.0.1" },
            })),
          },
        }
      : {}),
  });

  return {
    pipelineInfo: { name: "customer-value" },
    schemaVersion: "2.1.0",
    sdkVersion: "kfp-2.17.0",
    root: {
      inputDefinitions,
      dag: {
        tasks: {
          steps: {
            taskInfo: { name: "steps" },
            componentRef: { name: "comp-steps" },
            inputs: { parameters: passed },
          },
          [EXIT.name]: {
            ...task(EXIT.name),
            dependentTasks: ["steps"],
            triggerPolicy: { strategy: "ALL_UPSTREAM_TASKS_COMPLETED" },
            inputs: {
              parameters: {
                step: constant(EXIT.name),
                ...passed,
                steps: constant(Object.keys(STEPS).join(",")),
                status: { taskFinalStatus: { producerTask: "steps" } },
              },
            },
          },
        },
      },
    },
    components: {
      "comp-steps": {
        inputDefinitions,
        dag: {
          tasks: mapValues(STEPS, (step, name) => ({
            ...task(name),
            ...(step.after.length > 0 ? { dependentTasks: [...step.after] } : {}),
            inputs: {
              parameters: {
                step: constant(name),
                ...passed,
                ...mapValues(step.takes ?? {}, (producerTask, outputParameterKey) => ({
                  taskOutputParameter: { producerTask, outputParameterKey },
                })),
              },
            },
          })),
        },
      },
      ...eachStep("comp", (step, name) =>
        component(
          name,
          mapValues(step.takes ?? {}, () => ({ parameterType: "STRING" })),
          step,
        ),
      ),
      [`comp-${EXIT.name}`]: component(EXIT.name, {
        steps: { parameterType: "STRING" },
        status: { parameterType: "TASK_FINAL_STATUS", isOptional: true },
      }),
    },
    deploymentSpec: {
      executors: {
        ...eachStep("exec", executor),
        [`exec-${EXIT.name}`]: executor(EXIT),
      },
    },
  };
}

const eachStep = <V>(prefix: string, map: (step: StepDefinition, name: string) => V): Record<string, V> =>
  Object.fromEntries(Object.entries(STEPS).map(([name, step]) => [`${prefix}-${name}`, map(step, name)]));
