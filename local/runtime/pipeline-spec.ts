/** The part of PipelineSpec (pipeline_spec.proto of Kubeflow Pipelines) that runs on one machine. The rest is refused. */
import { z } from "zod";
import { parse } from "../../lib/user-error.ts";

const inputParameter = z.union([
  z.strictObject({ runtimeValue: z.strictObject({ constant: z.union([z.string(), z.number()]) }) }),
  z.strictObject({ componentInputParameter: z.string() }),
  z.strictObject({
    taskOutputParameter: z.strictObject({ producerTask: z.string(), outputParameterKey: z.string() }),
  }),
  z.strictObject({ taskFinalStatus: z.strictObject({ producerTask: z.string() }) }),
]);
const inputArtifact = z.strictObject({
  taskOutputArtifact: z.strictObject({ producerTask: z.string(), outputArtifactKey: z.string() }),
});
const seconds = z
  .string()
  .regex(/^\d+(\.\d+)?s$/)
  .transform((text) => Number.parseFloat(text));
const task = z.strictObject({
  taskInfo: z.strictObject({ name: z.string() }),
  componentRef: z.strictObject({ name: z.string() }),
  dependentTasks: z.array(z.string()).default([]),
  triggerPolicy: z.strictObject({ strategy: z.literal("ALL_UPSTREAM_TASKS_COMPLETED") }).optional(),
  inputs: z
    .strictObject({
      parameters: z.record(z.string(), inputParameter).default({}),
      artifacts: z.record(z.string(), inputArtifact).default({}),
    })
    .prefault({}),
  cachingOptions: z.strictObject({}).default({}),
  retryPolicy: z
    .strictObject({ maxRetryCount: z.number(), backoffDuration: seconds, backoffFactor: z.number() })
    .default({ maxRetryCount: 0, backoffDuration: 0, backoffFactor: 1 }),
});
const dag = z.strictObject({ tasks: z.record(z.string(), task) });
const parameterDefinition = z.strictObject({
  parameterType: z.enum(["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "TASK_FINAL_STATUS"]),
  isOptional: z.boolean().optional(),
});
const definitions = z.strictObject({
  parameters: z.record(z.string(), parameterDefinition).default({}),
  artifacts: z.record(z.string(), z.unknown()).default({}),
});
const component = z.strictObject({
  inputDefinitions: definitions.optional(),
  outputDefinitions: definitions.prefault({}),
  executorLabel: z.string().optional(),
  dag: dag.optional(),
});
const argument = z
  .string()
  .refine((text) => text === "{{$}}" || !text.includes("{{$"), "must contain no placeholder but {{$}} alone");
const container = z.strictObject({
  image: z.string(),
  args: z.array(argument).default([]),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })).default([]),
});
const pipelineSpecSchema = z.looseObject({
  schemaVersion: z.string().startsWith("2.1"),
  root: z.strictObject({ inputDefinitions: definitions, dag }),
  components: z.record(z.string(), component),
  deploymentSpec: z.strictObject({ executors: z.record(z.string(), z.strictObject({ container })) }),
});
export type PipelineSpec = z.output<typeof pipelineSpecSchema>;
export type Component = z.output<typeof component>;
export type Task = z.output<typeof task>;
export type InputParameter = z.output<typeof inputParameter>;
export type Container = z.output<typeof container>;

/** @throws UserError that names what can't run on one machine (conditions, loops, importers, …). */
export const parsePipelineSpec = (spec: unknown): PipelineSpec =>
  parse(pipelineSpecSchema, spec, "This pipeline can't run on one machine");
