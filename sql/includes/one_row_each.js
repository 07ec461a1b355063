// The customers of the run date that have no row, or several, in the other table.
module.exports = (customers, table, condition = "TRUE") => `
SELECT
  c.customer_id,
  COUNT(t.customer_id) AS rows_of_customer
FROM
  ${customers} AS c
  LEFT JOIN ${table} AS t ON t.customer_id = c.customer_id
  AND t.run_date = @run_date
WHERE
  c.run_date = @run_date
  AND ${condition}
GROUP BY
  c.customer_id
HAVING
  COUNT(t.customer_id) != 1`;
