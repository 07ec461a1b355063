import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import type { RunState } from "../../contracts/launcher.ts";
import { stepReportUrl, stepStarted } from "../../contracts/step.ts";
import { createLogger } from "../../lib/log.ts";
import { LocalLauncher, type LocalLauncherOptions } from "./launcher.ts";

const log = createLogger({ component: "test" }, "silent");
const parameters = { run_date: "2024-01-01" };

/** Real child processes: each step is a shell script. */
describe("launcher", () => {
  let dataDir: string;
  const launchers: LocalLauncher[] = [];
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), "launcher-"));
  });
  afterEach(async () => {
    await Promise.all(launchers.splice(0).map((launcher) => launcher.close()));
    rmSync(dataDir, { recursive: true });
  });

  /** A launcher for one step and an exit task, which writes its input to the file `exit`. */
  function launcherOf(
    script: string,
    options: Partial<LocalLauncherOptions> = {},
    limit = 60,
  ): LocalLauncher {
    const definition = {
      parameters: { run_date: { parameterType: "STRING" }, run_id: { parameterType: "STRING" } },
    };
    const executor = (image: string, args: string[]) => ({
      container: { image, args, env: [{ name: "TIME_LIMIT_SECONDS", value: String(limit) }] },
    });
    const launcher = new LocalLauncher({
      dataDir,
      artifacts: fileArtifacts,
      log,
      grace: 0.2,
      entrypoints: {
        step: ["sh", "-c", `cd '${dataDir}'; ${script}`],
        exit: ["sh", "-c", `printf %s "$0" > '${dataDir}/exit'`],
      },
      spec: {
        schemaVersion: "2.1.0",
        root: {
          inputDefinitions: definition,
          dag: {
            tasks: {
              steps: { taskInfo: { name: "steps" }, componentRef: { name: "comp-steps" } },
              exit: {
                taskInfo: { name: "exit" },
                componentRef: { name: "comp-exit" },
                dependentTasks: ["steps"],
                triggerPolicy: { strategy: "ALL_UPSTREAM_TASKS_COMPLETED" },
                inputs: { parameters: { status: { taskFinalStatus: { producerTask: "steps" } } } },
              },
            },
          },
        },
        components: {
          "comp-steps": {
            dag: { tasks: { step: { taskInfo: { name: "step" }, componentRef: { name: "comp-step" } } } },
          },
          "comp-step": { executorLabel: "exec-step" },
          "comp-exit": { executorLabel: "exec-exit" },
        },
        deploymentSpec: {
          executors: {
            "exec-step": executor("step", ["{{$}}"]),
            "exec-exit": executor("exit", ["{{$}}"]),
          },
        },
      },
      ...options,
    });
    launchers.push(launcher);
    return launcher;
  }

  async function ended(launcher: LocalLauncher, runId = "run-1"): Promise<RunState> {
    for (;;) {
      const state = await launcher.state(runId);
      if (state?.state !== "queued" && state?.state !== "running") return state!;
      await setTimeout(5);
    }
  }
  const file = (name: string): string => readFileSync(join(dataDir, name), "utf8");
  const appears = async (name: string): Promise<void> => {
    while (!existsSync(join(dataDir, name))) await setTimeout(5);
  };
  const exitStatus = (): { state: string; error: { message?: string } } =>
    JSON.parse(JSON.parse(file("exit")).inputs.parameterValues.status);
  const isAlive = (pid: number): boolean => {
    // A killed process is a zombie until its parent waits for it.
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : ") Z";
    return !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
  };

  it("runs the steps and the exit task, writes their logs and passes their output on", async () => {
    const lines: string[] = [];
    const launcher = launcherOf("echo one; printf two >&2", { onOutput: (line) => lines.push(line) });
    assert.equal(await launcher.launch("run-1", parameters), true);
    assert.deepEqual(await ended(launcher), {
      run_id: "run-1",
      run_date: "2024-01-01",
      state: "succeeded",
      error: null,
      steps: [],
    });
    assert.equal(exitStatus().state, "SUCCEEDED");
    assert.deepEqual(lines.toSorted(), ["one", "two"]);
    const kept = file("runs/run-1/step-1.log");
    assert.ok(kept.includes("one\n") && kept.includes("two"), kept);
  });

  it("returns the reports of the steps", async () => {
    const report = { ...stepStarted("step"), status: "succeeded" as const, rows: { "rfm.x": 7 } };
    const launcher = launcherOf("true");
    await launcher.launch("run-1", parameters);
    const url = stepReportUrl(pathToFileURL(dataDir).href, "run-1", "step");
    await fileArtifacts.write(url, JSON.stringify(report));
    assert.deepEqual((await ended(launcher)).steps, [report]);
  });

  it("reports no step as running when the run has ended", async () => {
    const launcher = launcherOf("true");
    await launcher.launch("run-1", parameters);
    const url = stepReportUrl(pathToFileURL(dataDir).href, "run-1", "step");
    await fileArtifacts.write(url, JSON.stringify(stepStarted("step")));
    assert.deepEqual(
      (await ended(launcher)).steps.map(({ status }) => status),
      ["failed"],
    );
  });

  it("launches a run once for concurrent requests to two launchers", async () => {
    const two = [launcherOf("echo ran >> count"), launcherOf("echo ran >> count")];
    const asked = [...two, ...two, ...two].map((launcher) => launcher.launch("run-1", parameters));
    assert.deepEqual((await Promise.all(asked)).toSorted(), [false, false, false, false, false, true]);
    await ended(two[0]!);
    assert.equal(await two[1]!.launch("run-1", parameters), false);
    assert.equal(file("count"), "ran\n");
    assert.deepEqual(readdirSync(join(dataDir, "runs")), ["run-1"]);
  });

  it("can launch a run again after its folder could not be written", async () => {
    let failures = 1;
    const artifacts = {
      ...fileArtifacts,
      write: async (url: string, text: string) => {
        if (failures-- > 0) throw new Error("ENOSPC: no space left on device");
        await fileArtifacts.write(url, text);
      },
    };
    const launcher = launcherOf("echo ran >> count", { artifacts });
    await assert.rejects(launcher.launch("run-1", parameters), {
      name: "UserError",
      status: 500,
      message: /ENOSPC/,
    });
    assert.equal(await launcher.state("run-1"), undefined);
    assert.equal(await launcher.launch("run-1", parameters), true);
    await ended(launcher);
    assert.equal(file("count"), "ran\n");
  });

  it("knows how a run ended even if the disk is full", async () => {
    let full = false;
    const artifacts = {
      ...fileArtifacts,
      write: async (url: string, text: string) => {
        if (full) throw new Error("ENOSPC: no space left on device");
        await fileArtifacts.write(url, text);
      },
    };
    const launcher = launcherOf("sleep 0.1; exit 3", { artifacts });
    await launcher.launch("run-1", parameters);
    full = true;
    assert.equal((await ended(launcher)).state, "failed");
  });

  it("does not run a step again because its outputs could not be read once", async () => {
    let failures = 1;
    const artifacts = {
      ...fileArtifacts,
      read: async (url: string) => {
        if (url.endsWith("executor_output.json") && failures-- > 0) throw new Error("EIO: i/o error");
        return await fileArtifacts.read(url);
      },
    };
    const launcher = launcherOf("echo ran >> count", { artifacts });
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).state, "succeeded");
    assert.deepEqual([failures < 1, file("count")], [true, "ran\n"]);
  });

  it("fails with a UserError when the data folder can't be created", async () => {
    writeFileSync(join(dataDir, "file"), "");
    const launcher = launcherOf("true", { dataDir: join(dataDir, "file") });
    await assert.rejects(launcher.launch("run-1", parameters), {
      name: "UserError",
      status: 500,
      remedy: /--data-dir/,
    });
  });

  it("fails with the exit code and the last line of a step's output", async () => {
    const launcher = launcherOf("echo first; echo 'no such table' >&2; echo; exit 3");
    await launcher.launch("run-1", parameters);
    const { state, error } = await ended(launcher);
    assert.deepEqual({ state, error }, { state: "failed", error: "step: exit code 3: no such table" });
    assert.deepEqual(exitStatus().error, { message: error });
  });

  it("reports the message of a structured log line, and the error of a stack trace", async () => {
    for (const [id, script, reason] of [
      ["run-1", `echo '{"severity":"ERROR","message":"no rows"}'; exit 1`, "no rows"],
      ["run-2", `'${process.execPath}' -e 'throw new TypeError("no rows")'`, "TypeError: no rows"],
    ] as const) {
      const launcher = launcherOf(script);
      await launcher.launch(id, parameters);
      assert.equal((await ended(launcher, id)).error, `step: exit code 1: ${reason}`);
    }
  });

  it("reports which signal ended a step, and not what it printed before", async () => {
    const launcher = launcherOf(
      `echo '{"severity":"WARNING","message":"few rows"}'; echo text; kill -KILL $$`,
    );
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).error, "step: ended by SIGKILL");
    assert.equal(exitStatus().state, "FAILED");
  });

  it("reports the last error of a step, and no later warning or other line", async () => {
    const line = (severity: string, message: string): string =>
      `echo '${JSON.stringify({ severity, message })}'`;
    const launcher = launcherOf(
      `${line("ERROR", "no rows")}; ${line("WARNING", "few rows")}; echo text; ${line("INFO", "end")}; exit 1`,
    );
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).error, "step: exit code 1: no rows");
  });

  it("reports which program could not be started", async () => {
    const launcher = launcherOf("", { entrypoints: { step: ["/no/such/program"], exit: ["true"] } });
    await launcher.launch("run-1", parameters);
    assert.match((await ended(launcher)).error!, /\/no\/such\/program ENOENT/);
  });

  it("names an image without an entrypoint", async () => {
    const launcher = launcherOf("", { entrypoints: { exit: ["true"] } });
    await launcher.launch("run-1", parameters);
    assert.match((await ended(launcher)).error!, /image step, only for exit/);
  });

  it("kills a step that hangs beyond its time limit, and reports it", async () => {
    const launcher = launcherOf("trap '' TERM; sleep 60", {}, 0.1);
    const startedAt = performance.now();
    await launcher.launch("run-1", parameters);
    const { state, error } = await ended(launcher);
    assert.equal(state, "failed");
    assert.match(error!, /took longer than its limit of 0.1 s/);
    assert.ok(performance.now() - startedAt > 300 && performance.now() - startedAt < 5000);
    assert.equal(exitStatus().state, "FAILED");
  });

  it("cancels immediately: children and grandchildren end, the exit task still runs", async () => {
    const launcher = launcherOf(
      "trap 'echo stopped > stopped; exit 1' TERM; sleep 60 & echo $! > grandchild; echo $$ > child; wait",
    );
    await launcher.launch("run-1", parameters);
    await appears("child");
    const startedAt = performance.now();
    await launcher.cancel("run-1");
    assert.ok(performance.now() - startedAt < 3000);
    const { state, error } = (await launcher.state("run-1"))!;
    assert.equal(file("stopped"), "stopped\n");
    assert.deepEqual({ state, error }, { state: "cancelled", error: "the run was cancelled" });
    assert.equal(exitStatus().state, "CANCELLED");
    assert.deepEqual(
      ["child", "grandchild"].map((name) => isAlive(Number(file(name)))),
      [false, false],
    );
  });

  describe("with more runs than it may start", () => {
    /** A launcher that runs one step at a time, until its file `end-{run_id}` exists. */
    const oneAtATime = (): LocalLauncher =>
      launcherOf(
        `id=$(echo "$0" | sed 's|.*/runs/\\([^/]*\\).*|\\1|'); echo $id >> started
         while [ ! -e end-$id ]; do sleep 0.01; done`,
        { maxRuns: 1 },
      );
    const end = (runId: string): void => writeFileSync(join(dataDir, `end-${runId}`), "");
    const states = (launcher: LocalLauncher) =>
      Promise.all(["run-1", "run-2", "run-3"].map(async (id) => (await launcher.state(id))?.state));
    const launchThree = async (launcher: LocalLauncher): Promise<void> => {
      for (const id of ["run-1", "run-2", "run-3"]) assert.equal(await launcher.launch(id, parameters), true);
    };

    it("queues them, and starts them in order", async () => {
      const launcher = oneAtATime();
      await launchThree(launcher);
      await appears("started");
      assert.deepEqual(await states(launcher), ["running", "queued", "queued"]);
      assert.deepEqual(await states(oneAtATime()), ["running", "queued", "queued"]);
      assert.equal(await launcher.launch("run-2", parameters), false);
      assert.equal(file("started"), "run-1\n");
      for (const id of ["run-1", "run-2", "run-3"]) {
        end(id);
        assert.equal((await ended(launcher, id)).state, "succeeded");
      }
      assert.equal(file("started"), "run-1\nrun-2\nrun-3\n");
    });

    it("cancels a queued run without starting it", async () => {
      const launcher = oneAtATime();
      await launchThree(launcher);
      await appears("started");
      await launcher.cancel("run-2");
      assert.deepEqual(await states(launcher), ["running", "cancelled", "queued"]);
      await launcher.close();
      assert.deepEqual(await states(launcher), ["cancelled", "cancelled", "cancelled"]);
      assert.equal(file("started"), "run-1\n");
    });
  });

  it("kills a step that ignores a cancellation", async () => {
    const launcher = launcherOf("trap '' TERM; echo $$ > child; while true; do sleep 1; done");
    await launcher.launch("run-1", parameters);
    await appears("child");
    const startedAt = performance.now();
    await launcher.close();
    assert.ok(performance.now() - startedAt < 3000);
    assert.equal((await ended(launcher)).state, "cancelled");
    assert.equal(isAlive(Number(file("child"))), false);
  });

  it("kills processes that a step started and did not wait for", async () => {
    const launcher = launcherOf("sleep 60 & echo $! > grandchild");
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).state, "succeeded");
    assert.equal(isAlive(Number(file("grandchild"))), false);
  });

  it("gives a step the environment of the spec and of its runtime, and no secrets", async () => {
    process.env.TEST_SECRET_TOKEN = "secret";
    try {
      const launcher = launcherOf("env > environment");
      await launcher.launch("run-1", parameters);
      await ended(launcher);
    } finally {
      delete process.env.TEST_SECRET_TOKEN;
    }
    const names = file("environment")
      .split("\n")
      .map((line) => line.split("=")[0]!);
    assert.ok(names.includes("TIME_LIMIT_SECONDS") && names.includes("PATH"));
    const allowed =
      /^(PATH|HOME|TMPDIR|LANG|LOG_LEVEL|DUCKDB_MEMORY_LIMIT|NODE_COMPILE_CACHE|SystemRoot|TIME_LIMIT_SECONDS|PWD|OLDPWD|SHLVL|_|)$/;
    assert.deepEqual(
      names.filter((name) => !allowed.test(name)),
      [],
    );
  });

  it("passes the environment and another URL of the data folder to a step in a container", async () => {
    const launcher = launcherOf("", {
      dataUrl: "gs://artifacts",
      artifacts: {
        ...fileArtifacts,
        read: (url) => fileArtifacts.read(url.replace("gs://artifacts", pathToFileURL(dataDir).href)),
      },
      entrypoints: {
        step: (env) => ["sh", "-c", `echo "${env.TIME_LIMIT_SECONDS} $0" > '${dataDir}/received'`],
        exit: ["true"],
      },
    });
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).error, null);
    assert.match(file("received"), /^60 .*"outputFile":"\/gcs\/artifacts\/runs\/run-1\/tasks\/step\//);
  });

  it("creates the folder of a task before it starts, as KFP does", async () => {
    const launcher = launcherOf(`echo hello > "runs/run-1/tasks/step/greeting"`);
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).state, "succeeded");
  });

  describe("a run of another process", () => {
    const children: ChildProcess[] = [];
    afterEach(() => {
      for (const child of children.splice(0)) child.kill("SIGKILL");
    });

    /** A process that prints its life, and lives until its stdin ends. */
    async function otherProcess(): Promise<{ life: string; child: ChildProcess }> {
      const source = pathToFileURL(join(import.meta.dirname, "process-life.ts")).href;
      const script = `import { lifeOfThisProcess } from "${source}"; console.log(await lifeOfThisProcess()); process.stdin.resume();`;
      const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      children.push(child);
      const [line] = await once(createInterface({ input: child.stdout }), "line");
      return { life: line, child };
    }
    async function stateOf(kept: object): Promise<RunState> {
      const url = pathToFileURL(join(dataDir, "runs/run-1/job.json")).href;
      const job = { run_id: "run-1", run_date: "2024-01-01", state: "running", error: null, ...kept };
      await fileArtifacts.write(url, JSON.stringify(job));
      return (await launcherOf("true").state("run-1"))!;
    }

    for (const state of ["queued", "running"] as const) {
      it(`is ${state} as long as the process lives, and failed when it was killed`, async () => {
        const { life, child } = await otherProcess();
        assert.deepEqual(await stateOf({ state, life }).then(({ steps, ...kept }) => kept), {
          run_id: "run-1",
          run_date: "2024-01-01",
          state,
          error: null,
        });
        child.kill("SIGKILL");
        await once(child, "close");
        const found = await stateOf({ state, life });
        assert.equal(found.state, "failed");
        assert.match(found.error!, /process of the run ended/);
      });
    }

    it("is failed when another process has the pid of its process", async () => {
      const { child } = await otherProcess();
      const life = join(tmpdir(), "process-of-another-boot");
      assert.equal((await stateOf({ pid: child.pid, life })).state, "failed");
      assert.equal((await stateOf({ pid: process.pid, life })).state, "failed");
      assert.equal((await stateOf({ pid: child.pid })).state, "failed");
    });

    it("has the result that it kept before its process ended", async () => {
      const { life, child } = await otherProcess();
      child.stdin!.end();
      await once(child, "close");
      assert.equal(existsSync(life), false);
      assert.equal((await stateOf({ state: "succeeded", life })).state, "succeeded");
    });
  });

  it("returns undefined for an unknown run", async () => {
    assert.equal(await launcherOf("true").state("run-9"), undefined);
  });

  it("refuses a pipeline that can't run on one machine", () => {
    assert.throws(() => launcherOf("true", { spec: { schemaVersion: "2.1.0" } }), { name: "UserError" });
  });
});
