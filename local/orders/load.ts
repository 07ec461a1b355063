import { type DuckDBConnection, quotedString } from "@duckdb/node-api";
import { UserError } from "../../lib/user-error.ts";
import { openLocalWarehouse } from "../runtime/local-stack.ts";
import type { OrderColumn } from "./column-names.ts";
import { isList, listed, mapColumns } from "./columns.ts";
import { daysOf, type OrderDays, skipLateDay } from "./days.ts";
import { type OrderFile, openOrderFile } from "./file.ts";
import {
  chooseDateFormat,
  chooseDecimal,
  type Decimal,
  dateOf,
  known,
  minorUnit,
  noDate,
  numberOf,
  typeOf,
} from "./formats.ts";
import { haveOneRowEach, ordersOf } from "./order-lines.ts";
import { areFlags, areWhole, haveTimes, onOtherDay, selectList, wholeIds } from "./order-text.ts";
import { readingWarnings } from "./reading-warnings.ts";
import { type Condition, filtersOf, keptBy, removeOthers } from "./row-filter.ts";

export interface OrdersOptions {
  /** CSV, JSON, both also gzipped, or Parquet, recognized by content. */
  readonly file: string;
  /** Name of the file's encoding in the WHATWG Encoding Standard, like windows-1250. @default recognized */
  readonly encoding?: string;
  /** Our name to the file's name. @default recognized. @example { customer_id: "CustID", ordered_at: "Date" } */
  readonly columns?: Readonly<Record<string, string>>;
  /** A strptime format, which a time of day can follow, "ISO 8601", or the name of a number format. @default recognized */
  readonly dateFormat?: string;
  /** @default recognized */
  readonly decimal?: Decimal;
  /** Ids that stand for customers without an account. Their orders are left out. @default none */
  readonly guests?: readonly string[];
  /** Only rows with one of these values in each of the columns that are named. @default all */
  readonly where?: readonly Condition[];
  /** Whether rows of one order are lines, also when their amounts are equal. @default recognized */
  readonly lines?: boolean;
  /** Whether refunds in a column of their own become orders of negative amount. @default separate: they do not */
  readonly refunds?: "net" | "separate";
  /** Of the shop: of times without a zone, and of days. @default UTC */
  readonly timeZone?: string;
  /** Throws when these orders must not replace the old ones. */
  readonly check?: (days: OrderDays) => void;
}

export interface OrdersSummary extends OrderDays {
  file: string;
  /** The known export that the file is, like Shopify orders. */
  format?: string;
  /** The share of its orders that is usually set aside, from 0 to 1, where it is large. */
  set_aside?: number;
  /** Rows of the file. */
  rows: number;
  /** Our name to the file's name. */
  columns: Record<string, string>;
  date_format: string;
  decimal: Decimal;
  /** How the file was read where it could mean something else, for people. */
  warnings: string[];
}

/** A sentence about how the file was read, for people. */
export function describeOrders({ format, columns, ...summary }: OrdersSummary): string {
  const renamed = Object.entries(columns).filter(([ours, theirs]) => ours !== theirs);
  const pairs = renamed.map(([ours, theirs]) => `${ours} is ${theirs}`);
  const { rows, first_order_on, last_order_on } = summary;
  return `${rows.toLocaleString("en-US")} rows, ${first_order_on} to ${last_order_on}${format === undefined ? "" : `, read as ${format}`}${pairs.length === 0 ? "" : ` (${pairs.join(", ")})`}`;
}

/** Reads the order log into raw.orders of the local warehouse, like loadOrders. */
export async function readOrders(dataDir: string, options: OrdersOptions): Promise<OrdersSummary> {
  const warehouse = await openLocalWarehouse(dataDir);
  try {
    return await warehouse.withConnection((connection) => loadOrders(connection, options));
  } finally {
    await warehouse.close();
  }
}

/**
 * Reads the file and replaces raw.orders atomically: order_id (the row's number, from 1, when the file has no such
 * column), customer_id, ordered_at (in the shop's time zone when it has none), amount, payment_method, quantity. A row is an order,
 * in the file's order; see ordersOf for files with several rows per order. A value that is blank, or can't be
 * converted, is NULL. The session's time zone becomes UTC.
 * @throws UserError, and leaves the old table, when the file, its columns or its formats can't be recognized, the check
 * fails, or the table can't be written.
 */
export async function loadOrders(
  connection: DuckDBConnection,
  options: OrdersOptions,
): Promise<OrdersSummary> {
  using file = await openOrderFile(connection, options.file, options.encoding);
  try {
    return await loadFile(connection, options, file);
  } catch (error) {
    // What can't be read may be in another encoding.
    if (!(error instanceof UserError) || file.guess.encoding === undefined) throw error;
    const { message, status, remedy = "", cause } = error;
    throw new UserError(message, { status, remedy: `${remedy} ${file.guess.encoding}`.trim(), cause });
  }
}

