import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { PGraph } from "p-graph";
import { CANDIDATES, type Candidate } from "./candidates.ts";
import { LAUNCHER } from "./custom-job.ts";
import { IMAGES, type Image, pipelineSpec, RETRY, stepsOf } from "./pipeline.ts";

const options: Parameters<typeof pipelineSpec>[0] = {
  images: {
    "sql-runner": "registry/sql-runner@sha256:1",
    clv: "registry/clv@sha256:2",
    notify: "registry/notify@sha256:3",
  },
  env: {
    WAREHOUSE_URL: "bigquery://project",
    MESSENGER_URL: "pubsub://project",
    ARTIFACTS_URL: "gs://bucket",
  },
};
const spec = pipelineSpec(options);

interface AnyInput {
  readonly componentInputParameter?: string;
  readonly runtimeValue?: { readonly constant: string };
  readonly taskOutputParameter?: { readonly producerTask: string; readonly outputParameterKey: string };
  readonly taskFinalStatus?: { readonly producerTask: string };
}
interface AnyTask {
  readonly taskInfo: { readonly name: string };
  readonly componentRef: { readonly name: string };
  readonly dependentTasks?: readonly string[];
  readonly inputs: { readonly parameters: Readonly<Record<string, AnyInput>> };
}
interface AnyComponent {
  readonly executorLabel?: string;
  readonly dag?: { readonly tasks: Readonly<Record<string, AnyTask>> };
  readonly inputDefinitions: {
    readonly parameters: Readonly<Record<string, { isOptional?: boolean; parameterType: string }>>;
  };
  readonly outputDefinitions?: { readonly parameters: Readonly<Record<string, { parameterType: string }>> };
}
const components: Record<string, AnyComponent> = spec.components;
const dags: AnyComponent[] = [spec.root, ...Object.values(components)].filter(
  (component) => "dag" in component,
);

/** The container of a step that is no custom job. */
function containerOf({ deploymentSpec }: typeof spec, step: string) {
  const { container } = deploymentSpec.executors[`exec-${step}`]!;
  return "env" in container ? container : assert.fail(`${step} is a custom job`);
}

