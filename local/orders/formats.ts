import { type DuckDBConnection, quotedString } from "@duckdb/node-api";
import { UserError } from "../../lib/user-error.ts";
import type { OrderColumn } from "./column-names.ts";

/** A column of the file. Its values, as text or with their type, are in a column of the temporary table order_text. */
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
  /** Whether order_text has its values with their type. */
  readonly typed: boolean;
}

export type Decimal = "." | ",";

const iso = "ISO 8601";
const excel = "excel";
/** Numbers for dates, with the seconds since 1970 as SQL. A number is a date if it is from 1980 to 2099. */
const numberFormats: ReadonlyMap<string, (value: string) => string> = new Map([
  ["epoch", (value) => value],
  ["epoch_ms", (value) => `${value} / 1000`],
  ["epoch_us", (value) => `${value} / 1000000`],
  ["epoch_ns", (value) => `${value} / 1000000000`],
  // Excel counts days; 1970-01-01 is day 25569.
  [excel, (value) => `(${value} - 25569) * 86400`],
]);
const dateFormats = [
  iso,
  "%Y%m%d",
  "%Y%m%d%H%M%S",
  "%Y.%m.%d",
  "%Y年%m月%d日",
  "%d.%m.%Y",
  "%d.%m.%y",
  "%d/%m/%Y",
  "%m/%d/%Y",
  "%d/%m/%y",
  "%m/%d/%y",
  "%d-%m-%Y",
  "%m-%d-%Y",
  "%b %d, %Y",
  "%B %d, %Y",
  "%d %b %Y",
  "%d %B %Y",
  "%d-%b-%Y",
  "%d-%b-%y",
  "%b-%d-%Y",
  "%b-%d-%y",
  ...numberFormats.keys(),
];
const timesOfDay = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"];

/**
 * SQL for the TIMESTAMPTZ of a text in a date format, which a time of day can follow, or in ISO 8601; in the session's
 * time zone without a zone. NULL for what is not a date from 1900 to 2199.
 */
export function dateOf(value: string, format: string, times: readonly string[] = timesOfDay): string {
  const seconds = numberFormats.get(format)?.(`TRY_CAST(replace(${value}, ',', '.') AS DOUBLE)`);
  if (seconds !== undefined) {
    // A day of Excel has no zone. Its fraction is a time to the second.
    const time =
      format === excel
        ? `CAST(make_timestamp(CAST(round(${seconds}) AS BIGINT) * 1000000) AS TIMESTAMPTZ)`
        : `to_timestamp(${seconds})`;
    return `CASE WHEN ${seconds} BETWEEN 315532800 AND 4102444799 THEN ${time} END`;
  }
  const formats = times.map((time) => quotedString(format + time)).join(", ");
  // DuckDB's cast needs the seconds before a zone, and no blank.
  const closedUp = `regexp_replace(${value}, ' ?([+-]\\d\\d:?(\\d\\d)?)$', '\\1')`;
  const withSeconds = `regexp_replace(${closedUp}, '([T ]\\d\\d:\\d\\d)(Z|[+-].*)$', '\\1:00\\2')`;
  const parsed = (text: string): string => `try_strptime(${text}, [${formats}])`;
  // A day has no time of day to rewrite, which takes most of the time.
  const local =
    times === timesOfDay ? `coalesce(${parsed(value)}, ${parsed(plainTime(value))})` : parsed(value);
  const timestamp =
    format === iso
      ? `coalesce(TRY_CAST(${value} AS TIMESTAMPTZ), TRY_CAST(${withSeconds} AS TIMESTAMPTZ))`
      : `CAST(${local} AS TIMESTAMPTZ)`;
  return known(timestamp);
}

/** What is between a day and its time: "1/2/2020, 10:30", "1/2/2020 at 10.30", "1/2/2020 10h30". */
const BEFORE_TIME = "(?:,| -| at| um)?[T\\s\\p{Z}]+";

/** SQL that writes the time of day of a text like timesOfDay. */
function plainTime(value: string): string {
  const rules: [string, string][] = [
    [`(\\d日?)${BEFORE_TIME}(\\d{1,2})[:.h](\\d\\d)`, "\\1 \\2:\\3"],
    ["(:\\d\\d)[.,]\\d+", "\\1"],
    ["[\\s\\p{Z}]*Uhr$", ""],
    ["[\\s\\p{Z}]*([AP])\\.?[\\s\\p{Z}]?M\\.?$", " \\1M"],
  ];
  return rules.reduce(
    (text, [pattern, replacement]) => `regexp_replace(${text}, '(?i)${pattern}', '${replacement}')`,
    value,
  );
}