async function loadFile(
  connection: DuckDBConnection,
  options: OrdersOptions,
  file: OrderFile,
): Promise<OrdersSummary> {
  const path = options.file;
  const names = file.columns.map(({ name }) => name);
  const { positions, statuses, format, setAside, lines, minorUnits } = mapColumns(
    path,
    file.columns,
    options.columns ?? {},
  );
  const filters = filtersOf(path, names, options.where ?? []);
  const { timeZone = "UTC", refunds = "separate" } = options;
  const column = (text: OrderColumn) => {
    const { name, type } = file.columns[positions.get(text) ?? -1] ?? { name: text, type: "VARCHAR" };
    return { connection, path, name, type, text, typed: typeOf(text, type) !== undefined };
  };
  for (const { name, type } of [...positions.keys()].map(column)) {
    if (isList(type))
      throw new UserError(`Column ${name} of ${path} holds several values in each row (${type}).`, {
        remedy: `Name a column with one value: --columns. The columns: ${listed(names)}.`,
      });
  }
  const dates = column("ordered_at");
  const priced = positions.has("unit_price");
  const amounts = column(priced ? "unit_price" : "amount");
  // With no text to parse and no row to delete a view is enough: millions of rows are in memory once.
  const isView = dates.typed && amounts.typed && (options.guests ?? []).length + filters.length === 0;
  const orderRows = isView ? "VIEW" : "TABLE";
  const useZone = (zone: string) => connection.run(`SET TimeZone = ${quotedString(zone)}`);
  // A column like Created (UTC) has times without a zone that are not the shop's.
  const inUtc = /(?<![a-z])(utc|gmt)(?![a-z])/i.test(dates.name);
  await useZone(inUtc ? "UTC" : timeZone);
  try {
    await file.copyInto("order_text", selectList(file.columns, positions, statuses, filters));
    const [count] = (await connection.runAndReadAll("SELECT count(*)::INTEGER FROM order_text")).getRows();
    const rows = Number(count![0]);
    if (rows === 0) {
      throw new UserError(`${path} names columns but has no orders.`, {
        remedy: "Give a file with at least one order.",
      });
    }
    const dateFormat = await chooseDateFormat(dates, options.dateFormat);
    const decimal = await chooseDecimal(amounts, options.decimal);
    const number = (name: OrderColumn) =>
      column(name).typed ? name : numberOf(name, column(name).type === "VARCHAR" ? decimal : ".");
    const inCents = minorUnits.includes(amounts.text) && (await areWhole(connection, number(amounts.text)));
    // A column like refunded can have yes and no.
    const flagged =
      statuses.includes(positions.get("refunded") ?? -1) && (await areFlags(connection, "refunded"));
    const money = (name: OrderColumn) =>
      inCents && minorUnits.includes(name) ? `${number(name)} / ${minorUnit("currency")}` : number(name);
    // Of 12.50 USD it is USD. A digit before an e is that of 1e-5.
    const symbol =
      amounts.type === "VARCHAR"
        ? `nullif(regexp_replace(${amounts.text}, '[\\p{Nd}\\s\\p{Z}.,．，''’()+−-]|\\d[eE]', '', 'g'), '')`
        : "NULL::VARCHAR";
    const numbered = !positions.has("order_id");
    const ids = [
      `${numbered ? "(rowid + 1)::VARCHAR" : await wholeIds(connection, "order_id")} AS order_id`,
      // Shops keep an e-mail address as the customer types it each time.
      `CASE WHEN contains(customer_id, '@') THEN lower(customer_id) ELSE ${await wholeIds(connection, "customer_id")} END AS customer_id`,
    ];
    if (inUtc && !(await haveTimes(connection))) await useZone(timeZone);
    await connection.run(
      // A return can have a negative price and a negative quantity.
      `CREATE OR REPLACE TEMP ${orderRows} order_rows AS
      SELECT rowid + 1 AS row, content, ${keptBy(filters)} AS kept,
        ${ids.join(", ")},
        time AS ordered_at, CASE WHEN time IS NULL THEN ordered_at${dates.typed ? "::TIMESTAMP::VARCHAR" : ""} END AS no_date,
        ${dates.typed ? "false" : onOtherDay("ordered_at", "time")} AS on_other_day,
        ${priced ? "round(value * CASE WHEN value < 0 THEN abs(pieces) ELSE pieces END, 6)" : "value"} AS amount, ${amounts.text} IS NOT NULL AS has_amount,
        CASE WHEN value IS NULL THEN ${amounts.text} END AS no_amount,
        CASE WHEN pieces IS NULL THEN ${priced ? "coalesce(quantity::VARCHAR, 'a blank')" : "NULL::VARCHAR"} END AS no_quantity, payment_method,
        CASE WHEN pieces = trunc(pieces) THEN TRY_CAST(pieces AS BIGINT) END AS quantity,
        ${statuses.map((_, index) => `status${index}, `).join("")}${positions.has("currency") ? "currency" : `CASE WHEN value IS NOT NULL THEN ${symbol} END AS currency`},
        ${flagged ? "NULL::DOUBLE" : money("refunded")} AS refunded
      FROM (
        SELECT *, rowid, ${dates.typed ? known("ordered_at") : dateOf("ordered_at", dateFormat)} AS time,
          ${money(amounts.text)} AS value, ${number("quantity")} AS pieces
        FROM order_text
      )`,
    );
    await useZone(timeZone);
    const days = await daysOf(connection);
    if (days === undefined)
      throw await noDate(
        dates,
        `from 1971 to today in the format ${dateFormat}, alone or with a time like 13:45`,
      );
    const late = await skipLateDay(connection, days);
    options.check?.(days);
    const columns = Object.fromEntries([...positions].map(([target, index]) => [target, names[index]!]));
    const removed = [
      ...(await removeGuests(connection, options.guests ?? [])),
      ...(await removeOthers(connection, path, filters)),
    ];
    const oneRowEach = numbered || (await haveOneRowEach(connection));
    const areLines = lines || options.lines === true;
    const statusNames = statuses.map((index) =>
      index === positions.get("refunded") && !flagged ? undefined : names[index]!,
    );
    const reading = {
      columns,
      statuses: statusNames,
      email: names.find((name) => /e-?mail([ _-]?address|-?adresse)?( \(\w+\))?$/i.test(name)),
      dateFormat,
      timeZone,
      refunds,
      oneRowEach,
      inCents,
      lines: areLines,
    };
    const warnings = [
      ...[file.guess.encoding ?? [], file.guess.quotes ?? []].flat(),
      ...late,
      ...(await readingWarnings(connection, reading)),
      ...removed,
    ];
    const orders = oneRowEach ? "FROM order_rows" : ordersOf(areLines);
    // The rows of order_rows are in the file's order. A refund comes after its order.
    const sorted = oneRowEach && refunds === "separate" ? "" : "ORDER BY row, amount DESC";
    const net =
      refunds === "net"
        ? "UNION ALL BY NAME SELECT * REPLACE (-abs(refunded) AS amount, NULL AS quantity) FROM orders WHERE refunded <> 0"
        : "";
    await replaceOrders(
      connection,
      path,
      `WITH orders AS (${orders})
      SELECT order_id, customer_id, ordered_at, amount, payment_method, quantity FROM (FROM orders ${net}) ${sorted}`,
      JSON.stringify([options, columns, dateFormat, decimal, ids, inCents]),
    );
    return {
      file: path,
      ...(format && { format }),
      ...(setAside && { set_aside: setAside }),
      rows,
      ...days,
      columns,
      date_format: dateFormat,
      decimal,
      warnings,
    };
  } finally {
    await connection.run(
      `SET TimeZone = 'UTC'; DROP ${orderRows} IF EXISTS temp.order_rows; DROP TABLE IF EXISTS temp.order_text`,
    );
  }
}

