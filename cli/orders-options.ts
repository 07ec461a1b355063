import { createHash } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { runDate } from "../contracts/run.ts";
import { makeFolder } from "../lib/make-folder.ts";
import { projectDir } from "../lib/project.ts";
import { parse, UserError } from "../lib/user-error.ts";
import { dayAfter } from "../local/orders/days.ts";
import { describeOrders, loadOrders, type OrdersOptions } from "../local/orders/load.ts";
import { openLocalWarehouse } from "../local/runtime/local-stack.ts";
import { runSettingsOf } from "./command.ts";

/** The default log, and the run date of the papers that use it. */
export const CDNOW = { file: join(projectDir, "data", "cdnow.csv.gz"), runDate: "1997-10-01" };

/** What --run-date means in each command with an order log. */
export const RUN_DATE =
  "orders before this day count (default: the day after the last order; 1997-10-01 for CDNOW)";

/** The given run date; undefined for the day after the last order. @throws UserError when it is not one */
export function runDateOf({ runDate: given, orders }: RunArguments): string | undefined {
  const date = given ?? (orders === undefined ? CDNOW.runDate : undefined);
  return date === undefined ? undefined : parse(runDate, date, "--run-date");
}

/** The options for reading an order log, as commander gives them. */
export interface OrdersArguments {
  readonly orders?: string;
  readonly columns?: string;
  readonly where?: readonly string[];
  readonly dateFormat?: string;
  readonly decimal?: string;
  readonly encoding?: string;
  readonly guests?: string;
  readonly lines?: boolean;
  readonly dataDir?: string;
}

/** The same, of a command that runs. */
export interface RunArguments extends OrdersArguments {
  readonly runDate?: string;
}

/** An option that is given again adds to the first. */
const joined = (values: string, before?: string): string =>
  before === undefined ? values : `${before},${values}`;

/** Adds the options for reading an order log. */
export function withOrders(command: Command): Command {
  return command
    .option(
      "--orders <file>",
      "order log: CSV, JSON, both also gzipped, or Parquet (default: the CDNOW log)",
      (file: string, before?: string) => {
        // The last one would count, and the others would be missing without a word.
        if (before !== undefined)
          throw new InvalidArgumentError("A run reads one file. Join the files first.");
        return file;
      },
    )
    .option(
      "--columns <pairs>",
      "names of the log's columns, like customer_id=CustID,ordered_at=Date,amount=Total",
      joined,
    )
    .option(
      "--where <column=value>",
      'only rows with this value, like "Financial Status=paid", or blank, like "Cancelled at="; repeated for one column: one of the values',
      (condition: string, others: readonly string[] = []) => [...others, condition],
    )
    .option(
      "--date-format <format>",
      "format of its dates, like %d.%m.%Y, epoch, epoch_ms or excel (default: recognized)",
    )
    .option("--decimal <sign>", 'decimal sign of its amounts, "." or "," (default: recognized)')
    .option("--encoding <name>", "encoding of its text, like windows-1250 or shift_jis (default: recognized)")
    .option("--lines", "rows of one order are lines: their amounts are added up, also when they are equal")
    .option("--guests <ids>", "customer ids that stand for guests, like 0; their orders are left out", joined)
    .option(
      "--data-dir <dir>",
      "folder of the warehouse and the runs (default: a folder for each log in .data/)",
    );
}

/**
 * Which log to read, and how.
 * @throws UserError that names the option.
 */
export function ordersOf(options: OrdersArguments): OrdersOptions {
  const { columns, where, lines, dateFormat, decimal, encoding, guests } = options;
  if (decimal !== undefined && decimal !== "." && decimal !== ",")
    throw new UserError(`--decimal is ${JSON.stringify(decimal)}; allowed is "." or ",".`);
  return {
    file: options.orders ?? CDNOW.file,
    ...(columns === undefined ? {} : { columns: columnPairs(columns) }),
    ...(where === undefined ? {} : { where: where.map(condition) }),
    ...(lines === undefined ? {} : { lines }),
    ...(dateFormat === undefined ? {} : { dateFormat }),
    ...(decimal === undefined ? {} : { decimal }),
    ...(encoding === undefined ? {} : { encoding: encodingOf(encoding) }),
    ...(guests === undefined ? {} : { guests: guests.split(",").map((id) => id.trim()) }),
  };
}

/** Opens the warehouse for a run with these options, reads the log into it, and prints how. */
export async function openForRun(options: RunArguments) {
  const settings = runSettingsOf({ ...options });
  const { shop_time_zone: timeZone, refunds } = settings;
  const date = runDateOf(options);
  const dataDir = dataDirOf(options);
  makeFolder(dataDir, "--data-dir");
  const warehouse = await openLocalWarehouse(dataDir);
  const log = await warehouse.withConnection((connection) =>
    loadOrders(connection, { ...ordersOf(options), timeZone, refunds }),
  );
  process.stdout.write(`orders: ${describeOrders(log)}\n`);
  for (const warning of log.warnings) process.stdout.write(`warning: ${warning}\n`);
  return { warehouse, dataDir, settings, run_date: date ?? dayAfter(log.last_order_on, timeZone) };
}

/** The data folder. By default each log has its own: a model of one shop must not score another shop. */
export function dataDirOf({ dataDir, orders: file = CDNOW.file }: OrdersArguments): string {
  if (dataDir?.trim() === "")
    throw new UserError("--data-dir is blank.", { remedy: "Give a folder, or omit the option." });
  if (dataDir !== undefined) return resolve(dataDir);
  const name = basename(file)
    .split(".")[0]!
    .replaceAll(/[^\w-]/g, "_");
  const path = createHash("sha256").update(resolve(file)).digest("hex").slice(0, 8);
  return resolve(".data", resolve(file) === CDNOW.file ? name : `${name}-${path}`);
}

/** The standard's name of an encoding: latin1 is windows-1252. */
function encodingOf(name: string): string {
  try {
    return new TextDecoder(name).encoding;
  } catch (cause) {
    throw new UserError(`--encoding ${name} is not an encoding that can be read.`, {
      remedy:
        "Give for example utf-8, windows-1250, windows-1251, windows-1252, shift_jis, euc-kr, gbk or big5.",
      cause,
    });
  }
}

function condition(text: string): { column: string; value: string } {
  const [column, value] = text.split(/=(.*)/s).map((part) => part.trim());
  if (column && value !== undefined) return { column, value };
  throw new UserError(`--where ${text}: it is not a column and a value.`, {
    remedy: 'Write it like --where "Financial Status=paid"',
  });
}

/** A name can have commas: a pair ends where "name=" follows. */
function columnPairs(text: string): Record<string, string> {
  const pairs = new Map<string, string>();
  for (const pair of text.split(/,(?=\s*\w+\s*=)/)) {
    const [ours, theirs] = pair.split(/=(.*)/s).map((name) => name.trim());
    if (!ours || !theirs || pairs.has(ours)) {
      const problem = ours && pairs.has(ours) ? "is there twice" : "is not a pair";
      throw new UserError(`--columns ${text}: "${pair}" ${problem}.`, {
        remedy: "Write it like --columns customer_id=CustID,ordered_at=Date,amount=Total",
      });
    }
    pairs.set(ours, theirs);
  }
  return Object.fromEntries(pairs);
}
