/** Customers for tests: those of the CDNOW log, and simulated ones. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { BgNbdParameters } from "../jobs/clv/bg-nbd.ts";
import type { GammaGammaParameters } from "../jobs/clv/gamma-gamma.ts";

/** A customer's history up to the calibration's end, and what the customer did after it. Weeks and dollars. */
export type SampleCustomer = {
  x: number;
  tX: number;
  T: number;
  /** Repeat purchases of positive value up to the calibration's end, and their mean (0 if there are none). */
  paidRepeats: number;
  meanValue: number;
  /** All spending up to the calibration's end, the first purchase included. */
  pastSpend: number;
  actualPurchases: number;
  actualRevenue: number;
};

const DAY = 24 * 3600 * 1000;

/** The rows of a CDNOW log in data/: order, customer, day, CDs, amount. */
function readRows(name: "cdnow" | "cdnow-sample"): string[][] {
  const text = gunzipSync(readFileSync(new URL(`../data/${name}.csv.gz`, import.meta.url))).toString();
  const [, ...rows] = text.trimEnd().split("\n");
  return rows.map((row) => row.split(","));
}

/** The CDNOW log, or every nth customer of it, as a shop's CSV: order_id,customer_id,ordered_at,amount. */
export function cdnow(every = 1): string {
  const orders = readRows("cdnow")
    .filter(([, customer]) => Number(customer) % every === 0)
    .map(([order, customer, day, , amount]) => [order, customer, day, amount].join(","));
  return ["order_id,customer_id,ordered_at,amount", ...orders].join("\n");
}

/** The customers of a CDNOW log; all purchases of a customer on one day are one purchase. */
export function readCdnow(name: "cdnow" | "cdnow-sample", calibrationEnd = "1997-09-30"): SampleCustomer[] {
  const days = new Map<string, Map<string, number>>();
  for (const [, customer, day, , amount] of readRows(name)) {
    const purchases = days.get(customer!) ?? new Map<string, number>();
    days.set(customer!, purchases.set(day!, (purchases.get(day!) ?? 0) + Number(amount)));
  }
  return [...days.values()].map((purchases) => {
    const ordered = [...purchases].sort(([one], [other]) => (one < other ? -1 : 1));
    const weeks = (day: string) => (Date.parse(day) - Date.parse(ordered[0]![0])) / DAY / 7;
    const past = ordered.filter(([day]) => day <= calibrationEnd);
    const paid = past.slice(1).filter(([, value]) => value > 0);
    const later = ordered.slice(past.length);
    return {
      x: past.length - 1,
      tX: weeks(past.at(-1)![0]),
      T: weeks(calibrationEnd),
      paidRepeats: paid.length,
      meanValue: paid.length === 0 ? 0 : total(paid) / paid.length,
      pastSpend: total(past),
      actualPurchases: later.length,
      actualRevenue: total(later),
    };
  });
}

const total = (purchases: readonly [string, number][]) =>
  purchases.reduce((sum, [, value]) => sum + value, 0);

/** Simulated customers of the two models, each observed for a time drawn from [weeks / 2, weeks]. */
export function simulateCustomers(
  { r, alpha, a, b }: BgNbdParameters,
  { p, q, gamma }: GammaGammaParameters,
  customers: number,
  weeks: number,
  horizon: number,
  random: () => number,
): SampleCustomer[] {
  const draw = (shape: number) => gammaVariate(shape, random);
  return Array.from({ length: customers }, () => {
    const T = weeks * (1 - random() / 2);
    const rate = draw(r) / alpha;
    const [leaving, staying] = [draw(a), draw(b)];
    const scale = gamma / draw(q);
    const customer = { x: 0, tX: 0, T, paidRepeats: 0, meanValue: 0, pastSpend: draw(p) * scale };
    const outcome = { actualPurchases: 0, actualRevenue: 0 };
    for (let t = draw(1) / rate; t <= T + horizon; t += draw(1) / rate) {
      const value = draw(p) * scale;
      if (t <= T) {
        customer.x++;
        customer.tX = t;
        customer.meanValue += value;
        customer.pastSpend += value;
      } else {
        outcome.actualPurchases++;
        outcome.actualRevenue += value;
      }
      if (random() * (leaving + staying) < leaving) break;
    }
    customer.paidRepeats = customer.x;
    if (customer.x > 0) customer.meanValue /= customer.x;
    return { ...customer, ...outcome };
  });
}

/** Gamma(shape, 1), by Marsaglia & Tsang (2000), ACM Transactions on Mathematical Software 26(3). */
export function gammaVariate(shape: number, random: () => number): number {
  if (shape < 1) return gammaVariate(shape + 1, random) * random() ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const v = (1 + normal / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random()) < normal ** 2 / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}
