/** What the embedded edition runs of PipelineSpec (pipeline_spec.proto of Kubeflow Pipelines); anything else is refused. */
import { z } from "zod";
import { parse } from "../../lib/user-error.ts";

export const value = z.union([z.string(), z.number(), z.boolean()]);
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
    .default({ maxRetryCount: 0, backoffDuration: 0, backoffFactor: 1 }),
});
const dag = z.strictObject({ tasks: z.record(z.string(), task) });
const parameterDefinition = z.strictObject({
  parameterType: z.enum(["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "TASK_FINAL_STATUS"]),
  isOptional: z.boolean().optional(),
  description: z.string().optional(),
});
const parameterDefinitions = z.record(z.string(), parameterDefinition).default({});
const artifactDefinitions = z.record(z.string(), z.looseObject({})).default({});
const definitions = z.strictObject({ parameters: parameterDefinitions, artifacts: artifactDefinitions });
const component = z.strictObject({
  inputDefinitions: definitions.optional(),
  outputDefinitions: definitions.prefault({}),
  executorLabel: z.string().optional(),
  dag: dag.optional(),
});
const container = z.strictObject({
  image: z.string(),
  command: z.array(z.string()).default([]),
  args: z.array(z.string()).default([]),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })).default([]),
});
const pipelineSpecSchema = z.looseObject({
  schemaVersion: z.string().startsWith("2.1"),
  root: z.strictObject({ inputDefinitions: definitions, dag }),
  components: z.record(z.string(), component),
  deploymentSpec: z.strictObject({
    executors: z.record(z.string(), z.strictObject({ container })),
  }),
});
export type PipelineSpec = z.output<typeof pipelineSpecSchema>;
export type Task = z.output<typeof task>;
export type InputParameter = z.output<typeof inputParameter>;
export type ParameterDefinitions = z.output<typeof parameterDefinitions>;
export type Container = z.output<typeof container>;
export type Value = z.output<typeof value>;

/** Reads a PipelineSpec; throws a UserError that names what the embedded edition can't run (conditions, loops, importers, …). */
export const parsePipelineSpec = (spec: unknown): PipelineSpec =>
  parse(pipelineSpecSchema, spec, "The embedded edition can't run this pipeline");
