import type { DuckDBConnection } from "@duckdb/node-api";
import { argument, isEnding } from "./columns.ts";
import { dateOf } from "./formats.ts";

/** What of the reading is a choice of the caller. */
export interface Reading {
  /** Our name to the file's name. */
  readonly columns: Readonly<Record<string, string>>;
  /** Names in the file of order_rows' columns status0, status1, …; undefined for one that is no status. */
  readonly statuses: readonly (string | undefined)[];
  /** Name of a column with e-mail addresses. */
  readonly email: string | undefined;
  readonly dateFormat: string;
  readonly timeZone: string;
  readonly refunds: "net" | "separate";
  /** Whether each row is an order of its own. */
  readonly oneRowEach: boolean;
  /** Whether the amounts were in cents, or whatever is the smallest unit of the currency. */
  readonly inCents: boolean;
  /** Whether rows of one order are always lines. */
  readonly lines: boolean;
}

/** How the rows in order_rows were read where they could mean something else, as sentences for people. */
export async function readingWarnings(connection: DuckDBConnection, reading: Reading): Promise<string[]> {
  const { columns, email, dateFormat, timeZone, refunds, oneRowEach, inCents } = reading;
  const swapped = dateFormat.replace(/%([dm])(.)%([dm])/, "%$3$2%$1");
  const numbered = columns.order_id === undefined;
  const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjects();
  const [counts] = await rows(`
    WITH refunds AS (
      SELECT max(abs(refunded)) AS refunded FROM order_rows WHERE refunded <> 0
      GROUP BY coalesce(order_id, row::VARCHAR || ' without id')
    )
    SELECT
      count(*)::INTEGER AS rows,
      ${oneRowEach && !numbered ? "0" : "(count(*) - count(DISTINCT content))::INTEGER"} AS equal,
      ${numbered && !reading.lines ? "(count(DISTINCT content) - count(DISTINCT hash(customer_id, ordered_at, amount)))::INTEGER" : "0"} AS alike,
      count(DISTINCT hash(customer_id)) FILTER (customer_id IS NOT NULL)::INTEGER AS customers,
      ${oneRowEach ? "count(*)" : "count(DISTINCT order_id)"}::INTEGER AS orders,
      count(*) FILTER (ordered_at >= (current_date + 1)::TIMESTAMPTZ)::INTEGER AS future,
      count(*) FILTER (ordered_at < '1971-01-01'::DATE::TIMESTAMPTZ)::INTEGER AS before_1971,
      ${oneRowEach && !reading.lines ? "count(*) FILTER (amount = 0)::INTEGER" : "0"} AS free,
      ${oneRowEach && !numbered && email !== undefined ? `count(*) FILTER (${NO_ACCOUNT})::INTEGER` : "0"} AS no_accounts,
      count(*) FILTER (on_other_day)::INTEGER AS on_other_day,
      count(*) FILTER (no_date IS NOT NULL)::INTEGER AS no_dates, any_value(no_date) AS no_date,
      ${swapped === dateFormat ? "0" : `count(*) FILTER (${dateOf("no_date", swapped)} IS NOT NULL)::INTEGER`} AS swapped,
      count(*) FILTER (no_amount IS NOT NULL)::INTEGER AS no_amounts, any_value(no_amount) AS no_amount,
      count(*) FILTER (no_quantity IS NOT NULL)::INTEGER AS no_quantities, any_value(no_quantity) AS no_quantity,
      ${["order_id", "customer_id"].map((id) => `count(*) FILTER (${SHORTENED(id)})::INTEGER AS shortened_${id}, any_value(${id}) FILTER (${SHORTENED(id)}) AS example_of_${id}`).join(", ")},
      count(*) FILTER (${NAMED})::INTEGER AS named, any_value(customer_id) FILTER (${NAMED}) AS name,
      count(*) FILTER (${NOBODY})::INTEGER AS nobody, mode(customer_id) FILTER (${NOBODY}) AS no_person,
      max(amount) AS largest, (SELECT count(*) FROM refunds)::INTEGER AS refunds, (SELECT sum(refunded) FROM refunds) AS refunded
    FROM order_rows`);
  const [lines] = oneRowEach
    ? []
    : await rows(`
    WITH orders AS (
      SELECT min(amount) <> max(amount) AS differ
      FROM order_rows WHERE order_id IS NOT NULL AND amount IS NOT NULL GROUP BY order_id, customer_id, ordered_at::DATE
      HAVING min(content) <> max(content)
    )
    SELECT count(*) FILTER (differ)::INTEGER AS added, count(*) FILTER (NOT differ)::INTEGER AS repeated FROM orders`);
  const of = (name: string): number => Number({ ...counts, ...lines }[name] ?? 0);
  /** The most frequent values of a column, when there are several. More than 20 are not statuses but for example states of the US. */
  const several = async (
    column: string,
    name: string | undefined,
    what: "statuses" | "currencies",
    consequence: string,
  ): Promise<string | false> => {
    const found = await rows(
      `SELECT mode(${column}) AS value, count(*)::INTEGER AS rows, coalesce(sum(amount), 0) AS amount FROM order_rows
       WHERE ${column} IS NOT NULL GROUP BY lower(${column}) ORDER BY 2 DESC, 1 LIMIT 21`,
    );
    if (found.length < 2 || (what === "statuses" && found.length > 20)) return false;
    const texts = found
      .slice(0, 5)
      .map(({ value, rows, amount }) => `${value} ${whole(rows)} (${money(amount)})`);
    const option =
      name === undefined ? "" : ` To keep one: ${argument("--where", `${name}=${found[0]!.value}`)}.`;
    return `The orders have several ${what}: ${texts.join(", ")}${found.length > 5 ? " and others" : ""}. ${consequence}${option}`;
  };
  /** The orders with a time in a column like cancelled_at. */
  const ended = async (column: string, name: string): Promise<string | false> => {
    const time = `coalesce(regexp_matches(${column}, '[1-9]'), false)`;
    const [found] = await rows(
      `SELECT count(*) FILTER (${time})::INTEGER AS rows, coalesce(sum(amount) FILTER (${time}), 0) AS amount,
         coalesce(mode(${column}) FILTER (NOT ${time}), '') AS other FROM order_rows`,
    );
    return (
      Number(found!.rows) > 0 &&
      `Orders with a time in column ${name}: ${whole(found!.rows)} (${money(found!.amount)}). They count as orders. To leave them out: ${argument("--where", `${name}=${found!.other}`)}.`
    );
  };
  const priced = columns.unit_price !== undefined;
  const addedUp = reading.lines || of("added") >= of("repeated");
  return [
    priced &&
      `The amount is ${columns.unit_price} times ${columns.quantity}. If ${columns.unit_price} is already the amount, give ${argument("--columns", `amount=${columns.unit_price}`)}.`,
    inCents &&
      `The amounts of column ${columns.amount ?? columns.unit_price} are read as the smallest unit of the currency, like cents: the largest is ${money(counts!.largest)}. If they are not, rename the column.`,
    of("added") > 0 &&
      `Orders with several rows of different amounts: ${of("added")}. The amounts are added up. If the rows are versions of an order, keep only the last one.`,
    of("repeated") > 0 &&
      `Orders with several rows of the same amount: ${of("repeated")}. ${addedUp ? `The amounts are added up${of("added") > 0 ? ", as in the other orders" : ""}.` : "The amount counts once, as the order's total. If the rows are lines with amounts of their own, give --lines: they are added up."}`,
    of("equal") > 0 &&
      `Rows that are equal to another row in all columns: ${of("equal")}. ${numbered ? "Without order ids they count as orders. If they are copies, remove them from the file." : "They count once."}`,
    of("alike") > of("rows") / 100 &&
      `Rows with the customer, time and amount of another row, which differ in other columns: ${of("alike")}. Without order ids they count as orders, and their amounts are added up. If rows of one order repeat its total, give the column of the order's id: --columns order_id=NAME.`,
    of("future") > 0 &&
      `Orders dated after today: ${of("future")}. They are set aside and do not move the run date.`,
    of("before_1971") > 0 &&
      `Orders dated before 1971, which usually means no date: ${of("before_1971")}. They are set aside.`,
    of("no_dates") > 0 &&
      `Dates of column ${columns.ordered_at} that can't be read: ${of("no_dates")}, for example ${counts!.no_date}. These rows are set aside.`,
    of("no_amounts") > 0 &&
      `Amounts of column ${columns.unit_price ?? columns.amount} that can't be read: ${of("no_amounts")}, for example ${counts!.no_amount}. These rows are set aside.`,
    of("swapped") > 0 &&
      `Of these dates, ${of("swapped")} are in the format ${swapped}. Others of them can be read with day and month exchanged. Write all dates in one format.`,
    of("no_quantities") > 0 &&
      `Quantities of column ${columns.quantity} that can't be read: ${of("no_quantities")}, for example ${counts!.no_quantity}. These rows have no amount and are set aside. If ${columns.unit_price} is already the amount, give ${argument("--columns", `amount=${columns.unit_price}`)}.`,
    ...(["order_id", "customer_id"] as const).map(
      (id) =>
        of(`shortened_${id}`) > 0 &&
        `Ids of column ${columns[id]} that a program wrote as rounded numbers: ${of(`shortened_${id}`)}, for example ${counts![`example_of_${id}`]}. Different ids can have become equal. Export them again, as text.`,
    ),
    of("on_other_day") > 0 &&
      `Times of another zone than ${timeZone} that are on another day there: ${of("on_other_day")} of ${of("rows")}. Give the shop's time zone, for example --shop-time-zone America/New_York.`,
    of("nobody") > 0 &&
      `Rows of the customer ${counts!.no_person} and the like: ${of("nobody")}. If that is no person, leave them out: ${argument("--guests", String(counts!.no_person))}.`,
    of("no_accounts") > 0 &&
      email !== columns.customer_id &&
      `Orders without a customer in column ${columns.customer_id}, or with 0: ${of("no_accounts")} of ${of("rows")}. If guests give an e-mail address, read it as the customer: ${argument("--columns", `customer_id=${email}`)}.`,
    of("free") > of("rows") / 20 &&
      `Orders of amount 0: ${of("free")} of ${of("rows")}. They count as purchases. If they are samples, replacements or cancelled, remove them from the file.`,
    of("named") > of("rows") / 2 &&
      `The customers of column ${columns.customer_id} are names, like ${counts!.name}. Two persons of one name count as one customer. If the file has an id or an e-mail address, give it: --columns customer_id=NAME.`,
    of("orders") >= 100 &&
      of("customers") * 50 < of("orders") &&
      `The ${of("orders")} orders have only ${of("customers")} customers. If ${columns.customer_id} is not the person who buys, give another column: --columns customer_id=NAME.`,
    of("customers") >= 100 &&
      of("customers") === of("orders") &&
      `Each of the ${of("orders")} orders has a customer of its own, so there are no repeat purchases. If ${columns.customer_id} is not the person, give another column: --columns customer_id=NAME.`,
    ...(await Promise.all(
      reading.statuses.map((name, index) => {
        if (name === undefined) return false;
        if (isEnding(name)) return ended(`status${index}`, name);
        return several(`status${index}`, name, "statuses", "All count as orders.");
      }),
    )),
    await several(
      "currency",
      columns.currency,
      "currencies",
      "Their amounts are added up without conversion.",
    ),
    of("refunds") > 0 &&
      `Refunds in column ${columns.refunded}: ${money(counts!.refunded)} of ${of("refunds")} orders. ${refunds === "net" ? "They are subtracted." : "They are not subtracted. To subtract them: --refunds net."}`,
  ].filter((warning) => warning !== false);
}

