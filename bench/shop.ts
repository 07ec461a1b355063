import { DOUBLE, DuckDBDataChunk, DuckDBInstance, INTEGER, quotedString } from "@duckdb/node-api";
import { seededRandom } from "../jobs/clv/random.ts";
import { gammaVariate } from "../test/cdnow.ts";

/** BG/NBD (r, alpha in weeks, a, b) and Gamma-Gamma (p, q, gamma): a third of the customers never buy again. */
const MODEL = { r: 0.9, alpha: 8, a: 0.8, b: 4, p: 6, q: 3.5, gamma: 15 };
const START = "2023-01-01";
const WEEKS = 156;
const CHUNK = 2048;

/**
 * Writes the orders of a simulated shop as Parquet, sorted by time: order_id, customer_id, ordered_at, amount. Its customers
 * arrive over the whole period. Purchases follow BG/NBD and amounts Gamma-Gamma, as jobs/clv/ fits them. The same arguments
 * give the same file. Returns the number of orders.
 */
export async function writeShop(customers: number, file: string, seed = 1): Promise<number> {
  const random = seededRandom(seed);
  const gamma = (shape: number) => gammaVariate(shape, random);

  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(
    "CREATE TABLE orders (customer INTEGER, week DOUBLE, amount DOUBLE); SET threads = 2; SET preserve_insertion_order = false",
  );
  const appender = await connection.createAppender("orders");
  const [ids, times, amounts]: [number[], number[], number[]] = [[], [], []];
  const flush = (): void => {
    if (ids.length === 0) return;
    const chunk = DuckDBDataChunk.create([INTEGER, DOUBLE, DOUBLE]);
    chunk.setColumns([ids, times, amounts]);
    appender.appendDataChunk(chunk);
    for (const column of [ids, times, amounts]) column.length = 0;
  };
  let orders = 0;

  for (let customer = 0; customer < customers; customer += 1) {
    const rate = gamma(MODEL.r) / MODEL.alpha;
    const [leaving, staying] = [gamma(MODEL.a), gamma(MODEL.b)];
    const leaves = leaving / (leaving + staying);
    const scale = MODEL.gamma / gamma(MODEL.q);
    let week = random() * WEEKS;
    for (let isFirst = true; week < WEEKS; isFirst = false) {
      ids.push(customer);
      times.push(week);
      amounts.push(Math.round(gamma(MODEL.p) * scale * 100) / 100);
      orders += 1;
      if (ids.length === CHUNK) flush();
      if (!isFirst && random() < leaves) break;
      week += -Math.log(1 - random()) / rate;
    }
  }
  flush();
  appender.closeSync();
  await connection.run(`COPY (
    SELECT
      'o' || row_number() OVER (ORDER BY week, customer, amount) AS order_id,
      'c' || customer AS customer_id,
      DATE '${START}' + to_microseconds(CAST(week * 7 * 86400 * 1e6 AS BIGINT)) AS ordered_at,
      amount
    FROM orders
    ORDER BY week, customer, amount
  ) TO ${quotedString(file)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
  return orders;
}
