import type { DuckDBConnection } from "@duckdb/node-api";

/**
 * How the rows in order_rows were read where they could mean something else, as sentences for people. `columns` is
 * our name to the file's name.
 */
export async function readingWarnings(
  connection: DuckDBConnection,
  columns: Readonly<Record<string, string>>,
): Promise<string[]> {
  const result = await connection.runAndReadAll(`
    WITH orders AS (
      SELECT count(DISTINCT content) FILTER (amount IS NOT NULL) AS lines, count(DISTINCT amount) > 1 AS differ
      FROM order_rows WHERE order_id IS NOT NULL GROUP BY order_id, customer_id, ordered_at::DATE
    )
    SELECT
      (SELECT count(*) - count(DISTINCT content) FROM order_rows)::INTEGER AS equal,
      (SELECT count(*) FROM orders WHERE lines > 1 AND differ)::INTEGER AS added,
      (SELECT count(*) FROM orders WHERE lines > 1 AND NOT differ)::INTEGER AS repeated,
      count(*) FILTER (ordered_at::DATE > current_date)::INTEGER AS future,
      count(*) FILTER (ordered_at::DATE < '1971-01-01')::INTEGER AS placeholder
    FROM order_rows`);
  const [counts] = result.getRowObjects() as Record<string, number>[];
  const { equal = 0, added = 0, repeated = 0, future = 0, placeholder = 0 } = counts!;
  const priced = columns.unit_price !== undefined;
  const lines = priced || added >= repeated;
  return [
    priced &&
      `The amount is ${columns.unit_price} times ${columns.quantity}. If ${columns.unit_price} is already the amount, give --columns "amount=${columns.unit_price}".`,
    added > 0 && `Orders with several rows of different amounts: ${added}. The amounts are added up.`,
    repeated > 0 &&
      `Orders with several rows of the same amount: ${repeated}. ${lines ? "The amounts are added up, as in the other orders." : "The amount counts once, as the order's total."}`,
    equal > 0 &&
      `Rows that are equal to another row in all columns: ${equal}. ${columns.order_id === undefined ? "Without order ids they count as orders. If they are copies, remove them from the file." : "They count once."}`,
    future > 0 && `Orders dated after today: ${future}. They are set aside and do not move the run date.`,
    placeholder > 0 &&
      `Orders dated before 1971, which usually means no date: ${placeholder}. They are set aside.`,
  ].filter((warning) => warning !== false);
}
