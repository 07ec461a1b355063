// Score from 1 to 5 of each value of a column, by rank among the rows of its group. Equal values get the same score, that
// of their lowest rank, so the order of rows has no effect: where most customers bought once, all of those have frequency
// score 1. Ranks are sums of counts by value, because RANK() would sort all rows of a group on one worker.
module.exports = (table, group, value, direction = "ASC") => `
    SELECT
      ${group},
      ${value},
      1 + DIV(5 * (SUM(COUNT(*)) OVER (PARTITION BY ${group} ORDER BY ${value} ${direction}) - COUNT(*)), SUM(COUNT(*)) OVER (PARTITION BY ${group})) AS score
    FROM
      ${table}
    GROUP BY
      ${group},
      ${value}
  `;
