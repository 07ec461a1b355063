import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { type DagSettings, dagSettings, dagSettingsSchema } from "../../contracts/dag-settings.ts";
import { projectDir } from "../../lib/project.ts";
import { pythonEnvironment } from "../../local/runtime/python.ts";
import { type RunningServer, startServer } from "../emulators/server.ts";

const run = promisify(execFile);
const here = import.meta.dirname;

/** Airflow versions that the DAG supports, as Cloud Composer offers them. */
export const AIRFLOW_VERSIONS = { 2: "2.11.1", 3: "3.1.7" } as const;
export type AirflowVersion = keyof typeof AIRFLOW_VERSIONS;

/** The end of a DAG run, and everything it logged. */
export interface DagRun {
  readonly state: string;
  readonly tasks: Readonly<Record<string, string>>;
  readonly plan: { readonly run_id: string; readonly run_date: string } | null;
  readonly log: string;
}

const dagRun = z.object({
  state: z.string(),
  tasks: z.record(z.string(), z.string().nullable().transform(String)),
  plan: z.object({ run_id: z.string(), run_date: z.string() }).nullable(),
});

/** The bin folder of an Airflow with the packages of its lock file; installed on first use. */
export const airflowBin = (version: AirflowVersion): Promise<string> =>
  pythonEnvironment(`airflow${version}`, "3.11", join(here, `requirements-airflow${version}.lock`));

/** Creates an AIRFLOW_HOME with an empty database and, if there are settings, the DAG. */
export async function airflowHome(version: AirflowVersion, settings?: DagSettings): Promise<string> {
  const bin = await airflowBin(version);
  const home = mkdtempSync(join(tmpdir(), `airflow${version}-`));
  const template = join(dirname(bin), "airflow.db");
  if (!existsSync(template)) {
    // The rename is atomic because both are in the same file system.
    const migrated = mkdtempSync(join(dirname(bin), "migrated-"));
    await run(join(bin, "airflow"), ["db", "migrate"], { env: airflowEnv(migrated) });
    renameSync(join(migrated, "airflow.db"), template);
    rmSync(migrated, { recursive: true });
  }
  cpSync(template, join(home, "airflow.db"));
  mkdirSync(join(home, "dags"));
  if (settings !== undefined) {
    cpSync(join(projectDir, "composer", "dags"), join(home, "dags"), { recursive: true });
    const write = (name: string, contents: object) =>
      writeFileSync(join(home, "dags", name), JSON.stringify(contents, null, 2));
    write("customer_value.json", dagSettings.parse(settings));
    write("customer_value.schema.json", dagSettingsSchema());
  }
  return home;
}

/** Environment variables of an Airflow that calls emulators of Google's services, without credentials. */
export const airflowEnv = (home: string, more: Readonly<Record<string, string>> = {}) => ({
  ...process.env,
  AIRFLOW_HOME: home,
  AIRFLOW__CORE__LOAD_EXAMPLES: "False",
  // On a busy machine, the import of Google's provider takes minutes.
  AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT: "300",
  AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT: JSON.stringify({
    conn_type: "google_cloud_platform",
    extra: { is_anonymous: true, project: "demo" },
  }),
  // Google's libraries warn a year before they drop a version of Python.
  PYTHONWARNINGS: "ignore:You are using a Python version:FutureWarning",
  ...more,
});

/** Runs the DAG for a slot of its schedule, with dag.test(). `seconds` limits the time of a trigger. */
export async function runDag(
  version: AirflowVersion,
  home: string,
  slot: string,
  options: { conf?: object; seconds?: number; env?: Readonly<Record<string, string>> } = {},
): Promise<DagRun> {
  const { conf = {}, seconds = 600, env } = options;
  const python = join(await airflowBin(version), "python");
  const args = [join(here, "run_dag.py"), slot, JSON.stringify(conf), String(seconds)];
  const { stdout, stderr } = await run(python, args, {
    env: airflowEnv(home, env),
    maxBuffer: 2 ** 26,
  }).catch((error) => error);
  const [last = ""] = stdout.trimEnd().split("\n").slice(-1);
  const log = `${stdout}\n${stderr}`;
  if (!last.startsWith("{")) throw new Error(`The DAG does not run: ${log.slice(-4000)}`);
  return { ...dagRun.parse(JSON.parse(last)), log };
}

/** A running Airflow: web page, scheduler and triggerer. */
export interface Standalone extends RunningServer {
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

/** Starts `airflow standalone` with the DAG of a home, on a port of 127.0.0.1. */
export async function startAirflow(
  version: AirflowVersion,
  home: string,
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<Standalone> {
  const airflow = join(await airflowBin(version), "airflow");
  const url = `http://127.0.0.1:${port}`;
  const secret = randomUUID();
  const server = await startServer({
    command: () => [airflow, "standalone"],
    env: {
      ...airflowEnv(home, env),
      // standalone starts other commands of Airflow.
      PATH: `${dirname(airflow)}${delimiter}${process.env.PATH}`,
      AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION: "False",
      ...(version === 2
        ? {
            AIRFLOW__WEBSERVER__WEB_SERVER_HOST: "127.0.0.1",
            AIRFLOW__WEBSERVER__WEB_SERVER_PORT: String(port),
            AIRFLOW__WEBSERVER__SECRET_KEY: secret,
          }
        : {
            AIRFLOW__API__HOST: "127.0.0.1",
            AIRFLOW__API__PORT: String(port),
            AIRFLOW__API__BASE_URL: url,
            AIRFLOW__API__SECRET_KEY: secret,
            AIRFLOW__API__WORKERS: "1",
            AIRFLOW__API_AUTH__JWT_SECRET: secret,
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL: `${url}/execution/`,
          }),
    },
    port,
    isUp: async () => (await fetch(`${url}/${version === 2 ? "health" : "api/v2/monitor/health"}`)).ok,
    seconds: 300,
  });
  const password =
    version === 2
      ? readFileSync(join(home, "standalone_admin_password.txt"), "utf8").trim()
      : JSON.parse(readFileSync(join(home, "simple_auth_manager_passwords.json.generated"), "utf8")).admin;
  return { ...server, url, user: "admin", password };
}
