import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { PubSub } from "@google-cloud/pubsub";
import { runIdFor } from "../contracts/run.ts";
import { AIRFLOW_VERSIONS, airflowBin, airflowEnv, airflowHome } from "./airflow/airflow.ts";
import { localSettings } from "./airflow/settings.ts";
import { startFilteringPubSub } from "./emulators/pstest.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";
import { cacheDir } from "./uv.ts";

const run = promisify(execFile);
const settings = localSettings({ project: "demo", invokerUrl: "https://invoker.example.com" });

const isPythonLeftOut = skipUnlessInstalled("the DAG in Airflow", ["Python 3.10 or later", "Go"]);

for (const version of [2, 3] as const) {
  if (isPythonLeftOut) break;
  describe(`the DAG in Airflow ${AIRFLOW_VERSIONS[version]}`, () => {
    let home: string;
    beforeEach(async () => {
      home = await airflowHome(version, settings);
    });
    afterEach(() => rmSync(home, { recursive: true, force: true }));

    async function check(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
      const script = join(import.meta.dirname, "airflow", "check_dag.py");
      const { stdout } = await run(join(await airflowBin(version), "python"), [script, ...args], {
        env: airflowEnv(home, env),
      });
      return JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
    }

    it("imports without errors or warnings, and is what the settings say", async () => {
      const { errors, warnings, dag } = await check();
      assert.deepEqual({ errors, warnings }, { errors: {}, warnings: [] });
      const confirmed = ["confirm_champion", "confirm_checks", "confirm_rows"];
      assert.deepEqual(dag, {
        id: settings.dag_id,
        max_active_runs: 1,
        catchup: false,
        next: {
          check_health: ["plan"],
          plan: ["subscribe"],
          subscribe: ["request", "unsubscribe"],
          request: ["wait"],
          wait: confirmed,
          ...Object.fromEntries(confirmed.map((task) => [task, ["unsubscribe"]])),
          unsubscribe: [],
        },
        callbacks: true,
        run_id: runIdFor("1997-10-01", "scheduled__1997-10-01 é", 2),
        // The slot's day in the schedule's time zone, or as told.
        run_dates: ["1997-10-06", "1997-10-06", "1997-10-01"],
        wait: {
          "time, done": "succeeded",
          "time, failed": "AirflowFailException",
          "time, running": "TaskDeferred",
          "limit, running": "AirflowFailException",
          "broken, running": "AirflowException",
        },
      });
    });

    it("refuses settings that break the contract, and names what is wrong", async () => {
      const broken = { ...settings, limits: { ...settings.limits, retries: -1 } };
      writeFileSync(join(home, "dags", "customer_value.json"), JSON.stringify(broken));
      const { errors } = await check();
      assert.match(errors["customer_value.py"], /-1 is less than the minimum of 0/);
    });

    it("hears of its own run alone where filters are honoured", async () => {
      const server = await startFilteringPubSub();
      const pubsub = new PubSub({ projectId: "demo", apiEndpoint: server.host, emulatorMode: true });
      try {
        const [topic] = await pubsub.createTopic("events");
        await check(["clv-mine"], { PUBSUB_EMULATOR_HOST: server.host });
        for (const run_id of ["clv-other", "clv-mine"])
          await topic.publishMessage({ data: Buffer.from(run_id), attributes: { run_id } });
        const heard: string[] = [];
        const subscription = pubsub.subscription("clv-mine");
        subscription.on("message", (message) => {
          heard.push(message.data.toString());
          message.ack();
        });
        for (let waited = 0; heard.length === 0 && waited < 100; waited++) await setTimeout(100);
        await setTimeout(500);
        await subscription.close();
        assert.deepEqual(heard, ["clv-mine"]);
      } finally {
        await pubsub.close();
        await server.close();
      }
    });
  });
}

describe("the DAG's source", () => {
  if (isPythonLeftOut) return;
  const python = async (program: string, ...args: string[]): Promise<void> => {
    const config = join(import.meta.dirname, "airflow", "pyproject.toml");
    const folder = import.meta.dirname;
    const bin = await airflowBin(3);
    await run(
      join(bin, program),
      [...args, folder].map((arg) => arg.replace("CONFIG", config)),
    ).catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));
  };

  it("keeps ruff's rules", async () => {
    await python("ruff", "check", "--no-cache", "--config", "CONFIG");
    await python("ruff", "format", "--no-cache", "--check", "--config", "CONFIG");
  });

  it("keeps mypy's types", async () => {
    await python("mypy", "--config-file", "CONFIG", "--cache-dir", join(cacheDir, "mypy"));
  });
});
