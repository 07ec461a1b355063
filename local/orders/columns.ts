import { closest } from "fastest-levenshtein";
import { UserError } from "../../lib/user-error.ts";
import {
  endings,
  fallbacks,
  knownExports,
  notes,
  type OrderColumn,
  orderColumns,
  synonyms,
} from "./column-names.ts";
import type { OrderFile } from "./file.ts";

/** Names without case, blanks and signs. A share in percent is not an amount. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}%]/gu, "");
const nearest = (name: string, names: readonly string[]): string | undefined => {
  const near = names.length === 0 ? undefined : closest(plain(name), names.map(plain));
  return names.find((candidate) => plain(candidate) === near);
};

/** A currency at the end of a name: "Total (EUR)", "amount_usd", "Betrag in CHF". */
const CURRENCY = new RegExp(
  `[^\\p{L}]+(in[^\\p{L}]+)?(${Intl.supportedValuesOf("currency").join("|")}|\\p{Sc})[^\\p{L}]*$`,
  "iu",
);

/** The name that has the longest known name of the column in it: an example for a person, not to be read without one. */
function likely(column: OrderColumn, names: readonly string[]): string | undefined {
  const known = [column, ...synonyms[column], ...(fallbacks[column] ?? [])].map(plain);
  const length = (name: string): number =>
    Math.max(0, ...known.filter((part) => plain(name).includes(part)).map((part) => part.length));
  return names.filter((name) => length(name) > 0).sort((a, b) => length(b) - length(a))[0];
}

/** Names of columns for a message: not thousands, and not a whole file. */
export function listed(all: readonly string[]): string {
  const names = all.filter((name) => name !== "");
  const shown = names.slice(0, 40).map((name) => (name.length > 60 ? `${name.slice(0, 60)}…` : name));
  return `${shown.join(", ")}${names.length > 40 ? ` and ${names.length - 40} others` : ""}`;
}

/** An option as a shell takes it. */
export function argument(option: string, value: string): string {
  if (/^[\w,=.-]+$/.test(value)) return `${option} ${value}`;
  return /["$`\\!]/.test(value) ? `${option} '${value.replaceAll("'", "'\\''")}'` : `${option} "${value}"`;
}

/** Position in the file of a name that a person typed; -1 when there is none. */
export function positionOf(name: string, names: readonly string[]): number {
  const exact = names.indexOf(name);
  return exact >= 0 ? exact : names.findIndex((candidate) => plain(candidate) === plain(name));
}

/** The error for an option with a name that is no column of the file. `option` makes it with another name. */
export function noColumn(
  option: (name: string) => string,
  name: string,
  path: string,
  names: readonly string[],
): UserError {
  return new UserError(`${option(name)}: ${path} has no column ${name}.`, {
    remedy: `Did you mean ${option(nearest(name, names) ?? "NAME")}? The columns of ${path}: ${listed(names)}.`,
  });
}

/** How a file's columns are read. */
export interface ColumnMap {
  /** Position in the file (from 0) of each column of an order. */
  readonly positions: ReadonlyMap<OrderColumn, number>;
  /** Position of each column that can tell a sale from what is none. */
  readonly statuses: readonly number[];
  /** The known export that the file is; undefined for another file. */
  readonly format?: string;
  /** As in knownExports. */
  readonly setAside: number | undefined;
  /** Whether each row is a line of an order, also when its amounts are equal. */
  readonly lines: boolean;
  /** Columns whose whole numbers are in the smallest unit of the currency, like cents. */
  readonly minorUnits: readonly OrderColumn[];
}

const REQUIRED: readonly OrderColumn[] = ["customer_id", "ordered_at", "amount", "unit_price"];

/** Whether a value of this type of DuckDB is several values. */
export const isList = (type: string): boolean => /\]$|^(STRUCT|MAP|UNION)/.test(type);

/**
 * Finds the columns of an order. Names in `given` come first, then those of a known export, then the same name, then
 * a synonym, then a fallback, then all of these with a currency. Case, blanks and signs do not count.
 * @throws UserError that shows the --columns option to type.
 */
