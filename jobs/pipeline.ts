/**
 * Which jobs run in which order, and how often a failed one is run again: a PipelineSpec of Kubeflow Pipelines (schema
 * 2.1, pipeline_spec.proto). Vertex AI Pipelines and local/runtime/ run the same one.
 */
import { runSettings } from "../contracts/run.ts";
import { mapValues } from "../lib/map-values.ts";
import { CANDIDATES, type Candidate } from "./candidates.ts";
import { type CustomJobs, customJob } from "./custom-job.ts";

export const IMAGES = ["sql-runner", "clv", "notify"] as const;
export type Image = (typeof IMAGES)[number];

type ParameterType = "STRING" | "NUMBER_INTEGER" | "NUMBER_DOUBLE";

interface StepDefinition {
  readonly image: Image | Candidate;
  readonly after: readonly string[];
  /** Parameters with a fixed value. */
  readonly constants?: Readonly<Record<string, string>>;
  /** Output parameters of earlier steps that this step takes: name and step. */
  readonly takes?: Readonly<Record<string, string>>;
  /** Output artifacts of earlier steps that this step reads: the name here, and step and name there. */
  readonly reads?: Readonly<Record<string, { readonly step: string; readonly artifact: string }>>;
  /** Names of its output parameters, which are texts. */
  readonly outputs?: readonly string[];
  /** Output artifacts: name and type. */
  readonly artifacts?: Readonly<Record<string, ArtifactType>>;
  readonly timeLimitSeconds: number;
}
type ArtifactType = "system.Model" | "system.Dataset";

/** The steps of a run. To use your own image for a step, change its entry here. */
export function stepsOf(
  candidates: readonly Candidate[] = [],
  areCustomJobs = false,
): Readonly<Record<string, StepDefinition>> {
  return {
    features: { image: "sql-runner", after: [], timeLimitSeconds: 1800 },
    ...(candidates.length === 0 ? {} : candidateSteps(candidates, areCustomJobs)),
    train: {
      image: "clv",
      after: [candidates.length === 0 ? "features" : "predictions"],
      constants: { candidates: candidates.join(",") },
      outputs: ["model_id"],
      artifacts: { model: "system.Model" },
      timeLimitSeconds: 1800,
    },
    score: { image: "sql-runner", after: ["train"], takes: { model_id: "train" }, timeLimitSeconds: 1800 },
    backtest: { image: "clv", after: ["score"], takes: { model_id: "train" }, timeLimitSeconds: 900 },
    publish: { image: "sql-runner", after: ["backtest"], timeLimitSeconds: 900 },
  };
}

/** Candidates see nothing but files: the SQL runner writes their examples, and loads their predictions. */
function candidateSteps(
  candidates: readonly Candidate[],
  areCustomJobs: boolean,
): Record<string, StepDefinition> {
  const examples: StepDefinition = {
    image: "sql-runner",
    after: ["features"],
    artifacts: { examples: "system.Dataset", champion: "system.Dataset" },
    timeLimitSeconds: 1800,
  };
  const candidate = (name: Candidate): StepDefinition => ({
    image: name,
    after: ["examples"],
    reads: {
      examples: { step: "examples", artifact: "examples" },
      champion: { step: "examples", artifact: "champion" },
    },
    // The name of the custom job, for the console.
    ...(areCustomJobs && { outputs: ["gcp_resources"] }),
    artifacts: { predictions: "system.Dataset" },
    timeLimitSeconds: CANDIDATES[name].timeLimitSeconds,
  });
  const predictions: StepDefinition = {
    image: "sql-runner",
    after: candidates,
    reads: Object.fromEntries(candidates.map((name) => [name, { step: name, artifact: "predictions" }])),
    timeLimitSeconds: 1800,
  };
  return {
    examples,
    ...Object.fromEntries(candidates.map((name) => [name, candidate(name)])),
    predictions,
  };
}

/** The variables that a candidate gets: it has no address of the warehouse or of Messenger. */
const CANDIDATE_ENV = ["ARTIFACTS_URL"];

