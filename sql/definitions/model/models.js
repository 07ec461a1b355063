append_table("models", {
  description: "Fitted models: one row per model and sample. The training job writes it.",
  bigquery: { partitionBy: "run_date", clusterBy: ["model_id"] },
  columns: {
    run_date: "DATE: Date of the run that fitted it.",
    model_id: "STRING: Model id; equal parameters have the same id.",
    sample:
      "STRING: production: fitted on all history. calibration: fitted on the history before the hold-out, for evaluation.",
    r: "FLOAT64: Purchases: shape of the purchase rate.",
    alpha: "FLOAT64: Purchases: scale of the purchase rate, weeks.",
    a: "FLOAT64: Purchases: first shape of the drop-out probability; null in Pareto/NBD.",
    b: "FLOAT64: Purchases: second shape of the drop-out probability; null in Pareto/NBD.",
    r_se: "FLOAT64: Standard error of r.",
    alpha_se: "FLOAT64: Standard error of alpha.",
    a_se: "FLOAT64: Standard error of a.",
    b_se: "FLOAT64: Standard error of b.",
    bg_nbd_log_likelihood: "FLOAT64: Log-likelihood of the model of purchases.",
    p: "FLOAT64: Gamma-Gamma: shape of the value of a purchase; null when Gamma-Gamma does not fit, and reason says why.",
    q: "FLOAT64: Gamma-Gamma: shape of its rate among customers.",
    gamma: "FLOAT64: Gamma-Gamma: scale of its rate among customers.",
    p_se: "FLOAT64: Standard error of p.",
    q_se: "FLOAT64: Standard error of q.",
    gamma_se: "FLOAT64: Standard error of gamma.",
    gamma_gamma_log_likelihood: "FLOAT64: Log-likelihood of Gamma-Gamma.",
    customers:
      "INT64: Customers that the model of purchases was fitted on: Pareto/NBD takes every n-th one of a large shop.",
    all_customers:
      "INT64: Customers in the history of the sample; the setting model_customers limits how many the model is fitted on.",
    converged: "BOOL: Whether the fit of the purchases reached a maximum inside the parameters' range.",
    is_champion: "BOOL: Whether the run scored with it.",
    reason: "STRING: Why it became the champion, or did not; and why Gamma-Gamma is not used, if it is not.",
    family:
      "STRING: bgnbd (BG/NBD), mbgnbd (MBG/NBD) or paretonbd (Pareto/NBD), which are built in; or the candidate that made it.",
    files:
      "STRING: Folder of the model's files, relative to the artifacts; null for a built-in model that is not the champion.",
    s: "FLOAT64: Pareto/NBD: shape of the drop-out rate among customers; null in the other families.",
    beta: "FLOAT64: Pareto/NBD: scale of the drop-out rate, weeks.",
    s_se: "FLOAT64: Standard error of s.",
    beta_se: "FLOAT64: Standard error of beta.",
    first_order_on: "DATE: Day of the first order that it was fitted on.",
    orders_before: "DATE: It was fitted on orders before this day.",
    git_commit: "STRING: Git commit of the image that fitted or evaluated it; null if it is not known.",
    parameters:
      "STRING: All its parameters as JSON with 8 digits, whatever its family; null for a candidate, whose files have its own.",
  },
});
