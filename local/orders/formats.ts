import { type DuckDBConnection, quotedString } from "@duckdb/node-api";
import { UserError } from "../../lib/user-error.ts";

/** A column of the file, whose text is in a column of the temporary table order_text. */
export interface TextColumn {
  readonly connection: DuckDBConnection;
  /** Path of the file. */
  readonly path: string;
  /** Name in the file. */
  readonly name: string;
  /** DuckDB's type in the file; VARCHAR when the file holds text. */
  readonly type: string;
  /** Name in order_text. */
  readonly text: string;
}

export type Decimal = "." | ",";

const iso = "ISO 8601";
const dateFormats = [
  iso,
  "%Y%m%d",
  "%d.%m.%Y",
  "%d.%m.%y",
  "%d/%m/%Y",
  "%m/%d/%Y",
  "%d/%m/%y",
  "%m/%d/%y",
  "%d-%m-%Y",
  "%m-%d-%Y",
];
const timesOfDay = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"];

/**
 * SQL: TIMESTAMPTZ of a text in a strptime format, which a time of day may follow, or in ISO 8601; UTC where it
 * names no zone. NULL for what is no date or not from 1900 to 2199, as no order is.
 */
export function dateOf(value: string, format: string, times: readonly string[] = timesOfDay): string {
  const formats = times.map((time) => quotedString(format + time)).join(", ");
  // DuckDB's cast wants the seconds before a zone, and no blank.
  const closedUp = `regexp_replace(${value}, ' ?([+-]\\d\\d:?(\\d\\d)?)$', '\\1')`;
  const withSeconds = `regexp_replace(${closedUp}, '([T ]\\d\\d:\\d\\d)(Z|[+-].*)$', '\\1:00\\2')`;
  const timestamp =
    format === iso
      ? `coalesce(TRY_CAST(${value} AS TIMESTAMPTZ), TRY_CAST(${withSeconds} AS TIMESTAMPTZ))`
      : `CAST(try_strptime(${value}, [${formats}]) AS TIMESTAMPTZ)`;
  const known = `${timestamp} >= TIMESTAMPTZ '1900-01-01 00:00:00Z' AND ${timestamp} < TIMESTAMPTZ '2200-01-01 00:00:00Z'`;
  return `CASE WHEN ${known} THEN ${timestamp} END`;
}

/**
 * SQL: DOUBLE of a text, NULL for what is no number. Of dot and comma the one that isn't the decimal sign
 * separates thousands; blanks, apostrophes and currency signs don't count.
 */
export function numberOf(value: string, decimal: Decimal): string {
  const number = decimal === "," ? `translate(${value}, ',.', '.,')` : value;
  const bare = `regexp_replace(${number}, '[\\s\\p{Z}\\p{Sc}'']', '', 'g')`;
  const grouped = `regexp_matches(${bare}, '^[+-]?[1-9]\\d{0,2}(,\\d{3})+(\\.\\d*)?$')`;
  return `coalesce(TRY_CAST(${number} AS DOUBLE),
    TRY_CAST(CASE WHEN ${grouped} THEN replace(${bare}, ',', '') ELSE ${bare} END AS DOUBLE))`;
}

/** The format for dateOf: what was told, or the one that converts the most values; throws a UserError when two do. */
export async function chooseDateFormat(column: TextColumn, told: string | undefined): Promise<string> {
  if (/^(DATE|TIMESTAMP)/.test(column.type)) return iso;
  if (told !== undefined) {
    await column.connection.run(`SELECT ${dateOf("''", told)}`).catch((cause) => {
      const remedy = "Write it as for strptime, for example --date-format %d.%m.%Y.";
      throw new UserError(`--date-format ${told} is not a date format.`, { remedy, cause });
    });
    return told;
  }
  // The day is enough to tell the formats apart, and there are few different days.
  const days = `regexp_extract(${column.text}, '^[^ T]+')`;
  const dayOf = (value: string, format: string): string => dateOf(value, format, [""]);
  const { best, rival, example } = await recognise(column.connection, days, dateFormats, dayOf);
  if (best === undefined) throw await noDate(column, "in a known format");
  if (rival === undefined) return best;
  const message = `The dates of column ${column.name} in ${column.path} are ambiguous: ${example} can be ${best} or ${rival}.`;
  throw new UserError(message, { remedy: `Say which: --date-format ${best} or --date-format ${rival}.` });
}

/** The decimal sign for numberOf: what was told, or the one that converts the most values; throws a UserError when both do. */
export async function chooseDecimal(column: TextColumn, told: Decimal | undefined): Promise<Decimal> {
  if (column.type !== "VARCHAR") return ".";
  const decimals: readonly Decimal[] = told === undefined ? [".", ","] : [told];
  const { best, rival, example } = await recognise(column.connection, column.text, decimals, numberOf);
  if (best === undefined) {
    throw new UserError(
      `Column ${column.name} of ${column.path} has no number to be an amount (${await sample(column)}).`,
      { remedy: "Name the column of the amounts: --columns amount=NAME, or their decimal sign: --decimal." },
    );
  }
  if (rival === undefined) return best;
  throw new UserError(
    `The amounts of column ${column.name} in ${column.path} are ambiguous: ${example} can have decimals or thousands.`,
    { remedy: "Say which sign starts the decimals: --decimal . or --decimal ,." },
  );
}

/** What to throw when a column has no date, with a value that it has. */
export async function noDate(column: TextColumn, format: string): Promise<UserError> {
  const message = `Column ${column.name} of ${column.path} has no date ${format} (${await sample(column)}).`;
  const remedy =
    "Name the column of the dates: --columns ordered_at=NAME, or their format: --date-format %d.%m.%Y.";
  return new UserError(message, { remedy });
}

/**
 * The first candidate that converts the most values, with a rival that converts as many but one, the example,
 * differently.
 */
async function recognise<C extends string>(
  connection: DuckDBConnection,
  values: string,
  candidates: readonly C[],
  convert: (value: string, candidate: C) => string,
): Promise<{ best?: C; rival?: C; example?: unknown }> {
  const distinct = `(SELECT ${values} AS value, count(*) AS n FROM order_text GROUP BY 1)`;
  const counts = candidates.map(
    (candidate) => `coalesce(sum(n) FILTER (${convert("value", candidate)} IS NOT NULL), 0)::INTEGER`,
  );
  const [converted] = await rows(connection, `SELECT ${counts.join(", ")} FROM ${distinct}`);
  const most = Math.max(...(converted as number[]));
  if (most === 0) return {};
  const [best, ...rivals] = candidates.filter((_, index) => converted![index] === most);
  for (const rival of rivals) {
    const differ = `${convert("value", best!)} <> ${convert("value", rival)}`;
    const [found] = await rows(connection, `SELECT min(value) FROM ${distinct} WHERE ${differ}`);
    if (found![0] !== null) return { best: best!, rival, example: found![0] };
  }
  return { best: best! };
}

async function sample({ connection, text }: TextColumn): Promise<string> {
  const [found] = await rows(connection, `SELECT any_value(nullif(trim(${text}), '')) FROM order_text`);
  return found![0] === null ? "all are blank" : `for example ${found![0]}`;
}

const rows = async (connection: DuckDBConnection, sql: string): Promise<unknown[][]> =>
  (await connection.runAndReadAll(sql)).getRows();
