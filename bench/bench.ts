/**
 * npm run bench: the whole main job beside a notebook with pandas and lifetimes, and the SQL beside dbt-duckdb, on the same
 * orders in one run, and how soon a saved SQL model is checked, tested and run. Results are compared before times are shown.
 * Times are of this machine: compare figures of one run only.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { fitBgNbd } from "../jobs/clv/bg-nbd-fit.ts";
import { fitGammaGamma } from "../jobs/clv/gamma-gamma-fit.ts";
import { readStatistics } from "../jobs/clv/model-tables.ts";
import { projectDir } from "../lib/project.ts";
import { openLocalWarehouse } from "../local/runtime/local-stack.ts";
import { pythonEnvironment } from "../local/runtime/python.ts";
import { compareFeatures, writeDbtProject } from "./dbt.ts";
import { growthChart, type Point } from "./growth-chart.ts";
import { type Measured, measure } from "./measure.ts";
import { writeShop } from "./shop.ts";

const options = new Command("npm run bench --")
  .description(
    "Measures the main job beside a notebook with pandas and lifetimes, the SQL beside dbt-duckdb, and the time from saving a SQL model to its result.",
  )
  .helpOption("--help", "shows this help")
  .option("--runs <number>", "runs on CDNOW and of a saved model, of which the median is shown", count, 3)
  .option(
    "--customers <numbers>",
    "sizes of the simulated shops. A shop of 5,000,000 customers has 26 million orders; it takes half an hour and 8 GB",
    (text) => text.split(",").map(count),
    [100_000, 1_000_000],
  )
  .option("--alone", "only npm start with its default settings, for sizes that a notebook does not hold")
  .option("--chart <file>", "writes the growth of the times as an SVG")
  .parse()
  .opts<{ runs: number; customers: number[]; alone?: true; chart?: string }>();
const { runs } = options;

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("Allowed are whole numbers above 0.");
}

/** A log of orders, and the dates of its run. */
interface Log {
  readonly name: string;
  readonly file: string;
  readonly runDate: string;
  /** The day after the last order. */
  readonly end: string;
  readonly holdoutWeeks: number;
  readonly times: number;
}
const HORIZON = 39;

