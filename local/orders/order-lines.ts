import type { DuckDBConnection } from "@duckdb/node-api";

/** Whether each row has an order id of its own. Two ids with the same hash make it false, which is slower but not wrong. */
export async function haveOneRowEach(connection: DuckDBConnection): Promise<boolean> {
  const found = await connection.runAndReadAll(
    "SELECT count(*) = count(order_id) AND count(*) = count(DISTINCT hash(order_id)) FROM order_rows",
  );
  return found.getRows()[0]![0] === true;
}

/**
 * SQL of the orders of rows with order ids. Rows that are equal in all columns of the file count once. Rows of one order id,
 * customer and day are one order. Their amounts are lines, which add up, or they repeat the order's total. A row
 * without customer or date takes them from the other rows of its order.
 * @param lines whether amounts add up also when they are equal
 */
export const ordersOf = (lines: boolean): string => `
  WITH incomplete AS (
    SELECT order_id,
      CASE WHEN min(customer_id) = max(customer_id) THEN min(customer_id) END AS only_customer,
      CASE WHEN min(ordered_at) = max(ordered_at) THEN min(ordered_at) END AS only_time
    FROM order_rows
    WHERE order_id IN (SELECT order_id FROM order_rows WHERE customer_id IS NULL OR ordered_at IS NULL)
    GROUP BY order_id
  ),
  filled AS (
    SELECT row, order_id, has_amount, amount, payment_method, quantity, refunded,
      coalesce(customer_id, only_customer) AS customer_id,
      coalesce(ordered_at, only_time) AS ordered_at
    FROM order_rows LEFT JOIN incomplete USING (order_id)
    WHERE row IN (SELECT min(row) FROM order_rows GROUP BY content)
  ),
  grouped AS (
    SELECT min(row) AS row, order_id, customer_id, min(ordered_at) AS ordered_at,
      count(amount) AS amounts, min(amount) <> max(amount) AS differ, bool_or(has_amount AND amount IS NULL) AS wrong,
      round(sum(amount), 6) AS total, any_value(amount) AS amount,
      arg_min(payment_method, row) AS payment_method, sum(quantity)::BIGINT AS quantity, max(abs(refunded)) AS refunded
    FROM filled
    GROUP BY order_id, customer_id, ordered_at::DATE, CASE WHEN order_id IS NULL THEN row END
  ),
  file AS (
    SELECT ${lines} OR coalesce(avg(differ::INTEGER) FILTER (amounts > 1) >= 0.5, false) AS has_lines FROM grouped
  )
  SELECT row, order_id, customer_id, ordered_at,
    CASE WHEN wrong THEN NULL WHEN amounts > 1 AND (differ OR has_lines) THEN total ELSE amount END AS amount,
    payment_method, quantity, refunded
  FROM grouped, file`;
