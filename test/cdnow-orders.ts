import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** The CDNOW log, or every nth customer of it, as a shop's table has it: order_id,customer_id,ordered_at,amount. */
export function cdnow(every = 1): string {
  const file = new URL("../data/cdnow.csv.gz", import.meta.url);
  const [, ...rows] = gunzipSync(readFileSync(file)).toString().trimEnd().split("\n");
  const orders = rows
    .map((row) => row.split(","))
    .filter(([, customer]) => Number(customer) % every === 0)
    .map(([order, customer, day, , amount]) => [order, customer, day, amount].join(","));
  return ["order_id,customer_id,ordered_at,amount", ...orders].join("\n");
}
