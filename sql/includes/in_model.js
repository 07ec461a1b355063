// Whether models are fitted on a customer: about @model_customers of all, by a hash of the id as a hexadecimal text. Its first
// six digits are a whole number. A cast would do in BigQuery, but not in each reader.
module.exports = (hash, customers) => {
  const digit = (place) =>
    `${16 ** (6 - place)} * (STRPOS('0123456789abcdef', SUBSTR(${hash}, ${place}, 1)) - 1)`;
  return `(${[1, 2, 3, 4, 5, 6].map(digit).join(" + ")}) * ${customers} < @model_customers * 16777216`;
};
