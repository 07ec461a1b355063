const { orders_project, orders_dataset, orders_table } = dataform.projectConfig.vars;

declare({
  database: orders_project,
  schema: orders_dataset,
  name: orders_table,
  description: "The shop's order log: one row an order. Owned by the shop, only read here.",
  columns: {
    order_id: "Names the order.",
    customer_id: "Who ordered.",
    ordered_at: "When, UTC.",
    amount: "What was paid, in the shop's currency.",
    payment_method: "How it was paid.",
  },
});
