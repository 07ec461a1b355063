import { createHash } from "node:crypto";
import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import { UserError } from "../lib/user-error.ts";
import { loadOrders, type OrdersOptions, type OrdersSummary } from "../local/orders/load.ts";
import { openLocalWarehouse, projectDir } from "../local/runtime/local-stack.ts";

/** The log that runs when none is given, and the run date of the papers. */
export const CDNOW = { file: join(projectDir, "data", "cdnow.csv.gz"), runDate: "1997-10-01" };

/** The options that tell which log to read, and how, as commander gives them. */
export interface OrdersArguments {
  readonly orders?: string;
  readonly columns?: string;
  readonly dateFormat?: string;
  readonly decimal?: string;
  readonly dataDir?: string;
}

/** Adds the options that tell which log to read, and how. */
export function withOrders(command: Command): Command {
  return command
    .option("--orders <file>", "order log: CSV, CSV.gz or Parquet (default: the CDNOW log)")
    .option(
      "--columns <pairs>",
      "names of the log's columns, like customer_id=CustID,ordered_at=Date,amount=Total",
    )
    .option("--date-format <format>", "format of its dates, like %d.%m.%Y (default: recognised)")
    .option("--decimal <sign>", 'decimal sign of its amounts, "." or "," (default: recognised)')
    .option("--data-dir <dir>", "folder of the warehouse and the runs (default: .data/ and the log's name)");
}

/** The log that the options name, and how to read it; throws a UserError that names the option. */
export function ordersOf({ orders, columns, dateFormat, decimal }: OrdersArguments): OrdersOptions {
  return {
    file: orders ?? CDNOW.file,
    ...(columns === undefined ? {} : { columns: columnPairs(columns) }),
    ...(dateFormat === undefined ? {} : { dateFormat }),
    ...(decimal === undefined ? {} : { decimal: decimalSign(decimal) }),
  };
}

/** Each log has a warehouse of its own unless told: a model of one shop is no champion of another's. */
export function dataDirOf(dataDir: string | undefined, file: string): string {
  if (dataDir?.trim() === "")
    throw new UserError("--data-dir is blank.", { remedy: "Give a folder, or leave it out." });
  if (dataDir !== undefined) return resolve(dataDir);
  const name = basename(file)
    .split(".")[0]!
    .replaceAll(/[^\w-]/g, "_");
  const path = createHash("sha256").update(resolve(file)).digest("hex").slice(0, 8);
  return resolve(".data", resolve(file) === CDNOW.file ? name : `${name}-${path}`);
}

/** Reads the log into raw.orders of the embedded warehouse. */
export async function readOrders(dataDir: string, options: OrdersOptions): Promise<OrdersSummary> {
  const warehouse = await openLocalWarehouse(dataDir);
  try {
    return await warehouse.withConnection((connection) => loadOrders(connection, options));
  } finally {
    await warehouse.close();
  }
}

function columnPairs(text: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const pair of text.split(",")) {
    const [ours, theirs] = pair.split(/=(.*)/s).map((name) => name.trim());
    if (!ours || !theirs || ours in pairs) {
      throw new UserError(
        `--columns ${text}: "${pair}" is ${ours && ours in pairs ? "there twice" : "not a pair"}.`,
        {
          remedy: "Write it like --columns customer_id=CustID,ordered_at=Date,amount=Total",
        },
      );
    }
    pairs[ours] = theirs;
  }
  return pairs;
}

function decimalSign(sign: string): "." | "," {
  if (sign === "." || sign === ",") return sign;
  throw new UserError(`--decimal is ${JSON.stringify(sign)}; allowed is "." or ",".`);
}
