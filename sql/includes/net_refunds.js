// Table expressions that match refunds with the orders that they lower, when the setting refunds is net: the last one,
// netted, has a row for each refund that lowers an order, and for each such order with the change of its amount.
// orders: a table with order_id, customer_id, ordered_at, amount_cents, invalid ('negative amount' for a refund, null for a
// valid order) and copy (1, or more for a duplicate). as_of: an expression; only rows with the same value of it are matched.
const sale = "order_id, customer_id, ordered_at, amount_cents";
const bracket = `
    PARTITION BY as_of, customer_id, cents, level
    ORDER BY ordered_at, amount_cents DESC, order_id`;

module.exports = (orders, as_of) => `
  refunds AS (
    SELECT ${sale}, ${as_of} AS as_of
    FROM ${orders}
    WHERE @refunds = 'net' AND invalid = 'negative amount' AND copy = 1
  ),
  sales AS (
    SELECT ${sale}, ${as_of} AS as_of
    FROM ${orders}
    WHERE invalid IS NULL AND copy = 1 AND customer_id IN (SELECT customer_id FROM refunds)
  ),
  -- Sales and refunds of one amount, unless the id says which belong together. They close like brackets: each refund
  -- takes the latest sale that no other one has taken
  brackets AS (
    SELECT
      *,
      ABS(amount_cents) AS cents,
      MIN(amount_cents) OVER (PARTITION BY as_of, customer_id, order_id) < 0
        AND MAX(amount_cents) OVER (PARTITION BY as_of, customer_id, order_id) > 0 AS has_id
    FROM (SELECT * FROM sales UNION ALL SELECT * FROM refunds)
  ),
  levels AS (
    SELECT
      *,
      SUM(IF(amount_cents > 0, 1, -1)) OVER (
        PARTITION BY as_of, customer_id, cents
        ORDER BY ordered_at, amount_cents DESC, order_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) + IF(amount_cents > 0, 0, 1) AS level
    FROM brackets
    WHERE NOT has_id AND cents > 0
  ),
  pairs AS (
    SELECT
      as_of,
      customer_id,
      amount_cents AS refund_cents,
      order_id AS refund_id,
      ordered_at AS refunded_at,
      LAG(order_id) OVER (${bracket}) AS order_id,
      LAG(ordered_at) OVER (${bracket}) AS ordered_at
    FROM levels
  ),
  -- The order that a refund lowers: of the same customer, not later and not smaller. The best is the one with the
  -- same id, then its pair, then the latest that is nobody's pair
  choices AS (
    SELECT
      s.*,
      r.order_id AS refund_id,
      r.ordered_at AS refunded_at,
      r.amount_cents AS refund_cents,
      CASE
        WHEN s.order_id = r.order_id THEN 0
        WHEN p.refund_id = r.order_id AND p.refunded_at = r.ordered_at AND p.refund_cents = r.amount_cents THEN 1
        WHEN p.refund_id IS NULL THEN 2
        ELSE 3
      END AS place
    FROM refunds AS r
    INNER JOIN sales AS s ON s.customer_id = r.customer_id AND s.as_of = r.as_of
    LEFT JOIN pairs AS p ON p.customer_id = s.customer_id AND p.as_of = s.as_of AND p.order_id = s.order_id
      AND p.ordered_at = s.ordered_at AND p.refund_cents = - s.amount_cents
    WHERE s.ordered_at <= r.ordered_at AND s.amount_cents + r.amount_cents >= 0
  ),
  chosen AS (
    SELECT *
    FROM choices
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY as_of, refund_id, customer_id, refunded_at, refund_cents
      ORDER BY place, ordered_at DESC, order_id, amount_cents
    ) = 1
  ),
  -- All refunds of an order together take no more than its amount
  taken AS (
    SELECT *
    FROM chosen
    QUALIFY amount_cents + SUM(refund_cents) OVER (
      PARTITION BY as_of, ${sale}
      ORDER BY place, refunded_at, refund_id, refund_cents
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) >= 0
  ),
  netted AS (
    SELECT as_of, refund_id AS order_id, customer_id, refunded_at AS ordered_at, refund_cents AS amount_cents, 0 AS change_cents
    FROM taken
    UNION ALL
    SELECT as_of, ${sale}, SUM(refund_cents) AS change_cents
    FROM taken
    GROUP BY as_of, ${sale}
  )`;