/** SQL for a TIMESTAMPTZ, NULL when it is not from 1900 to 2199. */
export const known = (time: string): string =>
  `CASE WHEN ${time} >= TIMESTAMPTZ '1900-01-01 00:00:00Z' AND ${time} < TIMESTAMPTZ '2200-01-01 00:00:00Z' THEN ${time} END`;

/**
 * The type to which a column of a typed file converts without a look at its text; undefined for the others. A FLOAT is
 * one of them: its text 12.1 is not 12.1 after a cast to DOUBLE.
 */
export function typeOf(column: OrderColumn, type: string): "TIMESTAMPTZ" | "DOUBLE" | undefined {
  if (column === "ordered_at")
    return /^(DATE|TIMESTAMP(_S|_MS| WITH TIME ZONE)?)$/.test(type) ? "TIMESTAMPTZ" : undefined;
  const isNumber = ["amount", "unit_price", "quantity", "refunded"].includes(column);
  const exact = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|DECIMAL\(.*\))$/;
  return isNumber && exact.test(type) ? "DOUBLE" : undefined;
}

/** Codes of ISO 4217 and short names, before or after an amount. */
const currencies = [
  ...Intl.supportedValuesOf("currency"),
  ..."US CA AU NZ HK NT MX A C R Rs Rp RM S/ kr Kč zł Ft lei SFr Fr Dh TL euros? dollars? rupees? 円 元 원 руб р грн".split(
    " ",
  ),
].join("|");

/** Currencies without cents in amounts of payment services, and those with thousandths: https://docs.stripe.com/currencies */
const NO_CENTS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF";
const THOUSANDTHS = "BHD JOD KWD OMR TND";

/** SQL for how many of the smallest unit make one of the currency; 100 without a currency. */
export function minorUnit(currency: string): string {
  const isOneOf = (codes: string) => `upper(${currency}) IN (${codes.split(" ").map(quotedString).join()})`;
  return `CASE WHEN ${isOneOf(NO_CENTS)} THEN 1 WHEN ${isOneOf(THOUSANDTHS)} THEN 1000 ELSE 100 END`;
}

/**
 * SQL for the DOUBLE of a text, NULL for what is not a number. Of dot and comma the one that is not the decimal sign
 * separates thousands (or lakhs, as in 1,23,456). Blanks, apostrophes and currencies do not count. (5), 5- and the
 * Unicode minus are negative. 5,- is 5 if the comma is the decimal sign.
 */
export function numberOf(value: string, decimal: Decimal): string {
  const number = decimal === "," ? `translate(${value}, ',.', '.,')` : value;
  const round = `regexp_replace(translate(${number}, '−–—－０１２３４５６７８９．，', '----0123456789.,'), '(\\d)(\\.-+|/-$)', '\\1')`;
  // Between digits, a blank or an apostrophe separates thousands: 5 10 are two numbers.
  const apart = "[\\s\\p{Z}''’]+";
  const several = `regexp_matches(${round}, '\\d${apart}(\\d{1,2}|\\d{4,})(\\D|$)|\\d{4,}${apart}\\d|[.,]\\d+${apart}\\d')`;
  const bare = `regexp_replace(${round}, '[\\s\\p{Z}\\p{Sc}''’]', '', 'g')`;
  const sign = "[+(-]?";
  const plain = `regexp_replace(regexp_replace(${bare}, '(?i)^(${sign})(?:${currencies})[.,]?(${sign}[\\d.])', '\\1\\2'), '(?i)([\\d.][)-]?)(?:${currencies})[.,]?$', '\\1')`;
  const signed = `regexp_replace(${plain}, '^(?:\\(([^()-]+)\\)|([^()-]+)-)$', '-\\1\\2')`;
  const grouped = `regexp_matches(${signed}, '^[+-]?([1-9]\\d{0,2}(,\\d{3})+|[1-9]\\d?(,\\d\\d)+,\\d{3})(\\.\\d*)?$')`;
  return `coalesce(TRY_CAST(${number} AS DOUBLE),
    TRY_CAST(CASE WHEN ${several} THEN NULL WHEN ${grouped} THEN replace(${signed}, ',', '') ELSE ${signed} END AS DOUBLE))`;
}

