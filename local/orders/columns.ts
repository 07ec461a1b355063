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
    "sale_date",
    "date_created",
    "purchased_at",
    "invoice_date",
    "timestamp",
  ],
  amount: ["total", "value", "order_value", "dollar_value", "revenue", "sales"],
  unit_price: ["price", "price_each", "item_price"],
  payment_method: ["payment", "payment_type", "paid_by"],
  quantity: ["qty", "units", "items"],
  status: ["order_status", "payment_status", "financial_status"],
  currency: ["currency_code", "order_currency"],
  refunded: ["refunded_amount", "amount_refunded", "refund_amount", "order_refund_amount", "total_refunded"],
} as const;

export type OrderColumn = keyof typeof synonyms;
/** Names that count only when there is no better one: a file can have both. The last ones are those of other languages. */
const fallbacks: Partial<Record<OrderColumn, readonly string[]>> = {
  order_id: [
    ...[
      "Bestellnummer",
      "Auftragsnummer",
      "Rechnungsnummer",
      "Nº de commande",
      "Numéro de commande",
      "Commande",
    ],
    ...[
      "Número de pedido",
      "Pedido",
      "Numero ordine",
      "Ordine",
      "Ordernummer",
      "Nr zamówienia",
      "Sipariş No",
      "注文番号",
    ],
  ],
  customer_id: [
    ...["customer_email", "email"],
    ...["Kundennummer", "Kunde", "Numéro client", "Client", "ID Cliente", "Cliente", "Klantnummer", "Klant"],
    ...["Klient", "Müşteri", "顧客ID", "顧客番号"],
  ],
  ordered_at: [
    ...["created_at", "created"],
    ...[
      "Bestelldatum",
      "Auftragsdatum",
      "Rechnungsdatum",
      "Datum",
      "Date de commande",
      "Fecha",
      "Data ordine",
      "Data",
    ],
    ...[
      "Data do pedido",
      "Besteldatum",
      "Orderdatum",
      "Data zamówienia",
      "Tarih",
      "Sipariş Tarihi",
      "注文日",
      "注文日時",
    ],
  ],
  amount: [
    ...["order_total", "total_amount", "grand_total", "total_price"],
    ...[
      "Betrag",
      "Gesamtbetrag",
      "Summe",
      "Montant",
      "Montant TTC",
      "Total TTC",
      "Importe",
      "Importo",
      "Totale",
    ],
    ...["Valor", "Valor Total", "Bedrag", "Totaal", "Kwota", "Wartość", "Tutar", "Toplam", "金額", "合計"],
  ],
  status: [
    ...["cancelled", "is_cancelled", "void", "voided", "test", "is_test", "refund", "is_refund", "is_return"],
    ...["transaction_type", "order_type", "sale_type", "event_type", "type"],
    // The sign of the amount.
    ...["debit_credit", "credit_debit", "dr_cr", "cr_dr", "Soll/Haben", "Soll/Haben-Kennzeichen", "S/H"],
  ],
};
export const orderColumns = Object.keys(synonyms) as OrderColumn[];
/** Columns that are read only for warnings. If several fit, the first one is taken. */
const notes: readonly OrderColumn[] = ["status", "currency", "refunded"];

