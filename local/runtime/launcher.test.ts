import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

  /** A launcher of one step, and of an exit task that writes how the step ended to the file `exit`. */
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
            "exec-exit": executor("exit", ["{{$.inputs.parameters['status']}}"]),
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
      if (state?.state !== "running") return state!;
      await setTimeout(5);
    }
  }
  const file = (name: string): string => readFileSync(join(dataDir, name), "utf8");
  const appears = async (name: string): Promise<void> => {
    while (!existsSync(join(dataDir, name))) await setTimeout(5);
  };
  const exitStatus = (): { state: string; error: { message?: string } } => JSON.parse(file("exit"));
  const isAlive = (pid: number): boolean => {
    // A killed process stays a zombie until somebody waits for it.
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : ") Z";
    return !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
  };

  it("runs the steps and the exit task, keeps their logs and passes on what they write", async () => {
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

  it("tells the reports of the steps", async () => {
    const report = { ...stepStarted("step"), status: "succeeded" as const, rows: { "rfm.x": 7 } };
    const launcher = launcherOf("true");
    await launcher.launch("run-1", parameters);
    const url = stepReportUrl(pathToFileURL(dataDir).href, "run-1", "step");
    await fileArtifacts.write(url, JSON.stringify(report));
    assert.deepEqual((await ended(launcher)).steps, [report]);
  });

  it("tells no step of a run that has ended as running", async () => {
    const launcher = launcherOf("true");
    await launcher.launch("run-1", parameters);
    const url = stepReportUrl(pathToFileURL(dataDir).href, "run-1", "step");
    await fileArtifacts.write(url, JSON.stringify(stepStarted("step")));
    assert.deepEqual(
      (await ended(launcher)).steps.map(({ status }) => status),
      ["failed"],
    );
  });

  it("launches a run once, however often and from however many launchers at once it is asked", async () => {
    const two = [launcherOf("echo ran >> count"), launcherOf("echo ran >> count")];
    const asked = [...two, ...two, ...two].map((launcher) => launcher.launch("run-1", parameters));
    assert.deepEqual((await Promise.all(asked)).toSorted(), [false, false, false, false, false, true]);
    await ended(two[0]!);
    assert.equal(await two[1]!.launch("run-1", parameters), false);
    assert.equal(file("count"), "ran\n");
    assert.deepEqual(readdirSync(join(dataDir, "runs")), ["run-1"]);
  });

  it("can launch a run again after the first try could not be kept", async () => {
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

  it("knows how a run ended even where the disk has no room for it", async () => {
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

  it("says so when the data folder can't be made", async () => {
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

  it("takes the message of a structured log line, and the error of a stack trace", async () => {
    for (const [id, script, reason] of [
      ["run-1", `echo '{"severity":"ERROR","message":"no rows"}'; exit 1`, "no rows"],
      ["run-2", `'${process.execPath}' -e 'throw new TypeError("no rows")'`, "TypeError: no rows"],
    ] as const) {
      const launcher = launcherOf(script);
      await launcher.launch(id, parameters);
      assert.equal((await ended(launcher, id)).error, `step: exit code 1: ${reason}`);
    }
  });

  it("says by which signal a step was ended", async () => {
    const launcher = launcherOf("kill -KILL $$");
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).error, "step: ended by SIGKILL");
    assert.equal(exitStatus().state, "FAILED");
  });

  it("says which program could not be started", async () => {
    const launcher = launcherOf("", { entrypoints: { step: ["/no/such/program"], exit: ["true"] } });
    await launcher.launch("run-1", parameters);
    assert.match((await ended(launcher)).error!, /\/no\/such\/program ENOENT/);
  });

  it("names an image that it has no entrypoint for", async () => {
    const launcher = launcherOf("", { entrypoints: { exit: ["true"] } });
    await launcher.launch("run-1", parameters);
    assert.match((await ended(launcher)).error!, /image step; known are exit/);
  });

  it("kills a step that hangs beyond its time limit, and says so", async () => {
    const launcher = launcherOf("trap '' TERM; sleep 60", {}, 0.1);
    const startedAt = performance.now();
    await launcher.launch("run-1", parameters);
    const { state, error } = await ended(launcher);
    assert.equal(state, "failed");
    assert.match(error!, /took longer than its limit of 0.1 s/);
    assert.ok(performance.now() - startedAt > 300 && performance.now() - startedAt < 5000);
    assert.equal(exitStatus().state, "FAILED");
  });

  it("cancels at once: children and grandchildren end, the exit task still runs", async () => {
    const launcher = launcherOf(
      "trap 'echo told > told; exit 1' TERM; sleep 60 & echo $! > grandchild; echo $$ > child; wait",
    );
    await launcher.launch("run-1", parameters);
    await appears("child");
    const startedAt = performance.now();
    await launcher.cancel("run-1");
    assert.ok(performance.now() - startedAt < 3000);
    const { state, error } = (await launcher.state("run-1"))!;
    assert.equal(file("told"), "told\n");
    assert.deepEqual({ state, error }, { state: "cancelled", error: "the run was cancelled" });
    assert.equal(exitStatus().state, "CANCELLED");
    assert.deepEqual(
      ["child", "grandchild"].map((name) => isAlive(Number(file(name)))),
      [false, false],
    );
  });

  it("kills what does not heed a cancellation", async () => {
    const launcher = launcherOf("trap '' TERM; echo $$ > child; while true; do sleep 1; done");
    await launcher.launch("run-1", parameters);
    await appears("child");
    const startedAt = performance.now();
    await launcher.close();
    assert.ok(performance.now() - startedAt < 3000);
    assert.equal((await ended(launcher)).state, "cancelled");
    assert.equal(isAlive(Number(file("child"))), false);
  });

  it("does not wait for, nor leave behind, what a step started and did not wait for", async () => {
    const launcher = launcherOf("sleep 60 & echo $! > grandchild");
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).state, "succeeded");
    assert.equal(isAlive(Number(file("grandchild"))), false);
  });

  it("gives a step the environment of the spec and what its runtime needs, and no secrets", async () => {
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
      /^(PATH|HOME|TMPDIR|LANG|LOG_LEVEL|NODE_COMPILE_CACHE|SystemRoot|TIME_LIMIT_SECONDS|PWD|OLDPWD|SHLVL|_|)$/;
    assert.deepEqual(
      names.filter((name) => !allowed.test(name)),
      [],
    );
  });

  it("tells a step that runs elsewhere its environment, and the data folder by its own URL", async () => {
    const launcher = launcherOf("", {
      dataUrl: "gs://artifacts",
      artifacts: {
        ...fileArtifacts,
        read: (url) => fileArtifacts.read(url.replace("gs://artifacts", pathToFileURL(dataDir).href)),
      },
      entrypoints: {
        step: (env) => ["sh", "-c", `echo "${env.TIME_LIMIT_SECONDS} $0" > '${dataDir}/told'`],
        exit: ["true"],
      },
    });
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).error, null);
    assert.match(file("told"), /^60 .*"outputFile":"\/gcs\/artifacts\/runs\/run-1\/tasks\/step\//);
  });

  it("makes the folder of a task before it starts, as KFP does", async () => {
    const launcher = launcherOf(`echo hello > "runs/run-1/tasks/step/greeting"`);
    await launcher.launch("run-1", parameters);
    assert.equal((await ended(launcher)).state, "succeeded");
  });

  it("says of a run whose process died that it did", async () => {
    const child = spawn("true");
    await new Promise((resolve) => child.once("close", resolve));
    const job = { run_id: "run-1", run_date: "2024-01-01", state: "running", error: null, pid: child.pid };
    await fileArtifacts.write(pathToFileURL(join(dataDir, "runs/run-1/job.json")).href, JSON.stringify(job));
    const { state, error } = (await launcherOf("true").state("run-1"))!;
    assert.equal(state, "failed");
    assert.match(error!, /process that ran it ended/);
  });

  it("knows nothing of a run that was never launched", async () => {
    assert.equal(await launcherOf("true").state("run-9"), undefined);
  });

  it("refuses a pipeline that it can't run when it is made", () => {
    assert.throws(() => launcherOf("true", { spec: { schemaVersion: "2.1.0" } }), { name: "UserError" });
  });
});
