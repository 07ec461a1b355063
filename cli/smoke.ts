import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { promisify } from "node:util";
import { GoogleAuth } from "google-auth-library";
import { z } from "zod";
import { withRetries } from "../adapters/retry.ts";
import { deployedTables } from "../components/deployed-tables.ts";
import { type Deployment, deployment } from "../contracts/deployment.ts";
import { runDate } from "../contracts/run.ts";
import { parse, UserError } from "../lib/user-error.ts";
import { lineOf, pageOf } from "../local/smoke/checks.ts";
import type { CallGoogle } from "../local/smoke/orchestrator.ts";
import { smoke } from "../local/smoke/smoke.ts";
import { localCommand, runCommand } from "./command.ts";
import { CDNOW } from "./orders-options.ts";

/** npm run smoke: proves a deployment, from the request to the marts and the alerts. */
const options = localCommand(
  "run smoke",
  "Proves a deployment: runs the pipeline once and checks every part of it.",
)
  .requiredOption("--stack <name>", "stack that is deployed")
  .option("--yes", "does not ask first", false)
  .option("--run-date <date>", "orders before this day count (default: the day after the last order)")
  .option("--no-drill", "sends no request that becomes a dead letter, which takes an hour")
  .option("--out <file>", "writes the page with the results to a file, too")
  .parse()
  .opts<{ stack: string; yes: boolean; runDate?: string; drill: boolean; out?: string }>();

const MINUTE = 60_000;
const print = (text: string): void => void process.stderr.write(`${text}\n`);

/** Returns what a program prints. */
async function run(program: string, ...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { timeout: 2 * MINUTE })).stdout.trim();
  } catch (cause) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    const remedy = `npm run doctor -- --stack ${options.stack} checks the tools and logins.`;
    throw new UserError(`${program} failed: ${stderr?.trim() || message}`, { remedy, cause });
  }
}

async function confirm({ settings, orders, deadLetters }: Deployment): Promise<void> {
  print(`This runs the pipeline once in the project ${settings.project}, which costs cents:
- a run of Vertex AI and an execution of the Orchestrator; the partitions of its run date are written again
- if ${orders.project}.${orders.dataset}.${orders.table} is empty: the CDNOW sample in it, which is removed at the end with the rows of its run date
- two subscriptions for the time of the run${options.drill ? `\n- a request that the invoker refuses: after about an hour it is in ${deadLetters.subscription}, and an alert is raised` : ""}`);
  if (options.yes) return;
  if (!process.stdin.isTTY) throw new UserError("There is no terminal to ask you.", { remedy: "Add --yes." });
  const questions = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await questions.question("Continue? (yes/no) ").finally(() => questions.close());
  if (!/^y(es)?$/i.test(answer.trim())) throw new UserError("Nothing was done.");
}

await runCommand(async () => {
  if (options.runDate !== undefined) parse(runDate, options.runDate, "--run-date");
  const outputs = JSON.parse(await run("pulumi", "stack", "output", "--json", "--stack", options.stack));
  const known = parse(
    z.object({ deployment, commit: z.string() }),
    outputs,
    `The outputs of the stack ${options.stack}`,
    `Deploy it first: pulumi up --stack ${options.stack}`,
  );
  const { settings } = known.deployment;
  const { project, warehouse_location, maximum_bytes_billed } = settings;
  await confirm(known.deployment);

  const auth = new GoogleAuth({ scopes: "https://www.googleapis.com/auth/cloud-platform" });
  const call: CallGoogle = async (method, url, body) => {
    // A person's login has no project of its own.
    const headers = { "x-goog-user-project": project };
    const data = body === undefined ? {} : { data: body };
    const send = () => auth.request<unknown>({ method, url, headers, timeout: MINUTE, ...data });
    return (await (method === "GET" ? withRetries(send) : send())).data;
  };
  const account = await run("gcloud", "config", "get-value", "account");
  // gcloud refuses this option for the account of a person.
  const audience = account.endsWith(".gserviceaccount.com") ? [`--audiences=${settings.invoker_url}`] : [];
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      print("Interrupted: removing what was created. A second Ctrl-C stops that, too.");
      interrupt.abort();
    });
  const folder = mkdtempSync(join(tmpdir(), "smoke-"));
  const started = new Date().toISOString();
  try {
    const results = await smoke({
      stack: options.stack,
      deployment: known.deployment,
      tables: deployedTables(known.deployment),
      sample: CDNOW,
      runDate: options.runDate,
      drill: options.drill,
      folder,
      warehouseUrl: `bigquery://${project}/${warehouse_location}?maximum_bytes_billed=${maximum_bytes_billed}`,
      // A token is valid for an hour.
      fetch: async (url, init) => {
        const Authorization = `Bearer ${await run("gcloud", "auth", "print-identity-token", ...audience)}`;
        return await fetch(url, { ...init, headers: { Authorization } });
      },
      call,
      limits: {
        run: settings.limits.run_seconds * 1000,
        // The 12 attempts of Pub/Sub take about an hour.
        drill: 90 * MINUTE,
        signals: 10 * MINUTE,
        cancel: 10 * MINUTE,
        pollInterval: MINUTE / 4,
      },
      signal: interrupt.signal,
      onProgress: print,
      onResult: (result) => print(lineOf(result)),
    });
    const facts = [
      `commit: ${known.commit}`,
      `project: ${project}`,
      `from ${started} to ${new Date().toISOString()}`,
    ];
    const page = pageOf(`Smoke test of ${settings.dag_id}`, facts, results);
    process.stdout.write(`\n${page}\n`);
    if (options.out !== undefined) writeFileSync(options.out, `${page}\n`);
    if (results.some(({ state }) => state === "failed" || state === "not done")) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