export function mapColumns(
  path: string,
  columns: OrderFile["columns"],
  given: Readonly<Record<string, string>>,
): ColumnMap {
  const names = columns.map(({ name }) => name);
  const all = `The columns of ${path}: ${listed(names)}.`;
  refuseHeaderless(path, names);
  const withoutCurrency = names.map((name) => name.replace(CURRENCY, ""));
  const positions = new Map<OrderColumn, number>();
  const free = (): number[] =>
    names.map((_, index) => index).filter((index) => ![...positions.values()].includes(index));
  // Together with what was already given, so that it works when it is typed.
  const pairsOf = (more: Readonly<Record<string, string>>): string =>
    argument(
      "--columns",
      Object.entries({ ...given, ...more })
        .map(([target, name]) => `${target}=${name}`)
        .join(),
    );

  for (const [target, name] of Object.entries(given)) {
    if (!orderColumns.includes(target as OrderColumn)) {
      throw new UserError(`--columns ${target}=${name}: an order has no column ${target}.`, {
        remedy: `Did you mean ${nearest(target, orderColumns)}? The columns are ${orderColumns.join(", ")}.`,
      });
    }
    const position = positionOf(name, names);
    if (position < 0) {
      throw noColumn((other) => pairsOf({ [target]: other }), name, path, names);
    }
    const other = [...positions].find(([, taken]) => taken === position)?.[0];
    if (other !== undefined) {
      throw new UserError(`--columns gives ${names[position]} to both ${other} and ${target}.`, {
        remedy: `Give each its own column. ${all}`,
      });
    }
    positions.set(target as OrderColumn, position);
  }

  const known = knownExports.find(({ has }) => has.every((name) => names.includes(name)));
  for (const target of orderColumns.filter((column) => !positions.has(column))) {
    // A unit price is used only if there is no amount.
    if (target === "amount" && positions.has("unit_price")) continue;
    if (target === "unit_price" && positions.has("amount")) continue;
    // The lines of an order, as a list, are neither its quantity nor its id.
    const usable = free().filter((index) => REQUIRED.includes(target) || !isList(columns[index]!.type));
    const named = (wanted: readonly string[], candidates = names) =>
      usable.filter((index) => wanted.map(plain).includes(plain(candidates[index]!)));
    const ofExport = (known?.columns[target] ?? []).map((name) => [name]);
    const ours = [[target], synonyms[target], fallbacks[target] ?? []];
    const candidates = [
      ...[...ofExport, ...ours].map((wanted) => named(wanted)),
      named(ours.flat(), withoutCurrency),
    ];
    const found = candidates.find((indexes) => indexes.length > 0) ?? [];
    const choices = [...new Set(found.map((index) => names[index]!))];
    if (choices.length > 1 && !notes.includes(target))
      throw new UserError(`${path} has several columns that can be ${target}: ${choices.join(", ")}.`, {
        remedy: `Choose one: ${choices.map((name) => pairsOf({ [target]: name })).join(" or ")}.`,
      });
    if (found[0] !== undefined) positions.set(target, found[0]);
  }
  const price = positions.get("unit_price");
  if (price !== undefined && !positions.has("quantity")) {
    positions.delete("unit_price");
    positions.set("amount", price);
  }
  const twice = [...positions.values()]
    .map((position) => names[position]!)
    .find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (twice !== undefined)
    throw new UserError(`${path} has several columns named ${twice}.`, {
      remedy: `Give each column its own name. ${all}`,
    });

  const amount = positions.has("unit_price") ? "unit_price" : "amount";
  const missing = (["customer_id", "ordered_at", amount] as const).filter((column) => !positions.has(column));
  // A title, alone or with the delimiters that a spreadsheet adds.
  const titles = names.filter((name) => name !== "");
  if (missing.length > 0 && titles.length < 3 && (titles.length < names.length || names.length === 1))
    throw new UserError(`The first line of ${path} names too few columns: ${listed(names)}.`, {
      remedy:
        "It must name all columns, with a comma, semicolon, tab or | between them. Remove the lines above it, or replace the delimiter.",
    });
  if (missing.length > 0) {
    const left = free().map((index) => names[index]!);
    const guesses = missing.map((column) => {
      const guess = likely(column, left);
      if (guess !== undefined) left.splice(left.indexOf(guess), 1);
      return [column, guess ?? "NAME"];
    });
    throw new UserError(`${path} has no column for ${missing.join(", ")}.`, {
      remedy: `${all} Name the missing columns, for example ${pairsOf(Object.fromEntries(guesses))}.`,
    });
  }
  const amountName = names[positions.get(amount)!]!;
  // The currency of an object like {"amount": "3.50", "currency": "EUR"}.
  const inObject = `${amountName.replace(/[^.]*$/, "")}currency`;
  const beside = names.findIndex(
    (name) => amountName.includes(".") && [inObject, `${inObject}Code`].map(plain).includes(plain(name)),
  );
  if (beside >= 0 && given.currency === undefined) positions.set("currency", beside);
  const ofExport = known?.columns.amount?.includes(amountName) ?? false;
  // Whether there was a refund, by the name, and not how much.
  const refunded = names.findIndex(
    (name, index) => index === positions.get("refunded") && !/amount|total/i.test(name),
  );
  const statusNames = [
    "status",
    ...synonyms.status,
    ...fallbacks.status!,
    ...(known?.columns.status ?? []),
    ...endings,
  ];
  const isStatus = (name: string, index: number) =>
    index === positions.get("status") || index === refunded || statusNames.map(plain).includes(plain(name));
  return {
    positions,
    statuses: names.flatMap((name, index) =>
      isStatus(name, index) && !isList(columns[index]!.type) ? [index] : [],
    ),
    ...(known && { format: known.name }),
    setAside: known?.setAside,
    lines: amount === "unit_price" || (ofExport && known?.lines === true),
    minorUnits: ([amount, "refunded"] as const).filter(
      (column) =>
        (ofExport && known?.minorUnits === true) ||
        CENTS.test((names[positions.get(column) ?? -1] ?? "").replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")),
    ),
  };
}

/** Whether the column has the time at which an order was cancelled, by its name. */
export const isEnding = (name: string): boolean => endings.map(plain).includes(plain(name));

/** Like total_cents, amountInCents or price_minor. */
const CENTS = /(?<![a-z])(cents?|minor|pence|pennies)(?![a-z])/i;

/** A first line with a date and a number is an order, which would be lost as names. */
function refuseHeaderless(path: string, names: readonly string[]): void {
  const date = names.find((name) => /^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b/.test(name));
  if (date === undefined || !names.some((name) => name !== date && /^-?\d+([.,]\d+)*$/.test(name))) return;
  throw new UserError(`The first line of ${path} looks like an order, not like column names.`, {
    remedy: `Add a line with the names above it, for example order_id,customer_id,ordered_at,amount. It is now: ${listed(names)}.`,
  });
}
