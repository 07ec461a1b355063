// Score from 1 to 5 by rank. Equal values get the same score, that of their lowest rank, so the order of rows has no
// effect: where most customers bought once, all of those have frequency score 1.
module.exports = (order, partition) =>
  `1 + DIV(5 * (RANK() OVER (PARTITION BY ${partition} ORDER BY ${order}) - 1), COUNT(*) OVER (PARTITION BY ${partition}))`;
