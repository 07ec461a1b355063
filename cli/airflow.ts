import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Option } from "commander";
import { runDate, today } from "../contracts/run.ts";
import { createLogger } from "../lib/log.ts";
import { parse } from "../lib/user-error.ts";
import {
  AIRFLOW_VERSIONS,
  type AirflowVersion,
  airflowBin,
  airflowEnv,
  airflowHome,
  startAirflow,
} from "../test/airflow/airflow.ts";
import { AirflowTestbed, startEmulators } from "../test/airflow/testbed.ts";
import { cdnow } from "../test/cdnow.ts";
import { localCommand, portOption, runCommand } from "./command.ts";

/** npm run airflow: Airflow with the DAG, and everything that it calls, on this machine. */
const options = localCommand(
  "run airflow",
  "Starts Airflow with the DAG on localhost, the invoker, and emulators of Pub/Sub and BigQuery. Ctrl-C stops them.",
)
  .addOption(
    new Option("--airflow <version>", Object.values(AIRFLOW_VERSIONS).join(" or "))
      .choices(["2", "3"])
      .default("3"),
  )
  .option("--port <port>", "port of its page", portOption, 8090)
  .option("--run-date <date>", "requests a run of this date at once, for example 1997-10-01")
  .parse()
  .opts<{ airflow: string; port: number; runDate?: string }>();

await runCommand(async () => {
  const version = Number(options.airflow) as AirflowVersion;
  if (options.runDate !== undefined) parse(runDate, options.runDate, "--run-date");
  const resources = new AsyncDisposableStack();
  const interrupted = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupted.resolve);
  const print = (text: string): void => void process.stderr.write(`${text}\n`);
  const serve = async (): Promise<void> => {
    print("Installing missing parts and starting the emulators …");
    const emulators = await startEmulators();
    resources.defer(() => emulators.close());
    const log = createLogger({ component: "local" }, "warn");
    const testbed = await AirflowTestbed.create(emulators, cdnow(10), { project: "demo", log });
    resources.defer(() => testbed.close());
    await testbed.startInvoker({ onTask: (runId, { task, state }) => print(`${runId}: ${task} ${state}`) });
    const settings = testbed.dagSettings({ retries: 2, retry_delay_seconds: 10 });
    // Airflow runs no past slots, only requested runs.
    const schedule = { ...settings.schedule, start_date: today() };
    const home = await airflowHome(version, { ...settings, schedule });
    resources.defer(() => rmSync(home, { recursive: true, force: true }));
    print("Starting Airflow, which takes a minute …");
    const airflow = await startAirflow(version, home, options.port, testbed.airflowEnv);
    resources.defer(() => airflow.close());
    print(
      `${airflow.url} (user ${airflow.user}, password ${airflow.password})\n` +
        "The orders are those of every tenth CDNOW customer: trigger the DAG with run_date 1997-10-01. Ctrl-C stops everything.",
    );
    if (options.runDate !== undefined) {
      const env = airflowEnv(home, testbed.airflowEnv);
      const conf = JSON.stringify({ run_date: options.runDate });
      const args = ["dags", "trigger", settings.dag_id, "--conf", conf];
      await promisify(execFile)(join(await airflowBin(version), "airflow"), args, { env });
    }
    await interrupted.promise;
  };
  try {
    await Promise.race([interrupted.promise, serve()]);
  } finally {
    await resources.disposeAsync();
  }
  // Servers that are still starting stop with this process.
  process.exit();
});
