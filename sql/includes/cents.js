// An amount in hundredths of the currency unit; null beyond 1e12.
module.exports = (amount) =>
  `IF(${amount} BETWEEN -1e12 AND 1e12, CAST(ROUND(${amount} * 100) AS INT64), NULL)`;
