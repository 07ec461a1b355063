import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { fileArtifacts } from "../adapters/artifacts.ts";
import { runRequest } from "../contracts/messages.ts";
import { newRunId, type RunSettings } from "../contracts/run.ts";
import { stepReport, stepReportUrl } from "../contracts/step.ts";
import type { Candidate } from "../jobs/candidates.ts";
import { createLogger } from "../lib/log.ts";
import { makeFolder } from "../lib/make-folder.ts";
import { formatError, isUserError, parse, UserError } from "../lib/user-error.ts";
import { dayAfter } from "./orders/days.ts";
import { describeOrders, type OrdersOptions, readOrders } from "./orders/load.ts";
import { Progress } from "./progress.ts";
import { exportMarts } from "./report/export.ts";
import { elapsed, percent, whole } from "./report/numbers.ts";
import { renderReport } from "./report/report.ts";
import { figuresOf, notChosen, readResults } from "./report/results.ts";
import { renderTables, rowsOf } from "./report/terminal.ts";
import { openLocalWarehouse, runOnce } from "./runtime/local-stack.ts";
import { confirmRun } from "./runtime/orchestrator.ts";

export interface MainSettings {
  readonly orders: OrdersOptions;
  /** YYYY-MM-DD. @default the day after the last order */
  readonly runDate?: string | undefined;
  readonly run: RunSettings;
  /** Whether max_rejected_share was not given, and is at least what is usual for a known export. @default false */
  readonly usualRejectedShare?: boolean;
  /** The candidates that compete with the built-in model. */
  readonly candidates: readonly Candidate[];
  /** Folder of the warehouse and of the runs' files. */
  readonly dataDir: string;
  /** Folder for the marts as Parquet and CSV. @default none */
  readonly exportDir?: string | undefined;
}

/**
 * Runs the whole pipeline on this machine and prints the results, as tables or as one JSON object. Errors of
 * `settings` are printed in the same way. Returns the exit code: 0 succeeded, 1 failed, 130 interrupted. Does not throw.
 */
export async function runMain(json: boolean, settings: () => MainSettings): Promise<number> {
  const interrupt = new AbortController();
  const reason = new UserError("Interrupted. The tables are as the last complete step left them.");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupt.abort(reason));
  const progress = new Progress(!json);
  const run: Started = { run_id: null, run_date: null, warnings: [] };
  try {
    process.stdout.write(await runAndShow(json, settings(), interrupt.signal, progress, run));
    return 0;
  } catch (thrown) {
    const { aborted } = interrupt.signal;
    const error = aborted ? reason : thrown;
    progress.fail(formatError(error));
    if (!isUserError(error)) process.stderr.write(`${(error as Error).stack}\n`);
    const status = aborted ? "cancelled" : "failed";
    if (json) process.stdout.write(`${JSON.stringify({ ...run, status, error: formatError(error) })}\n`);
    return aborted ? 130 : 1;
  }
}

/** What is known of a run when it starts. The warnings are about the order log: they can be why the run fails. */
interface Started {
  run_id: string | null;
  run_date: string | null;
  warnings: string[];
}

