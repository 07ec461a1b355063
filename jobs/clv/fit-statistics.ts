import { type Fit, type Likelihood, maximizeLikelihood } from "./maximum-likelihood.ts";

/** Columns of equal length. Row i describes `customers[i]` customers who are alike. */
export type Statistics<Column extends string> = Readonly<Record<Column | "customers", Float64Array>>;

/** `startRows` are enough for a start from which a few steps over all rows are left. */
const LIMITS = { startRows: 20_000, iterations: 100 };

/** The number of customers, or the sum of a column over all customers. */
export function totalOf(customers: Float64Array, column?: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < customers.length; i++) sum += customers[i]! * (column?.[i] ?? 1);
  return sum;
}

/** The number of customers with each number of purchases: that of x purchases has the index x. */
export function customersBy(x: Float64Array, customers: Float64Array): Float64Array {
  const byX = new Float64Array(x.reduce((largest, each) => Math.max(largest, each), -1) + 1);
  for (let i = 0; i < x.length; i++) byX[x[i]!]! += customers[i]!;
  return byX;
}

/**
 * Maximizes the likelihood of all rows. If there are many, the start is the maximum of every n-th row, so that few passes
 * over all rows are left.
 */
export function fitStatistics<P extends Record<string, number>, Column extends string>(
  statistics: Statistics<Column>,
  likelihood: (parameters: P, statistics: Statistics<Column>) => Likelihood,
  start: P,
  { startRows, iterations } = LIMITS,
): Fit<P> {
  const maximize = (rows: Statistics<Column>, from: P): Fit<P> =>
    maximizeLikelihood(
      (parameters) => likelihood(parameters, rows),
      from,
      totalOf(rows.customers),
      iterations,
    );
  const step = Math.floor(statistics.customers.length / startRows);
  if (step < 2) return maximize(statistics, start);
  const near = maximize(everyNth(statistics, step), start);
  return maximize(statistics, near.converged ? near.parameters : start);
}

function everyNth<S extends Readonly<Record<string, Float64Array>>>(columns: S, step: number): S {
  return Object.fromEntries(
    Object.entries(columns).map(([name, values]) => [name, values.filter((_, i) => i % step === 0)]),
  ) as unknown as S;
}

/** Every n-th customer in the order of the rows, so that at most `mostRows` rows are left; all where there are no more rows. */
export function everyNthCustomer<Column extends string>(
  statistics: Statistics<Column>,
  mostRows: number,
): Statistics<Column> {
  if (statistics.customers.length <= mostRows) return statistics;
  const n = Math.ceil(totalOf(statistics.customers) / mostRows);
  let before = 0;
  const customers = statistics.customers.map((count) => {
    const chosen = Math.floor((before + count) / n) - Math.floor(before / n);
    before += count;
    return chosen;
  });
  const columns = Object.entries({ ...statistics, customers });
  return Object.fromEntries(
    columns.map(([name, values]) => [name, values.filter((_, i) => customers[i]! > 0)]),
  ) as never;
}
