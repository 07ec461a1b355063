append_table("predictions", {
  description:
    "What candidates predict: one row per model, sample and customer. The SQL runner loads it from their files.",
  bigquery: { partitionBy: "run_date", clusterBy: ["model_id", "sample", "customer_id"] },
  columns: {
    run_date: "DATE: Run date.",
    family: "STRING: Candidate that made the model.",
    model_id: "STRING: Model id: the candidate's new model, or the champion if that is its own.",
    sample: "STRING: calibration: predictions of the hold-out. production: predictions of the horizon.",
    customer_id: "STRING: Customer id.",
    weeks: "INT64: Length of the predicted time.",
    expected_purchases: "FLOAT64: Expected number of purchases; null if the candidate does not predict them.",
    expected_value: "FLOAT64: Expected value of purchases.",
    p_active:
      "FLOAT64: Probability that the customer is still active; null if the candidate does not predict it.",
    low: "FLOAT64: Low end of the 80 % interval of the value: at most one customer in ten is expected below it. Null if the candidate gives none.",
    high: "FLOAT64: High end of this interval: at most one customer in ten is expected above it. The expected value, a mean, can be above it.",
    reason:
      "STRING: Why the prediction is what it is, or why a figure is missing, in words; null if the candidate gives none.",
  },
});
