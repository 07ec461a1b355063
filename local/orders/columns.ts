import { closest } from "fastest-levenshtein";
import { UserError } from "../../lib/user-error.ts";

/** Columns of an order log, each with other names that shops give it. */
const synonyms = {
  order_id: [
    "order",
    "order_number",
    "order_no",
    "invoice",
    "invoice_id",
    "invoice_no",
    "invoice_number",
    "transaction_id",
  ],
  customer_id: ["customer", "cust_id", "customer_no", "customer_number", "client_id", "user_id"],
  ordered_at: [
    "date",
    "order_date",
    "ordered_on",
    "order_time",
    "purchase_date",
    "purchased_at",
    "invoice_date",
    "timestamp",
  ],
  amount: ["total", "price", "value", "order_value", "dollar_value", "revenue", "sales"],
  payment_method: ["payment", "payment_type", "paid_by"],
  quantity: ["qty", "units", "items"],
} as const;

export type OrderColumn = keyof typeof synonyms;
const orderColumns = Object.keys(synonyms) as OrderColumn[];
const required: readonly OrderColumn[] = ["customer_id", "ordered_at", "amount"];

const plain = (name: string): string => name.toLowerCase().replaceAll(/[\s_-]/g, "");
const nearest = (name: string, names: readonly string[]): string | undefined => {
  const near = names.length === 0 ? undefined : closest(plain(name), names.map(plain));
  return names.find((candidate) => plain(candidate) === near);
};
const argument = (pairs: readonly string[]): string =>
  `--columns ${/[^\w,=.-]/.test(pairs.join()) ? JSON.stringify(pairs.join()) : pairs.join()}`;

/**
 * Position in the file (from 0) of each column that an order has. What is told goes first, then the same name, then
 * a synonym; case, spaces, underscores and hyphens don't count. Throws a UserError that shows the --columns to type.
 */
export function mapColumns(
  path: string,
  names: readonly string[],
  told: Readonly<Record<string, string>>,
): Map<OrderColumn, number> {
  const listed = `The columns of ${path}: ${names.join(", ")}.`;
  const twice = names.filter((name, index) => name !== "" && names.indexOf(name) < index);
  if (twice.length > 0)
    throw new UserError(`${path} has several columns named ${[...new Set(twice)].join(", ")}.`, {
      remedy: `Give each column a name of its own. ${listed}`,
    });
  const positions = new Map<OrderColumn, number>();
  for (const [target, name] of Object.entries(told)) {
    if (!orderColumns.includes(target as OrderColumn)) {
      throw new UserError(`--columns ${target}=${name}: an order has no column ${target}.`, {
        remedy: `Did you mean ${nearest(target, orderColumns)}? It can be one of ${orderColumns.join(", ")}.`,
      });
    }
    const exact = names.indexOf(name);
    const position = exact >= 0 ? exact : names.findIndex((candidate) => plain(candidate) === plain(name));
    if (position < 0) {
      throw new UserError(`--columns ${target}=${name}: ${path} has no column ${name}.`, {
        remedy: `Did you mean ${argument([`${target}=${nearest(name, names)}`])}? ${listed}`,
      });
    }
    for (const [other, taken] of positions) {
      if (taken === position) {
        throw new UserError(`--columns gives ${names[position]} to both ${other} and ${target}.`, {
          remedy: `Give each a column of its own. ${listed}`,
        });
      }
    }
    positions.set(target as OrderColumn, position);
  }

  const free = (): number[] =>
    names.map((_, index) => index).filter((index) => ![...positions.values()].includes(index));
  for (const target of orderColumns.filter((column) => !positions.has(column))) {
    const same = free().filter((index) => plain(names[index]!) === plain(target));
    const others: readonly string[] = synonyms[target].map(plain);
    const found = same.length > 0 ? same : free().filter((index) => others.includes(plain(names[index]!)));
    if (found.length > 1) {
      const choices = [...new Set(found.map((index) => names[index]!))];
      throw new UserError(`${path} has several columns that can be ${target}: ${choices.join(", ")}.`, {
        remedy: `Say which: ${choices.map((name) => argument([`${target}=${name}`])).join(" or ")}.`,
      });
    }
    if (found[0] !== undefined) positions.set(target, found[0]);
  }

  const missing = required.filter((column) => !positions.has(column));
  if (missing.length > 0) {
    const left = free().map((index) => names[index]!);
    const pairs = missing.map((column) => {
      const guess = nearest(column, left);
      if (guess !== undefined) left.splice(left.indexOf(guess), 1);
      return `${column}=${guess ?? "NAME"}`;
    });
    throw new UserError(`${path} has no column for ${missing.join(", ")}.`, {
      remedy: `${listed} Name what is missing, for example ${argument(pairs)}.`,
    });
  }
  return positions;
}
