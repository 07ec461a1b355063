import { DOUBLE, DuckDBDataChunk, DuckDBInstance, INTEGER } from "@duckdb/node-api";
import { seededRandom } from "../jobs/clv/random.ts";
import { gammaVariate } from "../test/cdnow.ts";

/** A simulated shop whose customers arrive over the whole period. */
export interface Shop {
  readonly customers: number;
  /** @default 156 */
  readonly weeks?: number;
  /** First day, YYYY-MM-DD. @default 2023-01-01 */
  readonly start?: string;
  /** @default 1 */
  readonly seed?: number;
  /** Some customers spend far more than the rest: the shape q of Gamma-Gamma is 1.5 and not 3.5. @default false */
  readonly heavyTail?: boolean;
  /** How much more is bought in the best season than on average, and how much less in the worst; 0 to 1. @default 0 */
  readonly seasonality?: number;
  /** Share of orders that come back as an order of the negative amount, one to four weeks later; 0 to 1. @default 0 */
  readonly refunds?: number;
}

/** BG/NBD (r, alpha in weeks, a, b) and Gamma-Gamma (p, q, gamma): a third of the customers never buy again. */
const MODEL = { r: 0.9, alpha: 8, a: 0.8, b: 4, p: 6, q: 3.5, gamma: 15 };
const CHUNK = 2048;

/**
 * Writes the orders of a shop as Parquet, sorted by time: order_id, customer_id, ordered_at, amount. Purchases follow
 * BG/NBD and amounts Gamma-Gamma, as jobs/clv/ fits them. The same shop gives the same file.
 * Returns the number of orders.
 */
export async function writeShop(shop: Shop, file: string): Promise<number> {
  const { customers, weeks = 156, start = "2023-01-01", seed = 1 } = shop;
  const { heavyTail = false, seasonality = 0, refunds = 0 } = shop;
  const random = seededRandom(seed);
  const gamma = (shape: number) => gammaVariate(shape, random);
  const q = heavyTail ? 1.5 : MODEL.q;

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
  const add = (customer: number, week: number, amount: number): void => {
    if (week >= weeks) return;
    ids.push(customer);
    times.push(week);
    amounts.push(amount);
    orders += 1;
    if (ids.length === CHUNK) flush();
  };

  for (let customer = 0; customer < customers; customer += 1) {
    const rate = gamma(MODEL.r) / MODEL.alpha;
    const [leaving, staying] = [gamma(MODEL.a), gamma(MODEL.b)];
    const leaves = leaving / (leaving + staying);
    const scale = MODEL.gamma / gamma(q);
    let week = random() * weeks;
    for (let isFirst = true; week < weeks; isFirst = false) {
      // A season thins out the purchases of a faster process: Lewis & Shedler (1979).
      const season = (1 + seasonality * Math.sin((2 * Math.PI * week) / 52)) / (1 + seasonality);
      if (isFirst || seasonality === 0 || random() < season) {
        const amount = Math.round(gamma(MODEL.p) * scale * 100) / 100;
        add(customer, week, amount);
        if (refunds > 0 && random() < refunds) add(customer, week + 1 + 3 * random(), -amount);
        if (!isFirst && random() < leaves) break;
      }
      week += -Math.log(1 - random()) / (rate * (1 + seasonality));
    }
  }
  flush();
  appender.closeSync();
  const path = file.replaceAll("'", "''");
  await connection.run(`COPY (
    SELECT
      'o' || row_number() OVER (ORDER BY week, customer, amount) AS order_id,
      'c' || customer AS customer_id,
      DATE '${start}' + to_microseconds(CAST(week * 7 * 86400 * 1e6 AS BIGINT)) AS ordered_at,
      amount
    FROM orders
    ORDER BY week, customer, amount
  ) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
  return orders;
}
