// The tag of a column is its type. The SQL check uses it.
declare({
  ...orders_table,
  description: "The shop's order log: one row per order. The pipeline only reads it.",
  columns: {
    order_id: { description: "Order id.", tags: ["STRING"] },
    customer_id: { description: "Customer id.", tags: ["STRING"] },
    ordered_at: { description: "Time of the order, UTC.", tags: ["TIMESTAMP"] },
    amount: { description: "Amount paid, in the shop's currency.", tags: ["FLOAT64"] },
    payment_method: { description: "Payment method.", tags: ["STRING"] },
  },
});
