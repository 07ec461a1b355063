import { type DuckDBConnection, quotedString } from "@duckdb/node-api";
import { type OrderColumn, orderColumns } from "./column-names.ts";
import type { OrderFile } from "./file.ts";
import { typeOf } from "./formats.ts";
import type { Filter } from "./row-filter.ts";

/** Blanks around a value: of ASCII, of Unicode, and those of no width. */
const BLANKS =
  " \t\n\v\f\r\u00a0\u00ad\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u202f\u205f\u2060\u3000\ufeff";

/** SQL condition: the text has an offset from UTC, or a zone like EST, and by it another day than in the session's time zone. */
export const onOtherDay = (text: string, time: string): string =>
  `regexp_matches(${text}, '\\d[+-]\\d\\d:?(\\d\\d)?$|\\d [+-]\\d\\d:?(\\d\\d)?$|\\d ?[A-Z][A-Za-z_/]{2,}$') AND NOT regexp_matches(${text}, '(UTC|GMT|Z)$') AND coalesce(TRY_CAST(left(${text}, 10) AS DATE) <> (${time})::DATE, false)`;

/** SELECT list of a hash of all the row's values and of the order columns: with their type if it is exact, otherwise as text. */
export function selectList(
  columns: OrderFile["columns"],
  positions: ReadonlyMap<OrderColumn, number>,
  statuses: readonly number[],
  filters: readonly Filter[],
): string {
  // é can be one character or two. Most values need neither this nor a trim, which takes ten times as long as this look.
  const textOf = (position: number): string =>
    `CASE WHEN regexp_full_match(c${position}::VARCHAR, '[!-~]([ -~]*[!-~])?') THEN c${position}::VARCHAR
     ELSE nullif(trim(nfc_normalize(c${position}::VARCHAR), ${quotedString(BLANKS)}), '') END`;
  const value = (column: OrderColumn): string => {
    const index = positions.get(column);
    if (index === undefined) return `NULL::VARCHAR AS ${column}`;
    const type = typeOf(column, columns[index]!.type);
    if (column === "order_id" || column === "customer_id") return `${idOf(textOf(index))} AS ${column}`;
    return `${type === undefined ? textOf(index) : `TRY_CAST(c${index} AS ${type})`} AS ${column}`;
  };
  return [
    "hash(t) AS content",
    ...orderColumns.map(value),
    ...statuses.map((position, index) => `${textOf(position)} AS status${index}`),
    ...filters.map(({ position }, index) => `${textOf(position)} AS where${index}`),
  ].join(", ");
}

/** SQL of an id without what makes a spreadsheet keep it as text: ="007". */
const idOf = (text: string): string => `regexp_replace(${text}, '^="(.*)"$', '\\1')`;

/** SQL of an id. When all ids are whole numbers, 17850.0 is 17850: tools that know blanks only as floats write it. */
export async function wholeIds(
  connection: DuckDBConnection,
  column: "order_id" | "customer_id",
): Promise<string> {
  const other = await connection.runAndReadAll(
    `SELECT 1 FROM order_text WHERE regexp_matches(${column}, '\\d') AND NOT regexp_full_match(${column}, '\\d+(\\.0+)?') LIMIT 1`,
  );
  return other.currentRowCount === 0 ? `regexp_replace(${column}, '\\.0+$', '')` : column;
}

/** Whether a date has a time of day. */
export async function haveTimes(connection: DuckDBConnection): Promise<boolean> {
  const found = await connection.runAndReadAll(
    "SELECT 1 FROM order_text WHERE contains(ordered_at::VARCHAR, ':') LIMIT 1",
  );
  return found.currentRowCount > 0;
}

/** Whether the numbers have no fraction, as those in cents. */
export async function areWhole(connection: DuckDBConnection, number: string): Promise<boolean> {
  const found = await connection.runAndReadAll(
    `SELECT coalesce(bool_and(value = trunc(value)), false) FROM (SELECT ${number} AS value FROM order_text)`,
  );
  return found.getRows()[0]![0] === true;
}

/** Whether the values only say yes or no. */
export async function areFlags(connection: DuckDBConnection, column: OrderColumn): Promise<boolean> {
  const other = await connection.runAndReadAll(
    `SELECT 1 FROM order_text WHERE NOT regexp_full_match(${column}::VARCHAR, '(?i)[01](\\.0)?|true|false|yes|no|[tfyn]') LIMIT 1`,
  );
  return other.currentRowCount === 0;
}
