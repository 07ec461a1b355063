import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { runSettings } from "../../contracts/run.ts";
import { pipelineSpec } from "../../jobs/pipeline.ts";
import { UserError } from "../../lib/user-error.ts";
import { type Execution, runPipeline } from "./pipeline-runner.ts";
import { type Container, parsePipelineSpec } from "./pipeline-spec.ts";

type Attempt = { name: string; container: Container; attempt: number; files: Map<string, string> };
type Events = Parameters<NonNullable<Execution["onTask"]>>[0][];

/** Runs a spec with a fake container engine; tells what was started, with which command line, and what was told. */
class Engine {
  readonly started: Attempt[] = [];
  readonly ended: string[] = [];
  readonly events: Events = [];
  readonly files = new Map<string, string>();
  readonly abort = new AbortController();
  readonly behaviour: Record<string, (attempt: Attempt, signal: AbortSignal) => void | Promise<void>>;

  constructor(behaviour: Engine["behaviour"] = {}) {
    this.behaviour = behaviour;
  }

  async run(spec: unknown, parameters: Record<string, string | number> = {}): Promise<unknown> {
    return await runPipeline(parsePipelineSpec(spec), parameters, {
      rootUrl: "file:///base",
      signal: this.abort.signal,
      run: async (name, container, attempt, signal) => {
        const run: Attempt = { name, container, attempt, files: this.files };
        this.started.push(run);
        await (this.behaviour[name] ?? (() => setTimeout(1)))(run, signal);
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

/** A spec of these tasks; with exit, they are in a DAG of their own and the exit task comes after it. */
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
const statusTask: TestTask = { args: ["{{$.inputs.parameters['status']}}"] };

describe("pipeline runner", () => {
  it("runs tasks after those that they depend on, by name, by parameter or by artifact", async () => {
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

  it("runs every task of any graph once, and after all that it depends on", async () => {
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
      // The order in which the spec names them must not matter.
      await engine.run(specOf(Object.fromEntries(tasks.toReversed())));
      assert.deepEqual(engine.names.toSorted(), tasks.map(([name]) => name).toSorted());
    });
    await fc.assert(property, { numRuns: 40 });
  });

  it("tries a failed task again, with growing waits, as often as its policy says", async () => {
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
    assert.ok(at[1]! - at[0]! >= 19, `first wait: ${at[1]! - at[0]!} ms`);
    assert.ok(at[2]! - at[1]! >= 39, `second wait: ${at[2]! - at[1]!} ms`);
    assert.deepEqual(
      engine.events.map(({ state }) => state),
      ["started", "retrying", "started", "retrying", "started", "succeeded"],
    );
  });

  it("gives up after the last try with the last error, and does not run what depends on it", async () => {
    const engine = new Engine({ a: ({ attempt }) => fail(`broken ${attempt}`)() });
    const spec = specOf({ a: { task: { retryPolicy } }, b: { after: ["a"] }, c: { after: ["b"] }, d: {} });
    await assert.rejects(engine.run(spec), { message: "broken 3" });
    assert.deepEqual(engine.names.toSorted(), ["a", "a", "a", "d"]);
    assert.equal(engine.events.filter(({ state }) => state === "failed").length, 1);
  });

  it("does not try again without a policy", async () => {
    const engine = new Engine({ a: fail("broken") });
    await assert.rejects(engine.run(specOf({ a: {} })), { message: "broken" });
    assert.deepEqual(engine.names, ["a"]);
  });

  it("passes pipeline inputs, constants and outputs of earlier tasks, with their types", async () => {
    const written = { parameterValues: { id: "m-1", n: 3, share: 0.5, ok: true } };
    const engine = new Engine({
      a: ({ files }) => void files.set("file:///base/a/executor_output.json", JSON.stringify(written)),
    });
    const outputs = { id: "STRING", n: "NUMBER_INTEGER", share: "NUMBER_DOUBLE", ok: "BOOLEAN" };
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

  it("takes an output parameter from its own file, as containers that know only arguments write it", async () => {
    const engine = new Engine({
      a: ({ files, container }) => {
        assert.deepEqual(container.args, ["/base/a/id", "/base/a/n"]);
        files.set("file:///base/a/id", "12");
        files.set("file:///base/a/n", "12");
      },
    });
    const spec = specOf({
      a: {
        outputs: { id: "STRING", n: "NUMBER_INTEGER" },
        args: ["{{$.outputs.parameters['id'].output_file}}", "{{$.outputs.parameters['n'].output_file}}"],
      },
      b: {
        args: ["{{$}}"],
        inputs: { parameters: { id: parameterOf("a", "id"), n: parameterOf("a", "n") } },
      },
    });
    await engine.run(spec);
    assert.deepEqual(JSON.parse(engine.args("b")[0]!).inputs.parameterValues, { id: "12", n: 12 });
  });

  it("passes an artifact by its uri to a later task, and each placeholder stands for what KFP says", async () => {
    const engine = new Engine();
    const spec = specOf({
      a: {
        artifacts: ["m"],
        args: ["{{$.outputs.artifacts['m'].uri}}", "--to={{$.outputs.artifacts['m'].path}}"],
      },
      b: {
        args: [
          "{{$}}",
          "{{$.inputs.artifacts['model'].uri}}",
          "{{$.inputs.artifacts['model'].path}}",
          "{{$.inputs.parameters['x']}} and {{$.inputs.parameters['text']}}",
        ],
        inputs: {
          parameters: {
            x: { runtimeValue: { constant: 0.5 } },
            text: { runtimeValue: { constant: "{{$}} $& as it is" } },
          },
          artifacts: { model: { taskOutputArtifact: { producerTask: "a", outputArtifactKey: "m" } } },
        },
      },
    });
    await engine.run(spec);
    assert.deepEqual(engine.args("a"), ["file:///base/a/m", "--to=/base/a/m"]);
    const [input, ...others] = engine.args("b");
    assert.deepEqual(others, ["file:///base/a/m", "/base/a/m", "0.5 and {{$}} $& as it is"]);
    assert.deepEqual(JSON.parse(input!), {
      inputs: {
        parameterValues: { x: 0.5, text: "{{$}} $& as it is" },
        artifacts: { model: { artifacts: [{ name: "m", uri: "file:///base/a/m" }] } },
      },
      outputs: { parameters: {}, artifacts: {}, outputFile: "/base/b/executor_output.json" },
    });
  });

  it("names a placeholder that stands for nothing, and those that are there", async () => {
    for (const placeholder of [
      "{{$.inputs.parameters['y']}}",
      "{{$.inputs.artifacts['x'].uri}}",
      "{{$.oops}}",
    ]) {
      const inputs = { parameters: { x: { runtimeValue: { constant: 1 } } } };
      const engine = new Engine();
      await assert.rejects(engine.run(specOf({ a: { args: [placeholder], inputs } })), (error: Error) => {
        assert.ok(error instanceof UserError);
        assert.ok(
          error.message.includes(placeholder) && error.message.includes("{{$.inputs.parameters['x']}}"),
        );
        return true;
      });
      assert.deepEqual(engine.names, []);
    }
  });

  it("fails a task that does not write its output, after trying again", async () => {
    const engine = new Engine();
    const spec = specOf({ a: { outputs: { x: "STRING" }, task: { retryPolicy } }, b: { after: ["a"] } });
    await assert.rejects(engine.run(spec), { message: "a did not write its output x" });
    assert.deepEqual(engine.names, ["a", "a", "a"]);
  });

  describe("exit task", () => {
    const status = (engine: Engine): unknown => JSON.parse(engine.args("exit")[0]!);

    it("runs after a success and is told so", async () => {
      const engine = new Engine();
      await engine.run(specOf({ a: {}, b: { after: ["a"] } }, statusTask));
      assert.deepEqual(engine.names, ["a", "b", "exit"]);
      assert.deepEqual(status(engine), { state: "SUCCEEDED", pipelineTaskName: "steps", error: {} });
    });

    it("runs after a failure, once all that still runs has ended, and is told why; the run fails", async () => {
      const engine = new Engine({ a: fail("no such column"), b: () => setTimeout(30) });
      await assert.rejects(engine.run(specOf({ a: {}, b: {} }, statusTask)), { message: "no such column" });
      assert.deepEqual(engine.ended, ["b", "exit"]);
      assert.deepEqual(status(engine), {
        state: "FAILED",
        pipelineTaskName: "steps",
        error: { message: "no such column" },
      });
    });

    it("runs after a cancellation, with a signal of its own; no other task is started", async () => {
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

    it("runs at once when the run is cancelled while a task waits for its next try", async () => {
      const engine = new Engine({ a: fail("flaky") });
      const slow = { ...retryPolicy, backoffDuration: "60s" };
      const running = engine.run(specOf({ a: { task: { retryPolicy: slow } } }, statusTask));
      while (engine.events.at(-1)?.state !== "retrying") await setTimeout(1);
      engine.abort.abort(new Error("the run was cancelled"));
      await assert.rejects(running, { message: "the run was cancelled" });
      assert.deepEqual(engine.names, ["a", "exit"]);
      assert.equal((status(engine) as { state: string }).state, "CANCELLED");
    });

    it("fails the run when it fails itself", async () => {
      await assert.rejects(new Engine({ exit: fail("no network") }).run(specOf({ a: {} }, statusTask)), {
        message: "no network",
      });
    });
  });

  it("takes the project's own pipeline", async () => {
    const images = { "sql-runner": "sql-runner", clv: "clv", notify: "notify" };
    const spec = pipelineSpec({ images, env: {}, retry: { times: 0, after: "1s" } });
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

  describe("refuses with a UserError that names it", () => {
    const withTask = (task: object): unknown => specOf({ a: { task } });
    const cases: [string, RegExp, unknown][] = [
      ["a condition", /"condition"/, withTask({ triggerPolicy: { condition: "1 == 1" } })],
      ["an iterator", /"parameterIterator"/, withTask({ parameterIterator: {} })],
      ["caching", /enableCache/, withTask({ cachingOptions: { enableCache: true } })],
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
      ["another schema version", /schemaVersion/, { ...specOf({ a: {} }), schemaVersion: "3.0.0" }],
      ["what is no spec", /given: 7/, 7],
    ];
    for (const [what, message, spec] of cases) {
      it(what, () => assert.throws(() => parsePipelineSpec(spec), { name: "UserError", message }));
    }

    it("an input that the pipeline does not have", async () => {
      await assert.rejects(new Engine().run(specOf({ a: {} }), { dat: "2024-01-01" }), {
        name: "UserError",
        message: "The pipeline has no input dat.",
      });
    });

    it("an input that was not given", async () => {
      const inputs = { parameters: { date: { componentInputParameter: "date" } } };
      await assert.rejects(new Engine().run(specOf({ a: { inputs } })), {
        name: "UserError",
        message: /date/,
      });
    });

    it("an output, a component or an executor that is not there", async () => {
      const inputs = { parameters: { x: parameterOf("a", "y") } };
      await assert.rejects(new Engine().run(specOf({ a: {}, b: { inputs } })), {
        name: "UserError",
        message: "Task a has no output y.",
      });
      const { components, deploymentSpec, ...rest } = specOf({ a: {} });
      await assert.rejects(new Engine().run({ ...rest, deploymentSpec, components: {} }), /comp-a/);
      await assert.rejects(
        new Engine().run({ ...rest, components, deploymentSpec: { executors: {} } }),
        /exec-a/,
      );
    });
  });
});
