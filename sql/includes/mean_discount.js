// Mean of the discount over the next weeks, at a yearly rate: for a value that is spread evenly over them.
module.exports = (annualRate, weeks) => {
  const exponent = `LN(1 + ${annualRate}) * ${weeks} * 7 / 365.2425`;
  return `IF(${annualRate} > 0, SAFE_DIVIDE(1 - EXP(-${exponent}), ${exponent}), 1)`;
};
