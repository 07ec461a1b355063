import type { DuckDBConnection } from "@duckdb/node-api";
import { today } from "../../contracts/run.ts";

/**
 * First and last day of the orders in the shop's time zone, YYYY-MM-DD. Days before 1971 and after today do not count, nor does a
 * last day that is more than a year after the one before.
 */
export interface OrderDays {
  first_order_on: string;
  last_order_on: string;
}

/** First and last day of the file, also those of guests and of rows that are left out; undefined when no order has a day that counts. */
export async function daysOf(connection: DuckDBConnection): Promise<OrderDays | undefined> {
  const range = await connection.runAndReadAll(
    "SELECT min(ordered_at)::DATE::VARCHAR, max(ordered_at)::DATE::VARCHAR FROM order_rows WHERE ordered_at >= '1971-01-01'::DATE::TIMESTAMPTZ AND ordered_at < (current_date + 1)::TIMESTAMPTZ",
  );
  const [first_order_on, last_order_on] = range.getRows()[0] as [string | null, string | null];
  return first_order_on === null || last_order_on === null ? undefined : { first_order_on, last_order_on };
}

/** Moves a last day that is likely a wrong date to the one before; returns the warning about it. */
export async function skipLateDay(connection: DuckDBConnection, days: OrderDays): Promise<string[]> {
  const last = days.last_order_on;
  const earlier = await connection.runAndReadAll(
    `SELECT max(ordered_at)::DATE::VARCHAR, DATE '${last}' - max(ordered_at)::DATE FROM order_rows WHERE ordered_at >= '1971-01-01'::DATE::TIMESTAMPTZ AND ordered_at < '${last}'::DATE::TIMESTAMPTZ`,
  );
  const [before, gap] = earlier.getRows()[0]!;
  if (before === null || Number(gap) <= 366) return [];
  days.last_order_on = String(before);
  return [
    `The last orders are of ${last}, ${gap} days after those before. They do not move the run date. If the date is right, give a later --run-date.`,
  ];
}

/** The run date that a log has by default: the day after the last order, at the latest the shop's today. */
export function dayAfter(day: string, timeZone: string): string {
  const next = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
  return [next, today(timeZone)].sort()[0]!;
}