/** Deletes the rows of these customers; returns the warning about it. */
async function removeGuests(connection: DuckDBConnection, guests: readonly string[]): Promise<string[]> {
  if (guests.length === 0) return [];
  const { rowsChanged } = await connection.run(
    `DELETE FROM order_rows WHERE lower(customer_id) IN (${guests.map((id) => quotedString(id.toLowerCase())).join()})`,
  );
  return [`Rows of guests (customer ${guests.join(", ")}) that are left out: ${rowsChanged}.`];
}

/** When the log is read in another way, old orders change, too: the next run then reads all of them (rfm.order_reads). */
async function replaceOrders(
  connection: DuckDBConnection,
  path: string,
  select: string,
  wayOfReading: string,
): Promise<void> {
  try {
    const tables = await connection.runAndReadAll(
      "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables() WHERE database_name = current_database()",
    );
    const comments = new Map(tables.getRows().map(([table, comment]) => [String(table), comment]));
    const forget =
      comments.has("rfm.order_reads") && comments.get("raw.orders") !== wayOfReading
        ? "DELETE FROM rfm.order_reads;"
        : "";
    await connection.run(
      `BEGIN; CREATE SCHEMA IF NOT EXISTS raw; CREATE OR REPLACE TABLE raw.orders AS ${select};
       COMMENT ON TABLE raw.orders IS ${quotedString(wayOfReading)}; ${forget} COMMIT`,
    );
  } catch (error) {
    await connection.run("ROLLBACK").catch(() => undefined);
    const [reason] = (error as Error).message.split("\n");
    throw new UserError(`The orders of ${path} can't be stored: ${reason}`, {
      status: 503,
      remedy: "Check that the disk has space left and that no other process is writing, then try again.",
      cause: error,
    });
  }
}