/** Returns the text for stdout, and notes in `started` what is known when the run starts. */
async function runAndShow(
  json: boolean,
  given: MainSettings,
  signal: AbortSignal,
  progress: Progress,
  started: Started,
): Promise<string> {
  const { orders: source, runDate, candidates, dataDir, exportDir } = given;
  let settings = given.run;
  if (exportDir !== undefined) makeFolder(exportDir, "--export");
  makeFolder(dataDir, "--data-dir");
  progress.start("orders");
  const orders = await readOrders(dataDir, {
    ...source,
    timeZone: settings.shop_time_zone,
    refunds: settings.refunds,
    check: (days) =>
      checkRunDate(runDate ?? dayAfter(days.last_order_on, settings.shop_time_zone), days, settings),
  });
  progress.succeed("orders", describeOrders(orders));
  const { set_aside = 0 } = orders;
  if (given.usualRejectedShare && set_aside > settings.max_rejected_share) {
    settings = { ...settings, max_rejected_share: set_aside };
    orders.warnings.push(
      `Many orders of ${orders.format} have no customer or are cancelled: up to ${percent(set_aside)} may be set aside. --max-rejected-share changes this.`,
    );
  }
  for (const warning of orders.warnings) progress.warn(warning);
  const run_date = runDate ?? dayAfter(orders.last_order_on, settings.shop_time_zone);
  signal.throwIfAborted();

  const run_id = newRunId(run_date);
  Object.assign(started, { run_id, run_date, warnings: orders.warnings });
  const startedAt = performance.now();
  const logOf = (step: string): string => join(dataDir, "runs", run_id, `${step}-*.log`);
  let failedTask: string | undefined;
  const request = parse(runRequest, { run_id, run_date, ...settings }, "The request");
  const event = await runOnce(request, signal, {
    dataDir,
    candidates,
    log: createLogger({ component: "local", run_id }, json ? undefined : "error"),
    onTask: (_, { task, state, error }) => {
      if (state === "started") progress.start(task);
      if (state === "failed") failedTask ??= task;
      if (state === "retrying") progress.warn(`${error?.message ?? task}\nThe step runs again.`);
      if (state !== "succeeded") return;
      const path = fileURLToPath(stepReportUrl(pathToFileURL(dataDir).href, run_id, task));
      const rows = rowsOf(stepReport.parse(JSON.parse(readFileSync(path, "utf8"))));
      progress.succeed(task, `${whole(rows)} rows`);
    },
    ...(json ? { onOutput: (line: string) => void process.stderr.write(`${line}\n`) } : {}),
  });
  if (event.status !== "succeeded") {
    // A step that ended before it began to report is known here alone.
    const step = event.failed_step ?? failedTask;
    const [where, remedy] =
      step === undefined ? ["", {}] : [` in step ${step}`, { remedy: `Its log: ${logOf(step)}` }];
    throw new UserError(`Run ${run_id} ${event.status}${where}.\n${event.reason}`, remedy);
  }

  const warehouse = await openLocalWarehouse(dataDir);
  try {
    const { modelId } = await confirmRun(event, warehouse);
    progress.succeed("confirmed", `by the tables, ${elapsed(performance.now() - startedAt)} in all`);
    const results = await readResults(warehouse, run_date);
    const ofSteps = event.steps.flatMap((step) => step.warnings);
    for (const warning of ofSteps) progress.warn(warning);
    const warnings = [...orders.warnings, ...ofSteps];
    const report = join(dataDir, "report.html");
    const page = renderReport(results, {
      runId: run_id,
      status: event.status,
      warnings,
      ordersFile: basename(source.file),
      generatedAt: event.finished_at,
    });
    await fileArtifacts.write(pathToFileURL(report).href, page);
    const exported = exportDir === undefined ? [] : await exportMarts(warehouse, run_date, exportDir);
    if (json) {
      const { status, steps } = event;
      const { scoring: model, metrics, calendar, cells, ...shown } = results;
      const run = { run_id, run_date, status, orders, steps, model_id: modelId, model };
      const evaluations = {
        holdout: figuresOf(results, "holdout"),
        not_chosen: notChosen(results),
        backtest: figuresOf(results, "backtest"),
      };
      return `${JSON.stringify({ ...run, ...shown, ...evaluations, warnings, report, exported })}\n`;
    }
    const files = [`Report: ${report}`, ...exported.map((path) => `Export: ${path}`)];
    return `\n${renderTables(results, event.steps)}\n\n${files.join("\n")}\n`;
  } finally {
    await warehouse.close();
  }
}

function checkRunDate(
  date: string,
  days: { first_order_on: string; last_order_on: string },
  settings: RunSettings,
): void {
  const { first_order_on, last_order_on } = days;
  if (date > first_order_on) return;
  const latest = dayAfter(last_order_on, settings.shop_time_zone);
  throw new UserError(
    `The run date ${date} is not after the first order (${first_order_on}), so there are no orders before it.`,
    { remedy: latest > first_order_on ? `Give a later date: --run-date ${latest}` : undefined },
  );
}
