// The whole number of the first six digits of a hexadecimal text. A cast would do in BigQuery, but not in each reader.
module.exports = (text) => {
  const digit = (place) =>
    `${16 ** (6 - place)} * (STRPOS('0123456789abcdef', SUBSTR(${text}, ${place}, 1)) - 1)`;
  return `(${[1, 2, 3, 4, 5, 6].map(digit).join(" + ")})`;
};
