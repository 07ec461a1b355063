import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { runSettings } from "../../contracts/run.ts";
import { pipelineSpec } from "../../jobs/pipeline.ts";
import { runPipeline, type TaskEvent } from "./pipeline-runner.ts";
import { type Container, parsePipelineSpec } from "./pipeline-spec.ts";

type Attempt = { name: string; container: Container; attempt: number; files: Map<string, string> };

/** Runs a spec with a fake container engine. Records the started containers and the events. */
class Engine {
  readonly started: Attempt[] = [];
  readonly ended: string[] = [];
  readonly events: TaskEvent[] = [];
  readonly files = new Map<string, string>();
  readonly abort = new AbortController();
  readonly behavior: Record<string, (attempt: Attempt, signal: AbortSignal) => void | Promise<void>>;

  constructor(behavior: Engine["behavior"] = {}) {
    this.behavior = behavior;
  }

  async run(spec: unknown, parameters: Record<string, string | number> = {}): Promise<unknown> {
    return await runPipeline(parsePipelineSpec(spec), parameters, {
      rootUrl: "file:///base",
      signal: this.abort.signal,
      run: async (name, container, attempt, signal) => {
        const run: Attempt = { name, container, attempt, files: this.files };
        this.started.push(run);
        await (this.behavior[name] ?? (() => setTimeout(1)))(run, signal);
        this.ended.push(name);
      },
      read: async (url) => this.files.get(url),
      onTask: (event) => this.events.push(event),
    });
  }

  get names(): string[] {
    return this.started.map(({ name }) => name);
  }

  /** The arguments that a task was started with. */
  args(name: string): string[] {
    return this.started.find((run) => run.name === name)!.container.args;
  }
}

interface TestTask {
  readonly after?: readonly string[];
  readonly args?: readonly string[];
  readonly outputs?: Record<string, string>;
  readonly artifacts?: readonly string[];
  readonly task?: object;
  readonly inputs?: object;
}

/** A spec of these tasks. With exit, they are in an inner DAG, and the exit task runs after it. */
function specOf(tasks: Record<string, TestTask>, exit?: TestTask) {
  const all = { ...tasks, ...(exit === undefined ? {} : { exit }) };
  const each = <V, T>(
    of: Readonly<Record<string, V>>,
    name: (key: string) => string,
    map: (value: V, key: string) => T,
  ): Record<string, T> =>
    Object.fromEntries(Object.entries(of).map(([key, value]) => [name(key), map(value, key)]));
  const taskOf = ({ after = [], task = {}, inputs = {} }: TestTask, name: string) => ({
    taskInfo: { name },
    componentRef: { name: `comp-${name}` },
    dependentTasks: after,
    inputs,
    ...task,
  });
  const dag = { tasks: each(tasks, (name) => name, taskOf) };
  return {
    schemaVersion: "2.1.0",
    root: {
      inputDefinitions: { parameters: { date: { parameterType: "STRING" } } },
      dag:
        exit === undefined
          ? dag
          : {
              tasks: {
                steps: { taskInfo: { name: "steps" }, componentRef: { name: "comp-steps" } },
                exit: {
                  ...taskOf(exit, "exit"),
                  dependentTasks: ["steps"],
                  triggerPolicy: { strategy: "ALL_UPSTREAM_TASKS_COMPLETED" },
                  inputs: { parameters: { status: { taskFinalStatus: { producerTask: "steps" } } } },
                },
              },
            },
    },
    components: {
      ...(exit === undefined ? {} : { "comp-steps": { dag } }),
      ...each(
        all,
        (name) => `comp-${name}`,
        ({ outputs = {}, artifacts = [] }, name) => ({
          executorLabel: `exec-${name}`,
          outputDefinitions: {
            parameters: each(
              outputs,
              (key) => key,
              (parameterType) => ({ parameterType }),
            ),
            artifacts: Object.fromEntries(artifacts.map((key) => [key, { artifactType: {} }])),
          },
        }),
      ),
    },
    deploymentSpec: {
      executors: each(
        all,
        (name) => `exec-${name}`,
        ({ args = [] }, name) => ({
          container: { image: name, args },
        }),
      ),
    },
  };
}

const retryPolicy = { maxRetryCount: 2, backoffDuration: "0.02s", backoffFactor: 2 };
const parameterOf = (producerTask: string, outputParameterKey: string) => ({
  taskOutputParameter: { producerTask, outputParameterKey },
});
const fail = (message: string) => () => {
  throw new Error(message);
};
const statusTask: TestTask = { args: ["{{$}}"] };

