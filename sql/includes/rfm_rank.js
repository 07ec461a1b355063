// Ranks customers without a model: by the sum of the three scores, then by past spend.
module.exports = (customers) =>
  `${customers}.r_score + ${customers}.f_score + ${customers}.m_score + SAFE_DIVIDE(RANK() OVER (ORDER BY ${customers}.total_value) - 1, COUNT(*) OVER ())`;
