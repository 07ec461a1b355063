import type { DuckDBConnection } from "@duckdb/node-api";
import { UserError } from "../../lib/user-error.ts";
import { mapColumns, type OrderColumn } from "./columns.ts";
import { openOrderFile } from "./file.ts";
import { chooseDateFormat, chooseDecimal, type Decimal, dateOf, noDate, numberOf } from "./formats.ts";

export interface OrdersOptions {
  /** CSV, gzipped CSV or Parquet, recognised by content. */
  file: string;
  /** Our name to the file's name, as in --columns customer_id=CustID,ordered_at=Date. @default names and synonyms are recognised */
  columns?: Record<string, string>;
  /** A strptime format, which a time of day may follow, or "ISO 8601". @default recognised */
  dateFormat?: string;
  /** @default recognised */
  decimal?: Decimal;
  /** Throws when these orders must not replace the old ones. */
  check?: (days: OrderDays) => void;
}

/** First and last day of the rows that have a date, YYYY-MM-DD, UTC. */
interface OrderDays {
  first_order_on: string;
  last_order_on: string;
}

export interface OrdersSummary extends OrderDays {
  file: string;
  rows: number;
  /** Our name to the file's name. */
  columns: Record<string, string>;
  date_format: string;
  decimal: Decimal;
}

/**
 * Reads the file and replaces raw.orders atomically: order_id (the row's number, from 1, when the file has no such
 * column), customer_id, ordered_at (UTC, also where no zone is given), amount, payment_method, quantity. Every row
 * of the file is a row of the table, in the file's order; a value that is blank, or can't be converted, is NULL.
 * Blanks around a text are dropped. The session's time zone becomes UTC. Throws a UserError, and leaves the old table
 * as it was, when the file, its columns or its formats can't be made out, the check fails or the table can't be written.
 */
export async function loadOrders(
  connection: DuckDBConnection,
  options: OrdersOptions,
): Promise<OrdersSummary> {
  const path = options.file;
  const file = await openOrderFile(connection, path);
  const names = file.columns.map(({ name }) => name);
  const positions = mapColumns(path, names, options.columns ?? {});
  const column = (text: OrderColumn) => {
    const { name, type } = file.columns[positions.get(text) ?? -1] ?? { name: text, type: "VARCHAR" };
    return { connection, path, name, type, text };
  };
  await connection.run("SET TimeZone = 'UTC'");
  try {
    await file.copyInto("order_text", textColumns(positions));
    const [count] = (await connection.runAndReadAll("SELECT count(*)::INTEGER FROM order_text")).getRows();
    const rows = Number(count![0]);
    if (rows === 0) {
      throw new UserError(`${path} names columns but has no orders.`, {
        remedy: "Give a file with at least one order.",
      });
    }
    const dates = column("ordered_at");
    const dateFormat = await chooseDateFormat(dates, options.dateFormat);
    const decimal = await chooseDecimal(column("amount"), options.decimal);
    const quantity = numberOf("quantity", column("quantity").type === "VARCHAR" ? decimal : ".");
    const range = await replaceOrders(
      connection,
      path,
      `SELECT order_id, customer_id, ${dateOf("ordered_at", dateFormat)} AS ordered_at,
        ${numberOf("amount", decimal)} AS amount, payment_method,
        CASE WHEN ${quantity} = trunc(${quantity}) THEN TRY_CAST(${quantity} AS BIGINT) END AS quantity
      FROM order_text`,
      () => noDate(dates, `in the format ${dateFormat}`),
      options.check,
    );
    const columns = Object.fromEntries([...positions].map(([target, index]) => [target, names[index]!]));
    return { file: path, rows, ...range, columns, date_format: dateFormat, decimal };
  } finally {
    await connection.run("DROP TABLE IF EXISTS temp.order_text");
  }
}

/** SELECT list of all order columns as text. */
function textColumns(positions: ReadonlyMap<OrderColumn, number>): string {
  const valueIn = (column: OrderColumn): string => {
    const index = positions.get(column);
    return index === undefined ? "NULL::VARCHAR" : `c${index}::VARCHAR`;
  };
  const trimmed = (column: OrderColumn): string => `nullif(trim(${valueIn(column)}), '') AS ${column}`;
  return [
    positions.has("order_id") ? trimmed("order_id") : "(row_number() OVER ())::VARCHAR AS order_id",
    trimmed("customer_id"),
    trimmed("ordered_at"),
    trimmed("payment_method"),
    `${valueIn("amount")} AS amount`,
    `${valueIn("quantity")} AS quantity`,
  ].join(", ");
}

/** Swaps the table in one transaction; its first and last day tell whether there is a date at all. */
async function replaceOrders(
  connection: DuckDBConnection,
  path: string,
  select: string,
  noDateProblem: () => Promise<UserError>,
  check: OrdersOptions["check"],
): Promise<OrderDays> {
  try {
    await connection.run("BEGIN");
    await connection.run("CREATE SCHEMA IF NOT EXISTS raw");
    await connection.run(`CREATE OR REPLACE TABLE raw.orders AS ${select}`);
    const range = await connection.runAndReadAll(
      "SELECT min(ordered_at)::DATE::VARCHAR, max(ordered_at)::DATE::VARCHAR FROM raw.orders",
    );
    const [first_order_on, last_order_on] = range.getRows()[0] as [string | null, string | null];
    if (first_order_on === null || last_order_on === null) throw await noDateProblem();
    check?.({ first_order_on, last_order_on });
    await connection.run("COMMIT");
    return { first_order_on, last_order_on };
  } catch (error) {
    await connection.run("ROLLBACK").catch(() => undefined);
    if (error instanceof UserError) throw error;
    const [reason] = (error as Error).message.split("\n");
    throw new UserError(`The orders of ${path} can't be stored: ${reason}`, {
      status: 503,
      remedy: "Check that the disk has space left and that nothing else is writing, then try again.",
      cause: error,
    });
  }
}