describe("pipeline runner", () => {
  it("runs a task after those that it depends on: by name, parameter or artifact", async () => {
    const engine = new Engine({
      a: ({ files }) =>
        void files.set("file:///base/a/executor_output.json", '{"parameterValues": {"x": "1"}}'),
    });
    await engine.run(
      specOf({
        d: { after: ["c"] },
        c: {
          inputs: {
            artifacts: { m: { taskOutputArtifact: { producerTask: "b", outputArtifactKey: "m" } } },
          },
        },
        b: { inputs: { parameters: { x: parameterOf("a", "x") } }, artifacts: ["m"] },
        a: { outputs: { x: "STRING" } },
      }),
    );
    assert.deepEqual(engine.names, ["a", "b", "c", "d"]);
  });

  it("runs independent tasks at the same time", async () => {
    let running = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await setTimeout(10);
      running -= 1;
    };
    await new Engine({ a: work, b: work, c: work }).run(specOf({ a: {}, b: {}, c: { after: ["a", "b"] } }));
    assert.equal(most, 2);
  });

  it("runs every task of any graph once, after all its dependencies", async () => {
    const graph = fc
      .integer({ min: 1, max: 12 })
      .chain((size) =>
        fc.tuple(
          ...Array.from({ length: size }, (_, index) =>
            fc.uniqueArray(fc.nat({ max: Math.max(0, index - 1) }), { maxLength: index === 0 ? 0 : 4 }),
          ),
        ),
      );
    const property = fc.asyncProperty(graph, fc.infiniteStream(fc.nat(2)), async (upstream, waits) => {
      const tasks = upstream.map(
        (after, index) => [`t${index}`, { after: after.map((i) => `t${i}`) }] as const,
      );
      const engine = new Engine(
        Object.fromEntries(
          tasks.map(([name, { after }]) => [
            name,
            async () => {
              assert.deepEqual(
                after.filter((task) => !engine.ended.includes(task)),
                [],
              );
              await setTimeout(waits.next().value);
            },
          ]),
        ),
      );
      // The order of the tasks in the spec must not matter.
      await engine.run(specOf(Object.fromEntries(tasks.toReversed())));
      assert.deepEqual(engine.names.toSorted(), tasks.map(([name]) => name).toSorted());
    });
    await fc.assert(property, { numRuns: 40 });
  });

  it("retries a failed task by its policy, with growing delays", async () => {
    const at: number[] = [];
    const engine = new Engine({
      a: ({ attempt }) => {
        at.push(performance.now());
        if (attempt < 3) throw new Error("not yet");
      },
    });
    await engine.run(specOf({ a: { task: { retryPolicy } } }));
    assert.deepEqual(
      engine.started.map(({ attempt }) => attempt),
      [1, 2, 3],
    );
    assert.ok(at[1]! - at[0]! >= 19, `first delay: ${at[1]! - at[0]!} ms`);
    assert.ok(at[2]! - at[1]! >= 39, `second delay: ${at[2]! - at[1]!} ms`);
    assert.deepEqual(
      engine.events.map(({ state }) => state),
      ["started", "retrying", "started", "retrying", "started", "succeeded"],
    );
  });

  it("fails with the last error after the last retry, and does not run dependent tasks", async () => {
    const engine = new Engine({ a: ({ attempt }) => fail(`broken ${attempt}`)() });
    const spec = specOf({ a: { task: { retryPolicy } }, b: { after: ["a"] }, c: { after: ["b"] }, d: {} });
    await assert.rejects(engine.run(spec), { message: "broken 3" });
    assert.deepEqual(engine.names.toSorted(), ["a", "a", "a", "d"]);
    assert.equal(engine.events.filter(({ state }) => state === "failed").length, 1);
  });

  it("does not retry without a policy", async () => {
    const engine = new Engine({ a: fail("broken") });
    await assert.rejects(engine.run(specOf({ a: {} })), { message: "broken" });
    assert.deepEqual(engine.names, ["a"]);
  });

  it("passes pipeline inputs, constants and outputs of earlier tasks, with their types", async () => {
    const written = { parameterValues: { id: "m-1", n: 3, share: 0.5 } };
    const engine = new Engine({
      a: ({ files }) => void files.set("file:///base/a/executor_output.json", JSON.stringify(written)),
    });
    const outputs = { id: "STRING", n: "NUMBER_INTEGER", share: "NUMBER_DOUBLE" };
    const spec = specOf({
      a: { outputs },
      b: {
        args: ["{{$}}"],
        inputs: {
          parameters: {
            date: { componentInputParameter: "date" },
            fixed: { runtimeValue: { constant: 7 } },
            ...Object.fromEntries(Object.keys(outputs).map((key) => [key, parameterOf("a", key)])),
          },
        },
      },
    });
    await engine.run(spec, { date: "2024-01-01" });
    assert.deepEqual(JSON.parse(engine.args("b")[0]!).inputs.parameterValues, {
      date: "2024-01-01",
      fixed: 7,
      ...written.parameterValues,
    });
  });

  it("passes an artifact to a later task by its URL, and replaces only {{$}}", async () => {
    const engine = new Engine();
    const spec = specOf({
      a: { artifacts: ["m"], args: ["{{$}}"] },
      b: {
        args: ["--executor-input", "{{$}}"],
        inputs: {
          parameters: {
            x: { runtimeValue: { constant: 0.5 } },
            text: { runtimeValue: { constant: "{{$}} $&" } },
          },
          artifacts: { model: { taskOutputArtifact: { producerTask: "a", outputArtifactKey: "m" } } },
        },
      },
    });
    await engine.run(spec);
    assert.deepEqual(JSON.parse(engine.args("a")[0]!).outputs, {
      artifacts: { m: { artifacts: [{ name: "m", uri: "file:///base/a/m" }] } },
      outputFile: "/base/a/executor_output.json",
    });
    const [option, input] = engine.args("b");
    assert.equal(option, "--executor-input");
    assert.deepEqual(JSON.parse(input!), {
      inputs: {
        parameterValues: { x: 0.5, text: "{{$}} $&" },
        artifacts: { model: { artifacts: [{ name: "m", uri: "file:///base/a/m" }] } },
      },
      outputs: { artifacts: {}, outputFile: "/base/b/executor_output.json" },
    });
  });

  it("fails a task that does not write its output, after its retries", async () => {
    const engine = new Engine();
    const spec = specOf({ a: { outputs: { x: "STRING" }, task: { retryPolicy } }, b: { after: ["a"] } });
    await assert.rejects(engine.run(spec), { message: "a did not write its output x" });
    assert.deepEqual(engine.names, ["a", "a", "a"]);
  });

  describe("exit task", () => {
    const status = (engine: Engine): unknown =>
      JSON.parse(JSON.parse(engine.args("exit")[0]!).inputs.parameterValues.status);

    it("runs after a success, and knows it", async () => {
      const engine = new Engine();
      await engine.run(specOf({ a: {}, b: { after: ["a"] } }, statusTask));
      assert.deepEqual(engine.names, ["a", "b", "exit"]);
      assert.deepEqual(status(engine), { state: "SUCCEEDED", pipelineTaskName: "steps", error: {} });
    });

    it("runs after a failure when all other tasks have ended, and knows the error; the run fails", async () => {
      const engine = new Engine({ a: fail("no such column"), b: () => setTimeout(30) });
      await assert.rejects(engine.run(specOf({ a: {}, b: {} }, statusTask)), { message: "no such column" });
      assert.deepEqual(engine.ended, ["b", "exit"]);
      assert.deepEqual(status(engine), {
        state: "FAILED",
        pipelineTaskName: "steps",
        error: { message: "no such column" },
      });
    });

    it("runs after a cancellation, which does not abort it; no other task starts", async () => {
      const engine = new Engine({
        a: (_, signal) => {
          engine.abort.abort(new Error("the run was cancelled"));
          signal.throwIfAborted();
        },
        exit: (_, signal) => assert.ok(!signal.aborted),
      });
      const spec = specOf({ a: { task: { retryPolicy } }, b: { after: ["a"] } }, statusTask);
      await assert.rejects(engine.run(spec), { message: "the run was cancelled" });
      assert.deepEqual(engine.names, ["a", "exit"]);
      assert.deepEqual(
        engine.events.find(({ task, state }) => task === "a" && state !== "started")?.state,
        "failed",
      );
      assert.deepEqual(status(engine), {
        state: "CANCELLED",
        pipelineTaskName: "steps",
        error: { message: "the run was cancelled" },
      });
    });

    it("runs immediately when the run is cancelled while a task waits for its retry", async () => {
      const engine = new Engine({ a: fail("flaky") });
      const slow = { ...retryPolicy, backoffDuration: "60s" };
      const running = engine.run(specOf({ a: { task: { retryPolicy: slow } } }, statusTask));
      while (engine.events.at(-1)?.state !== "retrying") await setTimeout(1);
      engine.abort.abort(new Error("the run was cancelled"));
      await assert.rejects(running, { message: "the run was cancelled" });
      assert.deepEqual(engine.names, ["a", "exit"]);
      assert.equal((status(engine) as { state: string }).state, "CANCELLED");
    });

    it("fails the run when it fails", async () => {
      await assert.rejects(new Engine({ exit: fail("no network") }).run(specOf({ a: {} }, statusTask)), {
        message: "no network",
      });
    });
  });

  it("runs the project's own pipeline", async () => {
    const images = { "sql-runner": "sql-runner", clv: "clv", notify: "notify" };
    const spec = pipelineSpec({ images, env: {}, retryDelay: "0.01s" });
    const wrote = ({ files }: Attempt): void =>
      void files.set("file:///base/train/executor_output.json", '{"parameterValues": {"model_id": "m-1"}}');
    const engine = new Engine({ train: wrote });
    const settings = runSettings.parse({});
    await engine.run(spec, { run_id: "run-1", run_date: "2024-01-01", ...settings });
    assert.deepEqual(engine.names, ["features", "train", "score", "backtest", "publish", "notify"]);
    const { parameterValues } = JSON.parse(engine.args("score")[1]!).inputs;
    assert.deepEqual(parameterValues, {
      step: "score",
      run_id: "run-1",
      run_date: "2024-01-01",
      ...settings,
      model_id: "m-1",
    });
  });

  describe("refuses with a UserError", () => {
    const withTask = (task: object): unknown => specOf({ a: { task } });
    const withContainer = (container: object): unknown => ({
      ...specOf({ a: {} }),
      deploymentSpec: { executors: { "exec-a": { container: { image: "a", ...container } } } },
    });
    const cases: [string, RegExp, unknown][] = [
      ["a condition", /"condition"/, withTask({ triggerPolicy: { condition: "1 == 1" } })],
      ["an iterator", /"parameterIterator"/, withTask({ parameterIterator: {} })],
      ["caching", /"enableCache"/, withTask({ cachingOptions: { enableCache: true } })],
      [
        "a default value",
        /"defaultValue"/,
        {
          ...specOf({ a: {} }),
          root: {
            ...specOf({ a: {} }).root,
            inputDefinitions: { parameters: { x: { parameterType: "STRING", defaultValue: "y" } } },
          },
        },
      ],
      [
        "an importer",
        /exec-a.*"importer"/,
        {
          ...specOf({ a: {} }),
          deploymentSpec: { executors: { "exec-a": { importer: {} } } },
        },
      ],
      [
        "another placeholder than {{$}}",
        /args\.0: must contain no placeholder but {{\$}} alone.*{{\$\.x}}/,
        withContainer({ args: ["{{$.x}}"] }),
      ],
      ["a command", /"command"/, withContainer({ command: ["sh"] })],
      ["another schema version", /schemaVersion/, { ...specOf({ a: {} }), schemaVersion: "3.0.0" }],
      ["another value than a spec", /given: 7/, 7],
    ];
    for (const [what, message, spec] of cases) {
      it(what, () => assert.throws(() => parsePipelineSpec(spec), { name: "UserError", message }));
    }

    it("an unknown input of the pipeline", async () => {
      await assert.rejects(new Engine().run(specOf({ a: {} }), { dat: "2024-01-01" }), {
        name: "UserError",
        message: "The pipeline has no input dat.",
      });
    });

    it("a missing input of the pipeline", async () => {
      const inputs = { parameters: { date: { componentInputParameter: "date" } } };
      await assert.rejects(new Engine().run(specOf({ a: { inputs } })), {
        name: "UserError",
        message: /date/,
      });
    });

    it("an unknown output of a task", async () => {
      const inputs = { parameters: { x: parameterOf("a", "y") } };
      await assert.rejects(new Engine().run(specOf({ a: {}, b: { inputs } })), {
        name: "UserError",
        message: "Task a has no output y.",
      });
    });
  });
});
