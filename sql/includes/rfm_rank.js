// Ranks customers without a model: by the sum of the three scores, then by past spend. The logarithm keeps the order of the
// spend and is below 40: a rank would sort all customers on one worker.
module.exports = (customers) =>
  `${customers}.r_score + ${customers}.f_score + ${customers}.m_score + LN(1 + ${customers}.total_value) / 40`;
