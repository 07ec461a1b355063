// Score 1 to 5 by rank. Equal values get equal scores, that of the lowest rank among them, so that the order of rows
// never decides: a shop where most customers bought once gives all of them frequency score 1.
module.exports = (order, partition) =>
  `1 + DIV(5 * (RANK() OVER (PARTITION BY ${partition} ORDER BY ${order}) - 1), COUNT(*) OVER (PARTITION BY ${partition}))`;