/** SQL condition: an id like 1.23E+12, which spreadsheets and tools make of a long number. */
const SHORTENED = (id: string): string => `regexp_full_match(${id}, '\\d([.,]\\d+)?[eE]\\+\\d+')`;

/** SQL condition: the customer is two or more words without a digit. */
const NAMED = `regexp_full_match(customer_id, '[\\p{L}\\p{M}.''’-]+([\\s,]+[\\p{L}\\p{M}.''’-]+)+')`;

/** SQL condition: the customer is what shops write for an order without an account. */
const NO_ACCOUNT = "coalesce(lower(customer_id), '') IN ('', '0', 'null', 'none', 'nan', '\\n')";

/** SQL condition: the customer is what a till writes without one, a test of the shop, or a line with a total. */
const NOBODY = `regexp_full_match(customer_id, '(?i)guests?( checkout)?|anonym(ous)?|walk-?in( customer)?|cash( customer)?|unknown|no name|(test|qa)([ ._+-].*|\\d*)|.*test (customer|user|account|order)|(test|qa)([._+-].*)?@.*|.*@(example|test)\\.(com|org|net)|(.* )?(sub)?total( .*)?|((gesamt|zwischen)?summe|gesamt)( .*)?|somme|totale|suma|合計|gast|laufkunde|barverkauf|invité|invitado|consumidor final|público (en )?general')`;

const whole = (value: unknown): string => Number(value).toLocaleString("en-US");
const money = (value: unknown): string =>
  Number(value).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
