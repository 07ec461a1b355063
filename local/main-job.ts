import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import ora, { type Ora } from "ora";
import { artifactPath, fileArtifacts } from "../adapters/artifacts.ts";
import { runSettingsOf } from "../cli/command.ts";
import { CDNOW, dataDirOf, type OrdersArguments, ordersOf, readOrders } from "../cli/orders-options.ts";
import { type RunEvent, runRequest } from "../contracts/messages.ts";
import { runDate, runIdFor, today } from "../contracts/run.ts";
import { stepReport, stepReportUrl } from "../contracts/step.ts";
import { createLogger } from "../lib/log.ts";
import { formatError, parse, UserError } from "../lib/user-error.ts";
import type { OrdersSummary } from "./orders/load.ts";
import { exportMarts } from "./report/export.ts";
import { renderReport } from "./report/report.ts";
import { type Results, readResults } from "./report/results.ts";
import { count, elapsed, figuresOf, renderTables, rowsOf } from "./report/terminal.ts";
import { openLocalWarehouse, startLocalStack } from "./runtime/local-stack.ts";
import { confirmRun, requestRun } from "./runtime/orchestrator.ts";

/** The options of the command line, as commander gives them; settings of the run are among them by their names. */
export interface MainOptions extends OrdersArguments {
  readonly runDate?: string;
  readonly export?: string;
  readonly json: boolean;
  readonly [setting: string]: unknown;
}

/** A run on one machine that takes longer than this is given up, milliseconds. */
const TIME_LIMIT = 3_600_000;

/** Runs the main job and tells of it; returns the exit code: 0 done, 1 not, 130 interrupted. Throws nothing. */
export async function runMain(options: MainOptions): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () =>
      interrupt.abort(
        new UserError(
          "Interrupted: the steps were stopped; the tables are as the last finished step left them.",
        ),
      ),
    );
  }
  const progress = new Progress(!options.json);
  let run: { run_id: string; run_date: string } | undefined;
  try {
    const outcome = await runPipelineOnce(options, interrupt.signal, progress, (started) => {
      run = started;
    });
    process.stdout.write(options.json ? `${JSON.stringify(outcome.json)}\n` : outcome.text);
    return 0;
  } catch (thrown) {
    const error = interrupt.signal.aborted ? interrupt.signal.reason : thrown;
    progress.fail(formatError(error));
    if (!(error instanceof UserError)) process.stderr.write(`${(error as Error).stack}\n`);
    if (options.json) {
      const status = interrupt.signal.aborted ? "cancelled" : "failed";
      process.stdout.write(
        `${JSON.stringify({ run_id: null, run_date: null, ...run, status, error: formatError(error) })}\n`,
      );
    }
    return interrupt.signal.aborted ? 130 : 1;
  }
}

