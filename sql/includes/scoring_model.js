// The model that scores, as the model's functions take it; at most one row, because a later run can keep the same model again.
module.exports = (models) => `
    SELECT
      model_id,
      r,
      alpha,
      COALESCE(a, s) AS a,
      COALESCE(b, beta) AS b,
      p,
      q,
      gamma,
      CASE family
        WHEN 'paretonbd' THEN -1
        WHEN 'mbgnbd' THEN 0
        ELSE 1
      END AS drop_out
    FROM
      ${models}
    WHERE
      run_date <= @run_date
      AND model_id = @model_id
      AND sample = 'production'
    QUALIFY
      ROW_NUMBER() OVER (
        ORDER BY
          run_date DESC
      ) = 1
  `;