/**
 * The format for dateOf: the given one, or the one that converts the most values.
 * @throws UserError when two formats convert the most values to different dates.
 */
export async function chooseDateFormat(column: TextColumn, given: string | undefined): Promise<string> {
  if (/^(DATE|TIMESTAMP)/.test(column.type)) return iso;
  if (given !== undefined) {
    await column.connection.run(`SELECT ${dateOf("''", given)}`).catch((cause) => {
      const remedy = `Write it as for strptime, for example --date-format %d.%m.%Y, or ${[...numberFormats.keys()].join(", ")}.`;
      throw new UserError(`--date-format ${given} is not a date format.`, { remedy, cause });
    });
    return given;
  }
  // The day is enough to distinguish the formats, and there are few different days.
  const days = `regexp_replace(${column.text}, '(\\d日?)${BEFORE_TIME}\\d{1,2}[:.h]\\d\\d.*$', '\\1')`;
  const dayOf = (value: string, format: string): string => dateOf(value, format, [""]);
  const { best, rival, example } = await recognize(column.connection, days, dateFormats, dayOf);
  if (best === undefined) throw await noDate(column, "in a known format");
  const yearFirst = best.replace(/^%([dm])(.)%([dm])\2%y$/, "%y$2%m$2%d");
  const other = rival ?? yearFirst;
  const shown = rival ? example : await closerTogether(column.connection, days, yearFirst, best);
  if (shown === null) return best;
  const message = `The dates of column ${column.name} in ${column.path} are ambiguous: ${shown} can be ${best} or ${other}.`;
  throw new UserError(message, { remedy: `Choose one: --date-format ${best} or --date-format ${other}.` });
}

/** One of the dates, if all can be in the first format, too, and it brings dates of more than ten years closer together; else null. */
async function closerTogether(
  connection: DuckDBConnection,
  days: string,
  first: string,
  second: string,
): Promise<unknown> {
  const [one, other] = [first, second].map((format) => dateOf("day", format, [""]));
  const [found] = await rows(
    connection,
    `SELECT CASE WHEN count(one) = count(other) AND max(one) - min(one) < max(other) - min(other) AND max(other) - min(other) > INTERVAL 3653 DAY THEN min(day) END
     FROM (SELECT day, ${one} AS one, ${other} AS other FROM (SELECT DISTINCT ${days} AS day FROM order_text))`,
  );
  return found![0];
}

/**
 * The decimal sign for numberOf: the given one, or the one that converts the most values.
 * @throws UserError when both convert the most values to different numbers.
 */
export async function chooseDecimal(column: TextColumn, given: Decimal | undefined): Promise<Decimal> {
  if (column.type !== "VARCHAR") return ".";
  const decimals: readonly Decimal[] = given === undefined ? [".", ","] : [given];
  const { best, rival, example } = await recognize(column.connection, column.text, decimals, numberOf);
  if (best === undefined) {
    throw new UserError(`Column ${column.name} of ${column.path} has no numbers (${await sample(column)}).`, {
      remedy: "Name the column of the amounts: --columns amount=NAME, or their decimal sign: --decimal.",
    });
  }
  if (rival === undefined) return best;
  throw new UserError(
    `The amounts of column ${column.name} in ${column.path} are ambiguous: ${example} can have decimals or thousands.`,
    { remedy: "Choose the sign before the decimals: --decimal . or --decimal ,." },
  );
}

/** The error for a column without dates, with one of its values. */
export async function noDate(column: TextColumn, format: string): Promise<UserError> {
  const message = `Column ${column.name} of ${column.path} has no date ${format} (${await sample(column)}).`;
  const remedy =
    "Name the column of the dates: --columns ordered_at=NAME, or their format: --date-format %d.%m.%Y.";
  return new UserError(message, { remedy });
}

/**
 * The first candidate that converts the most values, and a rival that converts as many, but at least one value, the
 * example, differently.
 */
async function recognize<C extends string>(
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
  const [found] = await rows(connection, `SELECT any_value(${text}::VARCHAR) FROM order_text`);
  return found![0] === null ? "all are blank" : `for example ${found![0]}`;
}

const rows = async (connection: DuckDBConnection, sql: string): Promise<unknown[][]> =>
  (await connection.runAndReadAll(sql)).getRows();
