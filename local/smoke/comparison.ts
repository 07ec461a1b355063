import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type DuckDBConnection, quotedIdentifier as quote, quotedString } from "@duckdb/node-api";
import { DUCKDB_TYPES } from "dataform-check/googlesql-to-duckdb";
import { type RowDiff, rowDiff, snapshot } from "dataform-check/row-diff";
import type { RunRequest } from "../../contracts/messages.ts";
import { type Parameters, pathOf, type Row, type Target, type Warehouse } from "../../contracts/warehouse.ts";
import { createLogger } from "../../lib/log.ts";
import { UserError } from "../../lib/user-error.ts";
import { openLocalWarehouse, runOnce } from "../runtime/local-stack.ts";
import { ANY_ORDER } from "./orders.ts";

/** Largest relative difference of two floats that count as equal: engines add in different orders. */
const TOLERANCE = 1e-6;
/** A model's id is a hash of all digits of its parameters. */
const NOT_COMPARED = "model_id";

/** A table in BigQuery. */
export interface CloudTable extends Target {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly partitionColumn: string | undefined;
}

const ORDERS = Object.entries({
  order_id: "STRING",
  customer_id: "STRING",
  ordered_at: "TIMESTAMP",
  amount: "FLOAT64",
}).map(([name, type]) => ({ name, type }));

export interface ComparisonOptions {
  readonly warehouse: Warehouse;
  /** Path of the orders table in BigQuery, quoted. */
  readonly orders: string;
  /** Table of the models: the new model is compared with an earlier champion. */
  readonly models: CloudTable;
  readonly marts: readonly CloudTable[];
  readonly request: RunRequest;
  /** An empty folder. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * Runs the pipeline on this machine, with the orders and earlier champions of BigQuery, and compares the marts with
 * those in BigQuery. In the result, "before" is this machine.
 */
export async function compareMarts(options: ComparisonOptions): Promise<readonly RowDiff[]> {
  const { warehouse, orders, models, marts, request, folder, signal } = options;
  const { run_id, run_date } = request;
  const parameters: Parameters = { run_date: { type: "DATE", value: run_date } };
  const withDuckDb = async <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
    const local = await openLocalWarehouse(folder);
    return await local.withConnection(work).finally(() => local.close());
  };
  /** Makes a table from a query to BigQuery, by way of a file: the rows may not fit in memory. */
  const copy = async (
    connection: DuckDBConnection,
    to: string,
    columns: CloudTable["columns"],
    from: string,
  ) => {
    const file = join(folder, "rows.jsonl");
    const names = columns.map(({ name, type }) => `CAST(${name} AS ${type}) AS ${name}`).join(", ");
    const rows = warehouse.stream(
      `SELECT ${names} FROM ${from}`,
      from.includes("@run_date") ? parameters : {},
    );
    await pipeline(Readable.from(toLines(rows)), createWriteStream(file));
    const types = columns.map(({ name, type }) => `${quote(name)}: '${DUCKDB_TYPES[type]}'`).join(", ");
    await connection.run(
      `CREATE OR REPLACE TABLE ${to} AS FROM read_json(${quotedString(file)}, format = 'newline_delimited', columns = {${types}})`,
    );
  };

  await withDuckDb(async (connection) => {
    await connection.run("CREATE SCHEMA IF NOT EXISTS raw; CREATE SCHEMA IF NOT EXISTS rfm");
    await copy(connection, "raw.orders", ORDERS, `${orders} WHERE ${ANY_ORDER}`);
    const champions = `${pathOf(models)} WHERE run_date < @run_date AND is_champion`;
    await copy(connection, "rfm.models", models.columns, champions);
  });
  const log = createLogger({ component: "local" }, "error");
  const event = await runOnce(request, signal, { dataDir: folder, log });
  if (event.status !== "succeeded")
    throw new UserError(
      `On this machine, run ${run_id} ${event.status} in step ${event.failed_step}: ${event.reason}`,
    );

  return await withDuckDb(async (connection) => {
    const differences: RowDiff[] = [];
    for (const mart of marts) {
      const target = { project: "", dataset: "mlops_mkt", name: mart.name };
      const table = `mlops_mkt.${quote(mart.name)}`;
      const columns = mart.columns.filter(({ name }) => name !== NOT_COMPARED);
      const typed = columns.map(
        ({ name, type }) => `${quote(name)}::${DUCKDB_TYPES[type]} AS ${quote(name)}`,
      );
      await connection.run(`CREATE OR REPLACE TABLE ${table} AS SELECT ${typed.join(", ")} FROM ${table}`);
      await snapshot(connection, target);
      await copy(connection, table, columns, `${pathOf(mart)} WHERE run_date = @run_date`);
      differences.push(await rowDiff(connection, target, ["run_date", "customer_id"], "TRUE", TOLERANCE));
    }
    return differences;
  });
}

/** The tables with their rows. @throws UserError that has the differences, with examples */
export function describeComparison(compared: readonly RowDiff[]): string {
  const wrong = compared.filter(({ added, removed, changed }) => added + removed + changed > 0);
  if (wrong.length === 0)
    return `${compared.map(({ table, after }) => `${after} rows of ${table}`).join(" and ")} are those of the local edition; floats to ${TOLERANCE}, without ${NOT_COMPARED}`;
  const lines = wrong.map(({ table, added, removed, changed, columns }) => {
    const examples = columns.map(({ column, examples: [example] }) =>
      example === undefined
        ? ""
        : `; ${column} of ${example.key}: ${example.after} instead of ${example.before}`,
    );
    return `${table}: rows that differ from the local edition: ${changed}; missing: ${removed}; too many: ${added}${examples.join("")}`;
  });
  throw new UserError(lines.join("\n"), {
    remedy: "If orders arrived during the run, run the command again.",
  });
}

async function* toLines(rows: AsyncIterable<Row>) {
  for await (const row of rows) yield `${JSON.stringify(row)}\n`;
}
