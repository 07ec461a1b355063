const { orders_project, orders_dataset, orders_table } = dataform.projectConfig.vars;

// The tag of a column is its type: what the shop promises, and what every query below is checked against.
declare({
  database: orders_project,
  schema: orders_dataset,
  name: orders_table,
  description: "The shop's order log: one row an order. Owned by the shop, only read here.",
  columns: {
    order_id: { description: "Names the order.", tags: ["STRING"] },
    customer_id: { description: "Who ordered.", tags: ["STRING"] },
    ordered_at: { description: "When, UTC.", tags: ["TIMESTAMP"] },
    amount: { description: "What was paid, in the shop's currency.", tags: ["FLOAT64"] },
    payment_method: { description: "How it was paid.", tags: ["STRING"] },
  },
});
