-- Checks the tables of a run that reports success. Returns one row: what the run wrote, and the problems found; null
-- when there are none. Parameters: @run_id, @run_date. The reader replaces ${mart}, ${checks} and ${models} by tables.
WITH
  mart AS (
    SELECT
      COUNT(*) AS customers,
      MIN(model_id) AS model_id
    FROM
      ${mart}
    WHERE
      run_date = @run_date
  ),
  assertions AS (
    SELECT
      COUNT(*) AS checked,
      COUNTIF(failed_rows > 0 AND severity = 'error') AS failed
    FROM
      ${checks}
    WHERE
      run_date = @run_date
      AND run_id = @run_id
  ),
  unapproved AS (
    SELECT
      COUNT(*) AS customers
    FROM
      ${mart}
    WHERE
      run_date = @run_date
      AND model_id IS NOT NULL
      AND model_id NOT IN (
        SELECT
          model_id
        FROM
          ${models}
        WHERE
          run_date <= @run_date
          AND is_champion
          AND sample = 'production'
      )
  )
SELECT
  mart.customers,
  mart.model_id,
  NULLIF(
    CONCAT(
      IF(mart.customers = 0, 'The mart has no rows of the run date. ', ''),
      IF(assertions.checked = 0, 'No assertion was checked. ', ''),
      IF(assertions.failed > 0, CONCAT(CAST(assertions.failed AS STRING), ' assertions failed. '), ''),
      IF(
        unapproved.customers > 0,
        CONCAT(CAST(unapproved.customers AS STRING), ' customers have scores of a model that is not a champion. '),
        ''
      )
    ),
    ''
  ) AS problems
FROM
  mart
  CROSS JOIN assertions
  CROSS JOIN unapproved