describe("pipeline", () => {
  it("refers only to existing components and executors, to each once", () => {
    const used = dags.flatMap(({ dag }) =>
      Object.values(dag!.tasks).map(({ componentRef }) => componentRef.name),
    );
    assert.deepEqual(used.toSorted(), Object.keys(components).toSorted());
    const labels = Object.values(components).flatMap(({ executorLabel }) => executorLabel ?? []);
    assert.deepEqual(labels.toSorted(), Object.keys(spec.deploymentSpec.executors).toSorted());
    for (const component of Object.values(components))
      assert.ok((component.executorLabel === undefined) !== (component.dag === undefined));
  });

  it("gives each task exactly the inputs of its component, from existing inputs and outputs of the same type", () => {
    for (const { dag, inputDefinitions } of dags) {
      for (const [name, { taskInfo, componentRef, inputs }] of Object.entries(dag!.tasks)) {
        assert.equal(taskInfo.name, name);
        const takes = components[componentRef.name]!.inputDefinitions.parameters;
        assert.deepEqual(Object.keys(inputs.parameters).toSorted(), Object.keys(takes).toSorted(), name);
        for (const [
          parameter,
          { componentInputParameter, taskOutputParameter, runtimeValue, taskFinalStatus },
        ] of Object.entries(inputs.parameters)) {
          const producer = dag!.tasks[(taskOutputParameter ?? taskFinalStatus)?.producerTask ?? ""];
          const given = taskOutputParameter
            ? components[producer!.componentRef.name]!.outputDefinitions!.parameters[
                taskOutputParameter.outputParameterKey
              ]
            : taskFinalStatus
              ? producer && { parameterType: "TASK_FINAL_STATUS" }
              : runtimeValue
                ? { parameterType: "STRING" }
                : inputDefinitions.parameters[componentInputParameter!];
          assert.equal(given?.parameterType, takes[parameter]!.parameterType, `${name}.${parameter}`);
        }
      }
    }
  });

  it("has no cycles, and no task needs an output of a later one", () => {
    for (const { dag } of dags) {
      const tasks = Object.entries(dag!.tasks);
      const nodes = Object.fromEntries(tasks.map(([name]) => [name, { run: async () => {} }]));
      const edges = tasks.flatMap(([name, { dependentTasks = [], inputs }]) => [
        ...dependentTasks.map((upstream): [string, string] => [upstream, name]),
        ...Object.values(inputs.parameters).flatMap(({ taskOutputParameter }): [string, string][] =>
          taskOutputParameter ? [[taskOutputParameter.producerTask, name]] : [],
        ),
      ]);
      // Throws for a cycle and for an unknown task.
      new PGraph(nodes, edges);
    }
  });

  it("ends with a task that runs after success and failure, and knows all steps", () => {
    assert.deepEqual(spec.root.dag.tasks.notify!.dependentTasks, ["steps"]);
    assert.deepEqual(spec.root.dag.tasks.notify!.triggerPolicy, { strategy: "ALL_UPSTREAM_TASKS_COMPLETED" });
    assert.deepEqual(spec.root.dag.tasks.notify!.inputs.parameters.steps, {
      runtimeValue: { constant: Object.keys(stepsOf()).join(",") },
    });
  });

  it("runs a failed step again, after the given delay", () => {
    const tasksOf = (of: typeof spec) => Object.values(of.components["comp-steps"].dag.tasks);
    for (const { retryPolicy } of [...tasksOf(spec), spec.root.dag.tasks.notify!])
      assert.deepEqual(retryPolicy, { maxRetryCount: 1, backoffDuration: RETRY.delay, backoffFactor: 2 });
    const quick = pipelineSpec({ ...options, retryDelay: "0.2s" });
    assert.equal(tasksOf(quick)[0]!.retryPolicy.backoffDuration, "0.2s");
  });

  it("gives each step its image, its environment and its time limit", () => {
    for (const [name, { image, timeLimitSeconds }] of Object.entries(stepsOf())) {
      const container = containerOf(spec, name);
      assert.equal(container.image, options.images[image as Image]);
      assert.deepEqual(container.args, ["--executor-input", "{{$}}"]);
      const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
      assert.deepEqual(env, { ...options.env, TIME_LIMIT_SECONDS: String(timeLimitSeconds) });
    }
    const images = new Set(
      Object.values(spec.deploymentSpec.executors).map(({ container }) => container.image),
    );
    assert.deepEqual(images, new Set(IMAGES.map((image) => options.images[image])));
  });

  describe("with candidates", () => {
    const names = Object.keys(CANDIDATES) as Candidate[];
    const images = {
      ...options.images,
      ...Object.fromEntries(names.map((name) => [name, `registry/${name}@sha256:4`])),
    };
    const withCandidates = pipelineSpec({ ...options, images, candidates: names });
    const tasks: Record<string, AnyTask & { inputs: { artifacts?: unknown } }> =
      withCandidates.components["comp-steps"].dag.tasks;

    it("runs them in parallel, between their examples and the load of their predictions", () => {
      assert.deepEqual(tasks.examples!.dependentTasks, ["features"]);
      for (const name of names) {
        assert.deepEqual(tasks[name]!.dependentTasks, ["examples"]);
        assert.deepEqual(tasks[name]!.inputs.artifacts, {
          examples: { taskOutputArtifact: { producerTask: "examples", outputArtifactKey: "examples" } },
          champion: { taskOutputArtifact: { producerTask: "examples", outputArtifactKey: "champion" } },
        });
      }
      assert.deepEqual(tasks.predictions!.dependentTasks, names);
      assert.deepEqual(tasks.train!.dependentTasks, ["predictions"]);
      assert.deepEqual(tasks.train!.inputs.parameters.candidates, {
        runtimeValue: { constant: names.join(",") },
      });
    });

    it("gives them no address of the warehouse or of Messenger", () => {
      for (const name of names) {
        const { env } = containerOf(withCandidates, name);
        assert.deepEqual(
          env.map((variable) => variable.name),
          ["ARTIFACTS_URL", "TIME_LIMIT_SECONDS"],
        );
      }
    });

    describe("as custom jobs", () => {
      const customJobs = {
        project: "p",
        region: "europe-west1",
        serviceAccount: "candidates@p.iam.gserviceaccount.com",
      };
      const inCloud = pipelineSpec({ ...options, images, candidates: names, customJobs });

      it("starts them by Google's launcher, as an account of their own, with their machine and the run's id", () => {
        for (const name of names) {
          const { image, command, args } = inCloud.deploymentSpec.executors[`exec-${name}`]!.container as {
            image: string;
            command: string[];
            args: string[];
          };
          assert.equal(image, LAUNCHER);
          assert.equal(command.at(-1), "google_cloud_pipeline_components.container.v1.custom_job.launcher");
          const { values } = parseArgs({
            args,
            options: Object.fromEntries(
              ["type", "payload", "project", "location", "gcp_resources"].map((option) => [
                option,
                { type: "string" as const },
              ]),
            ),
          });
          const { payload, ...others } = values;
          assert.deepEqual(
            { ...others },
            {
              type: "CustomJob",
              project: "p",
              location: "europe-west1",
              gcp_resources: "{{$.outputs.parameters['gcp_resources'].output_file}}",
            },
          );
          const { machine, timeLimitSeconds } = CANDIDATES[name];
          const runId = "{{$.inputs.parameters['run_id']}}";
          assert.deepEqual(JSON.parse(String(payload)), {
            display_name: `${runId}-${name}`,
            labels: { run_id: runId, step: name },
            job_spec: {
              service_account: customJobs.serviceAccount,
              scheduling: { timeout: `${timeLimitSeconds + 600}s` },
              worker_pool_specs: [
                {
                  replica_count: 1,
                  machine_spec: { machine_type: machine },
                  container_spec: {
                    image_uri: images[name],
                    args: ["--executor-input", "{{$.json_escape[1]}}"],
                    env: containerOf(withCandidates, name).env,
                  },
                },
              ],
            },
          });
        }
      });

      it("differs in nothing else but the job's name, which is an output", () => {
        const without = structuredClone(inCloud);
        for (const name of names) {
          const component: AnyComponent = (without.components as Record<string, AnyComponent>)[
            `comp-${name}`
          ]!;
          assert.deepEqual(component.outputDefinitions!.parameters, {
            gcp_resources: { parameterType: "STRING" },
          });
          Object.assign(component.outputDefinitions!, { parameters: {} });
          without.deploymentSpec.executors[`exec-${name}`] =
            withCandidates.deploymentSpec.executors[`exec-${name}`]!;
        }
        assert.deepEqual(without, withCandidates);
      });
    });

    it("knows all steps when it ends", () => {
      const { steps } = withCandidates.root.dag.tasks.notify!.inputs.parameters as Record<string, AnyInput>;
      assert.equal(steps?.runtimeValue?.constant, Object.keys(stepsOf(names)).join(","));
    });
  });

  it("returns the same text for the same options", () => {
    assert.equal(JSON.stringify(pipelineSpec(structuredClone(options))), JSON.stringify(spec));
  });

  it("equals jobs/pipeline.golden.json", () => {
    const golden = new URL("./pipeline.golden.json", import.meta.url);
    const text = `${JSON.stringify(spec, null, 2)}\n`;
    if (process.env.UPDATE_GOLDEN === "1") writeFileSync(golden, text);
    assert.deepEqual(
      JSON.parse(text),
      JSON.parse(readFileSync(golden, "utf8")),
      "The pipeline has changed. If that is intended, run npm run update and review the difference.",
    );
  });
});
