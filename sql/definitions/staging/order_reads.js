append_table("order_reads", {
  description:
    "The last complete read of the order log. A run without this row, or whose made_by differs, reads all orders.",
  columns: {
    step: "STRING: The step that read: features.",
    run_id: "STRING: The run that read.",
    read_since: "DATE: First day that it read; 1971-01-01 for all orders.",
    made_by:
      "STRING: Fingerprint of the queries of the staging tables and of the settings that they depend on.",
  },
});
