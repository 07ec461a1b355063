import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Option } from "commander";
import { takeScreenshots } from "../composer/screenshots.ts";
import { runDate, today } from "../contracts/run.ts";
import { createLogger } from "../lib/log.ts";
import { parse, UserError } from "../lib/user-error.ts";
import {
  type AirflowVersion,
  airflowBin,
  airflowEnv,
  airflowHome,
  startAirflow,
} from "../test/airflow/airflow.ts";
import { Loop, startCloud } from "../test/airflow/testbed.ts";
import { cdnow } from "../test/cdnow.ts";
import { localCommand, portOption, runCommand } from "./command.ts";

/** npm run airflow: Airflow's own page with the DAG, and all that it drives, on this machine. */
const options = localCommand(
  "run airflow",
  "Airflow with the DAG on localhost, wired to the invoker, Pub/Sub's emulator and a BigQuery emulator. Ctrl-C ends it.",
)
  .addOption(new Option("--airflow <version>", "2.10.5 or 3.1.7").choices(["2", "3"]).default("3"))
  .option("--port <port>", "port of its page", portOption, 8090)
  .option("--run-date <date>", "requests a run of this date at once, for example 1997-10-01")
  .option(
    "--screenshots <folder>",
    "with --run-date: waits for that run, takes pictures of it into the folder, and ends",
  )
  .parse()
  .opts<{ airflow: string; port: number; runDate?: string; screenshots?: string }>();

await runCommand(async () => {
  const version = Number(options.airflow) as AirflowVersion;
  if (options.runDate !== undefined) parse(runDate, options.runDate, "--run-date");
  if (options.screenshots !== undefined && (options.runDate === undefined || version === 2))
    throw new UserError("--screenshots are of a run under Airflow 3.", {
      remedy: "Add --run-date 1997-10-01.",
    });
  const closing: (() => Promise<void> | void)[] = [];
  const interrupted = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupted.resolve);
  const tell = (text: string): void => void process.stderr.write(`${text}\n`);
  const serve = async (): Promise<void> => {
    tell("Installing what is not there yet, and starting the emulators …");
    const cloud = await startCloud();
    closing.push(() => cloud.close());
    const log = createLogger({ component: "local" }, "warn");
    const loop = await Loop.make(cloud, cdnow(10), { project: "demo", log });
    closing.push(() => loop.close());
    await loop.listen({ onTask: (runId, { task, state }) => tell(`${runId}: ${task} ${state}`) });
    const settings = loop.settings({ retries: 2, retry_delay_seconds: 10 });
    // No slot of the schedule before today: what runs is what somebody requests.
    const schedule = { ...settings.schedule, start_date: today() };
    const home = await airflowHome(version, { ...settings, schedule });
    closing.push(() => rmSync(home, { recursive: true, force: true }));
    tell("Starting Airflow, which takes a minute …");
    const airflow = await startAirflow(version, home, options.port, loop.airflowEnv);
    closing.push(() => airflow.close());
    tell(
      `${airflow.url} (user ${airflow.user}, password ${airflow.password})\n` +
        "The orders are every tenth customer of CDNOW: trigger the DAG with run_date 1997-10-01. Ctrl-C ends it all.",
    );
    if (options.runDate !== undefined) {
      const env = airflowEnv(home, loop.airflowEnv);
      const conf = JSON.stringify({ run_date: options.runDate });
      const args = ["dags", "trigger", settings.dag_id, "--conf", conf];
      await promisify(execFile)(join(await airflowBin(version), "airflow"), args, { env });
    }
    if (options.screenshots === undefined) await interrupted.promise;
    else await takeScreenshots(airflow, settings.dag_id, options.screenshots);
  };
  try {
    await Promise.race([interrupted.promise, serve()]);
  } finally {
    for (const close of closing.toReversed()) await close();
  }
  // What was being started ends with this process.
  process.exit();
});