const folder = mkdtempSync(join(tmpdir(), "bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.stdout.write(`Node ${process.version}, ${availableParallelism()} cores\n\n`);
const tableOf = (...head: string[]) => new Table({ head, style: { head: [], border: [] } });
if (options.alone) {
  const table = tableOf("orders", "npm start", "memory of the largest process");
  for (const { name, file } of await logs()) {
    const data = join(folder, "alone");
    const start = [join(projectDir, "cli/start.ts"), "--orders", file, "--data-dir", data];
    const measured = await measure(process.execPath, ...start);
    table.push([name, seconds(measured.seconds), megabytes(measured.peakMb)]);
    rmSync(data, { recursive: true, force: true });
  }
  process.stdout.write(`${table.toString()}\n`);
  process.exit(0);
}

const [python, dbt] = await Promise.all([program("notebook", "python"), program("dbt", "dbt")]);
const notebooks = ["notebook, same figures", "notebook, one model"];
const table = tableOf("orders", "customers", "npm start", ...notebooks, "npm run sql", "dbt-duckdb");
const weekly = tableOf(
  "orders",
  "read a week later",
  "features",
  "a week later",
  "npm start",
  "a week later",
);
const fits = tableOf("orders", "this project", "lifetimes", "ratio");
const points: Point[] = [];
for (const log of await logs()) {
  const ours = await repeat(log.times, () => mainJob(log));
  const theirs = await repeat(log.times, () => notebook(log));
  const all = await repeat(log.times, () => notebook(log, "--all"));
  const sql = await repeat(log.times, () => sqlOnly(log));
  const built = await repeat(log.times, () => dbtBuild(log));
  for (const each of [theirs, all]) compare(log, JSON.parse(ours.stdout), JSON.parse(each.stdout));
  await compareFeatures(join(folder, "dbt"), join(folder, "sql-only/warehouse.duckdb"));
  const { customers, fit_seconds } = JSON.parse(theirs.stdout);
  const fitted = await secondsToFit(log);
  fits.push([
    log.name,
    `${fitted.toFixed(2)} s`,
    `${fit_seconds.toFixed(2)} s`,
    (fit_seconds / fitted).toFixed(0),
  ]);
  const cells = [ours, all, theirs, sql, built].map(
    (each) =>
      `${seconds(each.seconds)} (${(each.seconds / ours.seconds).toFixed(2)})\n${megabytes(each.peakMb)}`,
  );
  table.push([log.name, customers.toLocaleString("en-US"), ...cells]);
  const weekBefore = new Date(Date.parse(log.end) - 7 * 86_400_000).toISOString().slice(0, 10);
  const first = await mainJob({ ...log, runDate: weekBefore });
  const next = await mainJob({ ...log, runDate: log.end }, false);
  weekly.push([
    log.name,
    await ordersReadAgain(),
    ...[first, next].map(({ stdout }) => seconds(secondsOf(JSON.parse(stdout), "features"))),
    ...[first, next].map((each) => seconds(each.seconds)),
  ]);
  const named = { "npm start": ours, "notebook, same figures": all, "notebook, one model": theirs };
  for (const [tool, { seconds }] of Object.entries(named)) points.push({ tool, customers, seconds });
}
if (options.chart !== undefined) writeFileSync(options.chart, await growthChart(points));
process.stdout.write(
  `Time, as a multiple of that of npm start, and memory of the largest process.
npm start: features, hold-out, three models, intervals, scores, back-test, checks, report.
Notebook, same figures: pandas and lifetimes with the three models, bootstrap intervals and back-test; not the intervals of
each customer, the checks and the report. Notebook, one model: BG/NBD, without intervals and back-test.
npm run sql: all SQL, with its checks. dbt-duckdb: dbt build of the models and checks of the step features.
${table.toString()}\n\n`,
);

process.stdout.write(`The fit of BG/NBD and Gamma-Gamma on all customers.\n${fits.toString()}\n\n`);
process.stdout.write(
  `A first run a week before the end of the orders, and the next one at their end.
${weekly.toString()}\n\n`,
);

const saved = tableOf("a model is saved under npm run sql -- --watch", "time");
for (const model of ["features/customer_features", "features/customer_history", "marts/rfm"])
  saved.push([model, seconds(await savedModel(model))]);
process.stdout.write(`Checked, unit tested, and run with all that depends on it.\n${saved.toString()}\n`);

async function logs(): Promise<Log[]> {
  const cdnow = join(folder, "cdnow.csv");
  writeFileSync(cdnow, gunzipSync(readFileSync(join(projectDir, "data/cdnow.csv.gz"))));
  const found: Log[] = [
    {
      name: "CDNOW, 69,659",
      file: cdnow,
      runDate: "1997-10-01",
      end: "1998-07-01",
      holdoutWeeks: 9,
      times: runs,
    },
  ];
  for (const customers of options.customers) {
    const file = join(folder, `shop-${customers}.parquet`);
    const startedAt = performance.now();
    const orders = await writeShop({ customers }, file);
    process.stdout.write(
      `Wrote a shop of ${orders.toLocaleString("en-US")} orders in ${seconds((performance.now() - startedAt) / 1000)}.\n`,
    );
    const name = `shop, ${orders.toLocaleString("en-US")}`;
    found.push({ name, file, runDate: "2025-06-01", end: "2025-12-28", holdoutWeeks: 31, times: 1 });
  }
  return found;
}

/** The whole main job, in a new data folder or in that of the last one. */
async function mainJob(log: Log, isFirst = true): Promise<Measured> {
  const data = join(folder, "data");
  if (isFirst) rmSync(data, { recursive: true, force: true });
  // The notebook has no limit of customers.
  const settings = ["--horizon-weeks", String(HORIZON), "--model-customers", "0"];
  return await measureCli("start", log, data, ...settings, "--json");
}

/** A command on the log, with the data folder. */
async function measureCli(
  command: "start" | "sql",
  { file, runDate, holdoutWeeks }: Log,
  data: string,
  ...more: string[]
): Promise<Measured> {
  const args = ["--orders", file, "--run-date", runDate, "--holdout-weeks", String(holdoutWeeks)];
  const program = join(projectDir, `cli/${command}.ts`);
  return await measure(process.execPath, program, ...args, "--data-dir", data, ...more);
}

/** Of BG/NBD and Gamma-Gamma, on what the last run of the main job wrote to its tables. */
async function secondsToFit({ runDate }: Log): Promise<number> {
  const warehouse = await openLocalWarehouse(join(folder, "data"));
  const { purchases, values } = await readStatistics(warehouse, runDate, "production");
  await warehouse.close();
  const startedAt = performance.now();
  fitBgNbd(purchases);
  fitGammaGamma(values);
  return (performance.now() - startedAt) / 1000;
}

/** How many orders the last run of the main job read, of how many. */
async function ordersReadAgain(): Promise<string> {
  const warehouse = await openLocalWarehouse(join(folder, "data"));
  const [counts] = await warehouse.query(
    "SELECT COUNTIF(o.ordered_on >= r.read_since) AS again, COUNT(*) AS orders FROM rfm.checked_orders AS o CROSS JOIN rfm.order_reads AS r",
  );
  await warehouse.close();
  return `${Number(counts!.again).toLocaleString("en-US")} of ${Number(counts!.orders).toLocaleString("en-US")}`;
}

function secondsOf({ steps }: Results, name: string): number {
  const step = steps.find((each) => each.step === name)!;
  return (Date.parse(step.finished_at) - Date.parse(step.started_at)) / 1000;
}

async function notebook({ file, runDate, holdoutWeeks }: Log, ...flags: string[]): Promise<Measured> {
  const script = join(import.meta.dirname, "notebook.py");
  const out = join(folder, "notebook.parquet");
  return await measure(python, script, file, runDate, String(holdoutWeeks), String(HORIZON), out, ...flags);
}

async function sqlOnly(log: Log): Promise<Measured> {
  const data = join(folder, "sql-only");
  rmSync(data, { recursive: true, force: true });
  return await measureCli("sql", log, data);
}

async function dbtBuild({ file, runDate, holdoutWeeks }: Log): Promise<Measured> {
  const project = join(folder, "dbt");
  rmSync(project, { recursive: true, force: true });
  await writeDbtProject(project, file, runDate, holdoutWeeks);
  return await measure(dbt, "build", "--quiet", "--project-dir", project, "--profiles-dir", project);
}

/** A program of the Python environment in a lock file of this folder. */
async function program(environment: string, name: string): Promise<string> {
  const lock = join(import.meta.dirname, `${environment}.lock`);
  return join(await pythonEnvironment(environment, "3.11", lock), name);
}

type Figures = Record<string, Record<string, number>>;
interface Results {
  readonly steps: readonly { step: string; started_at: string; finished_at: string }[];
  readonly model_id: string;
  readonly fitted: readonly (Record<string, number> & { model_id: string; family: string; sample: string })[];
  readonly holdout: Figures;
  readonly not_chosen: Record<string, Figures>;
}

/** Fails unless both found the same BG/NBD model, and the same errors on the hold-out of each model that both have. */
function compare({ name }: Log, ours: Results, theirs: Record<string, number>): void {
  const modelOf = (wanted: string) => {
    const model = ours.fitted.find(({ family, sample }) => family === wanted && sample === "production");
    if (model === undefined) throw new Error(`${name}: ${wanted} was not fitted.`);
    return { model, figures: (ours.not_chosen[model.model_id] ?? ours.holdout).model };
  };
  const { model, figures } = modelOf("bgnbd");
  const errors = ["bgnbd", "mbgnbd", "paretonbd"]
    .filter((family) => theirs[`${family}_count_mae`] !== undefined)
    .map((family) => [
      `count MAE of ${family}`,
      [modelOf(family).figures?.count_mae, theirs[`${family}_count_mae`]],
    ]);
  const pairs: Record<string, (number | undefined)[]> = {
    ...Object.fromEntries(
      ["customers", "r", "alpha", "a", "b", "p", "q"].map((name) => [name, [model[name], theirs[name]]]),
    ),
    gamma: [model.gamma, theirs.v],
    ...Object.fromEntries(errors),
    "top decile": [figures?.top_decile_revenue_share, theirs.top_decile],
  };
  for (const [figure, [one = Number.NaN, other = Number.NaN]] of Object.entries(pairs)) {
    // Pareto/NBD is fitted on two samples of 20,000 customers.
    const tolerance = figure.endsWith("paretonbd") ? 1e-2 : 2e-3;
    if (!(Math.abs(one / other - 1) < tolerance))
      throw new Error(`${name}: ${figure} is ${one} here and ${other} in the notebook.`);
  }
}

/** Runs the work so often; the one of median time. */
async function repeat(times: number, work: () => Promise<Measured>): Promise<Measured> {
  const all: Measured[] = [];
  for (let time = 0; time < times; time += 1) all.push(await work());
  return median(all, ({ seconds }) => seconds);
}

/** Seconds from saving a model to when all is done, on the full CDNOW log. */
async function savedModel(model: string): Promise<number> {
  const [sql, data] = [join(folder, "sql"), join(folder, "sql-data")];
  for (const each of [sql, data]) rmSync(each, { recursive: true, force: true });
  cpSync(join(projectDir, "sql"), sql, { recursive: true });
  const file = join(sql, "definitions", `${model}.sqlx`);
  const args = [join(projectDir, "cli/sql.ts"), "--sql-dir", sql, "--data-dir", data, "--watch"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const printed = async (what: RegExp): Promise<void> => {
    for (let line = await lines.next(); !what.test(String(line.value)); line = await lines.next())
      if (line.done) throw new Error(`npm run sql ended before it printed ${what}`);
  };
  await printed(/^Watching/);
  const times: number[] = [];
  for (let time = 0; time < runs; time += 1) {
    const startedAt = performance.now();
    const condition = `run_date = @run_date AND ${time} = ${time}`;
    writeFileSync(file, readFileSync(file, "utf8").replace("run_date = @run_date", condition));
    await printed(/ actions in /);
    times.push(performance.now() - startedAt);
    // Otherwise the file system may report this save and the next one together.
    await setTimeout(500);
  }
  child.kill();
  await once(child, "close");
  return median(times, Number) / 1000;
}

function median<T>(all: readonly T[], figure: (each: T) => number): T {
  return all.toSorted((one, other) => figure(one) - figure(other))[Math.floor(all.length / 2)]!;
}

function seconds(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} s`;
}

function megabytes(value: number | undefined): string {
  return value === undefined ? "–" : `${Math.round(value)} MB`;
}