async function runPipelineOnce(
  options: MainOptions,
  signal: AbortSignal,
  progress: Progress,
  onStart: (run: { run_id: string; run_date: string }) => void,
): Promise<{ text: string; json: object }> {
  const settings = runSettingsOf(options);
  const wantedRunDate = options.runDate ?? (options.orders === undefined ? CDNOW.runDate : undefined);
  if (wantedRunDate !== undefined) parse(runDate, wantedRunDate, "--run-date");
  if (options.export !== undefined) makeFolder(options.export, "--export");

  const { file, ...format } = ordersOf(options);
  const dataDir = dataDirOf(options.dataDir, file);
  makeFolder(dataDir, "--data-dir");
  progress.start("orders");
  const orders = await readOrders(dataDir, {
    file,
    ...format,
    check: ({ first_order_on, last_order_on }) => {
      const date = wantedRunDate ?? dayAfter(last_order_on);
      if (date > first_order_on) return;
      const others =
        today() > first_order_on ? ` Give a later one: --run-date ${dayAfter(last_order_on)}` : "";
      throw new UserError(
        `The run date ${date} is not after the first order (${first_order_on}): no order would count.${others}`,
      );
    },
  });
  progress.succeed(
    "orders",
    `${count(orders.rows)} rows, ${orders.first_order_on} to ${orders.last_order_on}`,
  );
  const run_date = wantedRunDate ?? dayAfter(orders.last_order_on);
  signal.throwIfAborted();

  const run_id = runIdFor(run_date, `manual:${new Date().toISOString()}`);
  onStart({ run_id, run_date });
  const log = createLogger({ component: "local", run_id }, options.json ? undefined : "error");
  const startedAt = performance.now();
  const edition = await startLocalStack({
    dataDir,
    port: 0,
    log,
    onTask: (_, { task, state, error }) => {
      if (state === "started") progress.start(task);
      if (state === "retrying") progress.warn(`${error?.message ?? task}\nIt is tried once more.`);
      if (state !== "succeeded") return;
      const path = artifactPath(stepReportUrl(pathToFileURL(dataDir).href, run_id, task));
      progress.succeed(
        task,
        `${count(rowsOf(stepReport.parse(JSON.parse(readFileSync(path, "utf8")))))} rows`,
      );
    },
    ...(options.json ? { onOutput: (line: string) => void process.stderr.write(`${line}\n`) } : {}),
  });
  let event: RunEvent;
  try {
    const request = parse(runRequest, { run_id, run_date, ...settings }, "The request");
    event = await requestRun(request, {
      messenger: edition.messenger,
      invokerUrl: edition.url,
      timeLimit: TIME_LIMIT,
      pollInterval: 2000,
      signal,
    });
  } finally {
    await edition.close();
  }
  if (event.status !== "succeeded")
    throw new UserError(`Run ${run_id} ${event.status} in step ${event.failed_step}.\n${event.reason}`);

  const warehouse = await openLocalWarehouse(dataDir);
  try {
    const { modelId } = await confirmRun(event, warehouse);
    progress.succeed("confirmed", `by the tables, ${elapsed(performance.now() - startedAt)} in all`);
    const results = await readResults(warehouse, run_date);
    const warnings = event.steps.flatMap((step) => step.warnings);
    for (const warning of warnings) progress.warn(warning);
    const report = join(dataDir, "report.html");
    const context = {
      runId: run_id,
      status: event.status,
      warnings,
      ordersFile: basename(file),
      generatedAt: event.finished_at,
    };
    await fileArtifacts.write(pathToFileURL(report).href, renderReport(results, context));
    const exported =
      options.export === undefined ? [] : await exportMarts(warehouse, run_date, resolve(options.export));
    const files = [`Report: ${report}`, ...exported.map((path) => `Export: ${path}`)];
    return {
      text: `\n${renderTables(results, event.steps)}\n\n${files.join("\n")}\n`,
      json: toJson(event, modelId, results, orders, warnings, report, exported),
    };
  } finally {
    await warehouse.close();
  }
}

function toJson(
  { run_id, run_date, status, steps }: RunEvent,
  modelId: string | null,
  results: Results,
  orders: OrdersSummary,
  warnings: readonly string[],
  report: string,
  exported: readonly string[],
): object {
  return {
    run_id,
    run_date,
    status,
    orders,
    steps,
    model_id: modelId,
    model: results.scoring,
    fitted: results.fitted,
    holdout: figuresOf(results, "holdout"),
    backtest: figuresOf(results, "backtest"),
    segments: results.segments,
    top_customers: results.topCustomers,
    rejected: results.rejected,
    tables: results.tables,
    warnings,
    report,
    exported,
  };
}

function makeFolder(path: string, option: string): void {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new UserError(`The folder ${path} can't be made or written: ${(error as Error).message}`, {
      remedy: `Choose another one with ${option}.`,
      cause: error,
    });
  }
}

/** The day after the last order, but not after today. */
function dayAfter(day: string): string {
  const next = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
  return [next, today()].sort()[0]!;
}

/** What a person sees while it runs: the step and how long it has taken. */
class Progress {
  readonly #visible: boolean;
  #spinner: Ora | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;

  constructor(visible: boolean) {
    this.#visible = visible;
  }

  start(step: string): void {
    this.#end();
    this.#startedAt = performance.now();
    // Without a terminal there is nothing to turn: the line at the end says it all.
    if (!this.#visible || !process.stderr.isTTY) return;
    const spinner = ora({ text: step, discardStdin: false }).start();
    this.#spinner = spinner;
    this.#timer = setInterval(() => {
      spinner.text = `${step} ${elapsed(performance.now() - this.#startedAt)}`;
    }, 100).unref();
  }

  succeed(step: string, detail: string): void {
    const took = elapsed(performance.now() - this.#startedAt);
    if (this.#visible) (this.#spinner ?? ora()).succeed(`${step.padEnd(10)}${took.padStart(7)}  ${detail}`);
    this.#end();
    this.#startedAt = performance.now();
  }

  warn(text: string): void {
    if (this.#visible) (this.#spinner ?? ora()).warn(text);
    this.#end();
  }

  fail(text: string): void {
    (this.#spinner ?? ora()).fail(text);
    this.#end();
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#spinner?.stop();
    this.#spinner = undefined;
  }
}