/** The exit task: it runs after the steps, whether they succeeded or not. */
const EXIT = { name: "notify", image: "notify", after: [], timeLimitSeconds: 300 } as const;

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
  readonly images: Readonly<Record<Image, string> & Partial<Record<Candidate, string>>>;
  /** The candidates that compete with the built-in model. @default none */
  readonly candidates?: readonly Candidate[];
  /** Runs candidates as custom jobs, whose account is not that of the pipeline. @default they run as the other steps */
  readonly customJobs?: CustomJobs | undefined;
  /** Environment of all jobs: WAREHOUSE_URL, MESSENGER_URL, ARTIFACTS_URL, and variables that only one job reads. */
  readonly env: Readonly<Record<string, string>>;
  /** Delay before the first retry. @default RETRY.delay */
  readonly retryDelay?: `${number}s`;
}

/** Returns the PipelineSpec, as JSON of pipeline_spec.proto. The same options give the same text. */
export function pipelineSpec(options: PipelineOptions) {
  const { images, candidates = [], customJobs, env, retryDelay = RETRY.delay } = options;
  const steps = stepsOf(candidates, customJobs !== undefined);
  const inputDefinitions = { parameters: mapValues(INPUTS, (parameterType) => ({ parameterType })) };
  const passed = mapValues(INPUTS, (_, name) => ({ componentInputParameter: name }));
  const task = (name: string) => ({
    taskInfo: { name },
    componentRef: { name: `comp-${name}` },
    cachingOptions: {},
    retryPolicy: { maxRetryCount: RETRY.times, backoffDuration: retryDelay, backoffFactor: 2 },
  });
  const constant = (value: string) => ({ runtimeValue: { constant: value } });
  const isCandidate = (image: Image | Candidate): image is Candidate => image in CANDIDATES;
  const executor = ({ image, timeLimitSeconds }: StepDefinition) => {
    const visible = Object.entries(env).filter(
      ([name]) => !isCandidate(image) || CANDIDATE_ENV.includes(name),
    );
    const all = [...visible, ["TIME_LIMIT_SECONDS", String(timeLimitSeconds)] as const];
    const variables = all.map(([name, value]) => ({ name, value }));
    return {
      container:
        customJobs && isCandidate(image)
          ? customJob(image, images[image], variables, customJobs)
          : { image: images[image], args: ["--executor-input", "{{$}}"], env: variables },
    };
  };
  const artifact = (schemaTitle: ArtifactType) => ({
    artifactType: { schemaTitle, schemaVersion: "0.0.1" },
  });
  const text = { parameterType: "STRING" };
  const component = (step: StepDefinition, name: string, more: object = {}) => ({
    executorLabel: `exec-${name}`,
    inputDefinitions: {
      parameters: {
        step: text,
        ...inputDefinitions.parameters,
        ...mapValues({ ...step.constants, ...step.takes }, () => text),
        ...more,
      },
      ...(step.reads && { artifacts: mapValues(step.reads, () => artifact("system.Dataset")) }),
    },
    ...((step.outputs || step.artifacts) && {
      outputDefinitions: {
        parameters: Object.fromEntries((step.outputs ?? []).map((output) => [output, text])),
        artifacts: mapValues(step.artifacts ?? {}, artifact),
      },
    }),
  });
  const eachStep = <V>(prefix: string, map: (step: StepDefinition, name: string) => V): Record<string, V> =>
    Object.fromEntries(Object.entries(steps).map(([name, step]) => [`${prefix}-${name}`, map(step, name)]));

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
                steps: constant(Object.keys(steps).join(",")),
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
          tasks: mapValues(steps, (step, name) => ({
            ...task(name),
            ...(step.after.length > 0 ? { dependentTasks: [...step.after] } : {}),
            inputs: {
              parameters: {
                step: constant(name),
                ...passed,
                ...mapValues(step.constants ?? {}, constant),
                ...mapValues(step.takes ?? {}, (producerTask, outputParameterKey) => ({
                  taskOutputParameter: { producerTask, outputParameterKey },
                })),
              },
              ...(step.reads && {
                artifacts: mapValues(step.reads, ({ step: producerTask, artifact: outputArtifactKey }) => ({
                  taskOutputArtifact: { producerTask, outputArtifactKey },
                })),
              }),
            },
          })),
        },
      },
      ...eachStep("comp", (step, name) => component(step, name)),
      [`comp-${EXIT.name}`]: component(EXIT, EXIT.name, {
        steps: text,
        status: { parameterType: "TASK_FINAL_STATUS", isOptional: true },
      }),
    },
    deploymentSpec: {
      executors: { ...eachStep("exec", executor), [`exec-${EXIT.name}`]: executor(EXIT) },
    },
  };
}
