// Score from 1 to 5 by rank. Equal values get the same score, that of their lowest rank, so the order of rows has no
// effect: where most customers bought once, all of those have frequency score 1.
// RANK() would sort all customers of a group on one worker. Ranks are sums of counts by value, and what is left of them are
// the least values of the scores 2 to 5.
const SCORES = [2, 3, 4, 5];

const starts = (table, group, value) => `
    SELECT
      ${group},
      ${SCORES.map((score) => `MIN(IF(score >= ${score}, value, NULL)) AS start_${score}`).join(", ")}
    FROM
      (
        SELECT
          ${group},
          ${value} AS value,
          1 + DIV(5 * (SUM(COUNT(*)) OVER (PARTITION BY ${group} ORDER BY ${value}) - COUNT(*)), SUM(COUNT(*)) OVER (PARTITION BY ${group})) AS score
        FROM
          ${table}
        GROUP BY
          ${group},
          ${value}
      )
    GROUP BY
      ${group}
  `;
const score = (starts, value) =>
  `1 + ${SCORES.map((score) => `IF(${value} >= ${starts}.start_${score}, 1, 0)`).join(" + ")}`;

module.exports = { starts, score };