/** Exports that are recognized by columns that only they have, with their names of our columns, the best first. */
const exports: readonly {
  readonly name: string;
  readonly has: readonly string[];
  readonly columns: Partial<Record<OrderColumn, readonly string[]>>;
  /** Whether each row is a line of an order, also when its amounts are equal. */
  readonly lines?: true;
  /** Whether amounts are in cents, or whatever is the smallest unit of the currency. */
  readonly minorUnits?: true;
}[] = [
  {
    name: "UCI Online Retail",
    has: ["StockCode", "Quantity", "InvoiceDate"],
    columns: { unit_price: ["UnitPrice", "Price"], customer_id: ["CustomerID", "Customer ID"] },
  },
  {
    name: "Shopify orders",
    has: ["Financial Status", "Lineitem name"],
    columns: {
      order_id: ["Name"],
      customer_id: ["Email"],
      ordered_at: ["Created at"],
      amount: ["Total"],
      status: ["Financial Status"],
    },
  },
  {
    // "Customer User" is 0 for every guest.
    name: "WooCommerce orders",
    has: ["Order Total Amount", "Email (Billing)"],
    columns: {
      order_id: ["Order Number"],
      customer_id: ["Email (Billing)"],
      amount: ["Order Total Amount"],
    },
  },
  {
    name: "Magento orders",
    has: ["Purchase Point", "Grand Total (Base)"],
    columns: {
      order_id: ["ID"],
      customer_id: ["Customer Email"],
      amount: ["Grand Total (Base)"],
      refunded: ["Total Refunded"],
    },
  },
  {
    // A converted amount is in the account's currency.
    name: "Stripe payments",
    has: ["id", "Amount Refunded", "Currency", "Status"],
    columns: {
      order_id: ["id"],
      customer_id: ["Customer ID", "Customer Email"],
      ordered_at: ["Created (UTC)", "Created date (UTC)"],
      amount: ["Converted Amount", "Amount"],
      currency: ["Converted Currency", "Currency"],
      refunded: ["Converted Amount Refunded", "Amount Refunded"],
    },
  },
  {
    name: "Stripe charges of the API",
    has: ["amount", "amount_refunded", "currency", "created"],
    columns: {
      order_id: ["id"],
      customer_id: ["customer_id", "customer", "customer.id"],
      ordered_at: ["created"],
      amount: ["amount"],
      status: ["status"],
      refunded: ["amount_refunded"],
    },
    minorUnits: true,
  },
  {
    name: "Stripe balance",
    has: ["balance_transaction_id", "reporting_category", "gross"],
    columns: {
      order_id: ["balance_transaction_id"],
      customer_id: ["customer_id", "customer_email"],
      ordered_at: ["created_utc", "created"],
      amount: ["gross"],
      status: ["reporting_category"],
    },
  },
  {
    name: "Square payments of the API",
    has: ["amount_money.amount", "amount_money.currency"],
    columns: {
      order_id: ["id"],
      amount: ["amount_money.amount"],
      currency: ["amount_money.currency"],
      refunded: ["refunded_money.amount"],
    },
    minorUnits: true,
  },
  {
    name: "Square transactions",
    has: ["Total Collected", "Event Type", "Transaction ID"],
    columns: { amount: ["Total Collected"], status: ["Event Type"] },
  },
  {
    name: "PayPal activity",
    has: ["Gross", "From Email Address", "Transaction ID"],
    columns: {
      order_id: ["Transaction ID"],
      customer_id: ["From Email Address"],
      amount: ["Gross"],
      status: ["Type"],
    },
  },
  {
    name: "PayPal activity",
    has: ["Brutto", "Absender E-Mail-Adresse", "Transaktionscode"],
    columns: {
      order_id: ["Transaktionscode"],
      customer_id: ["Absender E-Mail-Adresse"],
      amount: ["Brutto"],
      status: ["Typ"],
      currency: ["Währung"],
    },
  },
  {
    name: "Etsy orders",
    has: ["Sale Date", "Order Net", "Buyer User ID"],
    columns: { customer_id: ["Buyer User ID"], ordered_at: ["Sale Date"], amount: ["Order Total"] },
  },
  {
    // The price is that of all pieces of the line.
    name: "Amazon orders",
    has: ["purchase-date", "item-price", "buyer-email"],
    columns: {
      order_id: ["order-id", "amazon-order-id"],
      customer_id: ["buyer-email"],
      ordered_at: ["purchase-date"],
      amount: ["item-price"],
      status: ["order-status"],
    },
    lines: true,
  },
  {
    // customer_id is another one for each order.
    name: "Olist orders",
    has: ["customer_unique_id", "order_purchase_timestamp"],
    columns: {
      customer_id: ["customer_unique_id"],
      ordered_at: ["order_purchase_timestamp"],
      amount: ["payment_value", "price"],
    },
  },
];

/** Names without case, blanks and signs. A share in percent is not an amount. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}%]/gu, "");
const nearest = (name: string, names: readonly string[]): string | undefined => {
  const near = names.length === 0 ? undefined : closest(plain(name), names.map(plain));
  return names.find((candidate) => plain(candidate) === near);
};

/** Names of columns for a message: not thousands, and not a whole file. */
export function listed(names: readonly string[]): string {
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
  /** The known export that the file is; undefined for another file. */
  readonly format?: string;
  /** Whether each row is a line of an order, also when its amounts are equal. */
  readonly lines: boolean;
  /** Columns whose whole numbers are in the smallest unit of the currency, like cents. */
  readonly minorUnits: readonly OrderColumn[];
}

/**
 * Finds the columns of an order. Names in `given` come first, then those of a known export, then the same name, then
 * a synonym, then a fallback. Case, blanks and signs do not count.
 * @throws UserError that shows the --columns option to type.
 */
export function mapColumns(
  path: string,
  names: readonly string[],
  given: Readonly<Record<string, string>>,
): ColumnMap {
  const all = `The columns of ${path}: ${listed(names)}.`;
  refuseHeaderless(path, names);
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

  const known = exports.find(({ has }) => has.every((name) => names.includes(name)));
  for (const target of orderColumns.filter((column) => !positions.has(column))) {
    // A unit price is used only if there is no amount.
    if (target === "amount" && positions.has("unit_price")) continue;
    if (target === "unit_price" && positions.has("amount")) continue;
    const named = (wanted: readonly string[]) =>
      free().filter((index) => wanted.map(plain).includes(plain(names[index]!)));
    const ofExport = (known?.columns[target] ?? []).map((name) => [name]);
    const candidates = [...ofExport, [target], synonyms[target], fallbacks[target] ?? []].map(named);
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
  if (missing.length > 0 && names.length === 1)
    throw new UserError(`The first line of ${path} names one column: ${listed(names)}.`, {
      remedy:
        "It must name all columns, with a comma, semicolon, tab or | between them. Remove the lines above it, or replace the delimiter.",
    });
  if (missing.length > 0) {
    const left = free().map((index) => names[index]!);
    const guesses = missing.map((column) => {
      const guess = nearest(column, left);
      if (guess !== undefined) left.splice(left.indexOf(guess), 1);
      return [column, guess ?? "NAME"];
    });
    throw new UserError(`${path} has no column for ${missing.join(", ")}.`, {
      remedy: `${all} Name the missing columns, for example ${pairsOf(Object.fromEntries(guesses))}.`,
    });
  }
  const amountName = names[positions.get(amount)!]!;
  const ofExport = known?.columns.amount?.includes(amountName) ?? false;
  return {
    positions,
    ...(known && { format: known.name }),
    lines: amount === "unit_price" || (ofExport && known?.lines === true),
    minorUnits: ([amount, "refunded"] as const).filter(
      (column) =>
        (ofExport && known?.minorUnits === true) ||
        CENTS.test((names[positions.get(column) ?? -1] ?? "").replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")),
    ),
  };
}

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
