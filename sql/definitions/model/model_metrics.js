append_table("model_metrics", {
  description: "Accuracy of predictions: one row per figure. The training and back-test jobs write it.",
  bigquery: { partitionBy: "run_date", clusterBy: ["evaluation", "metric"] },
  columns: {
    run_date: "DATE: Run date.",
    model_id: "STRING: Evaluated model.",
    evaluation:
      "STRING: holdout: the best new model on the hold-out. candidate: the other new models on it. champion: the previous champion on the same hold-out. backtest: on orders after the run date.",
    predictor:
      "STRING: model; a baseline: rfm, past_spend, past_rate; or oracle, which knows the actual purchases.",
    metric: "STRING: Name of the figure.",
    bucket: "INT64: Decile or percentile of the figure; null if it is about all customers.",
    value: "FLOAT64: Value of the figure.",
  },
});
