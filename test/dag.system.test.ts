import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { PubSub } from "@google-cloud/pubsub";
import { cacheDir, projectDir } from "../lib/project.ts";
import { AIRFLOW_VERSIONS, airflowBin, airflowEnv, airflowHome } from "./airflow/airflow.ts";
import { localSettings } from "./airflow/settings.ts";
import { startFilteringPubSub } from "./emulators/pstest.ts";
import { assertExpirationIsAllowed } from "./emulators/pubsub.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";

const run = promisify(execFile);
const settings = localSettings({ project: "demo", invokerUrl: "https://invoker.example.com" });

const isSkipped = skipUnlessInstalled("the DAG in Airflow", ["Python 3.10 or later", "Go"]);

for (const version of [2, 3] as const) {
  if (isSkipped) break;
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

    it("imports without errors or warnings and follows the settings", async () => {
      const { errors, warnings, dag } = await check();
      assert.deepEqual({ errors, warnings }, { errors: {}, warnings: [] });
      assert.deepEqual(dag, {
        id: settings.dag_id,
        max_active_runs: 1,
        catchup: false,
        next: {
          check_health: ["plan"],
          plan: ["subscribe"],
          subscribe: ["request", "unsubscribe"],
          request: ["wait"],
          wait: ["confirm"],
          confirm: ["unsubscribe"],
          unsubscribe: [],
        },
        callbacks: true,
        // The day of the slot in the time zone of the schedule, or the parameter.
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

    it("refuses settings that break the contract and says why", async () => {
      const broken = { ...settings, limits: { ...settings.limits, retries: -1 } };
      writeFileSync(join(home, "dags", "customer_value.json"), JSON.stringify(broken));
      const { errors } = await check();
      assert.match(errors["customer_value.py"], /-1 is less than the minimum of 0/);
    });

    it("creates a subscription that Pub/Sub accepts, and that receives the events of its run only", async () => {
      const server = await startFilteringPubSub();
      const pubsub = new PubSub({ projectId: "demo", apiEndpoint: server.host, emulatorMode: true });
      try {
        const [topic] = await pubsub.createTopic("events");
        await check(["clv-mine"], { PUBSUB_EMULATOR_HOST: server.host });
        const subscription = pubsub.subscription("clv-mine");
        assertExpirationIsAllowed((await subscription.getMetadata())[0]);
        for (const run_id of ["clv-other", "clv-mine"])
          await topic.publishMessage({ data: Buffer.from(run_id), attributes: { run_id } });
        const received: string[] = [];
        subscription.on("message", (message) => {
          received.push(message.data.toString());
          message.ack();
        });
        for (let waited = 0; received.length === 0 && waited < 600; waited++) await setTimeout(100);
        await setTimeout(500);
        await subscription.close();
        assert.deepEqual(received, ["clv-mine"]);
      } finally {
        await pubsub.close();
        await server.close();
      }
    });
  });
}

describe("the Python sources of the DAG and its tests", () => {
  if (isSkipped) return;
  const config = join(projectDir, "test/airflow/pyproject.toml");
  const check = async (program: string, ...args: string[]): Promise<void> => {
    const folders = ["composer", "test/airflow", "test/workflows"].map((folder) => join(projectDir, folder));
    const bin = await airflowBin(3);
    await run(join(bin, program), [...args, ...folders]).catch(({ stdout, stderr }) =>
      assert.fail(`${stdout}${stderr}`),
    );
  };

  it("follow ruff's rules and format", async () => {
    await check("ruff", "check", "--no-cache", "--config", config);
    await check("ruff", "format", "--no-cache", "--check", "--config", config);
  });

  it("have correct types (mypy)", async () => {
    await check("mypy", "--config-file", config, "--cache-dir", join(cacheDir, "mypy"));
  });
});
