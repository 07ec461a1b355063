append_table("checks", {
  schema: "ops",
  description: "Results of assertions: one row per assertion and run. The SQL runner writes it.",
  bigquery: { partitionBy: "run_date", clusterBy: ["run_id"] },
  columns: {
    run_id: "STRING: Run id.",
    run_date: "DATE: Run date.",
    step: "STRING: Step that checked the assertion.",
    check_name: "STRING: Name of the assertion.",
    severity: "STRING: error: the run fails. warning: the run continues.",
    failed_rows: "INT64: Number of rows that violate the assertion; 0 if it holds.",
    description: "STRING: What the assertion requires.",
  },
});
