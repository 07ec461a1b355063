/** Columns of an order log, each with other names that shops give it. */
export const synonyms = {
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
export const fallbacks: Partial<Record<OrderColumn, readonly string[]>> = {
  order_id: [
    ...[
      "Bestellnummer",
      "Auftragsnummer",
      "Rechnungsnummer",
      "Bestellnr",
      "Auftragsnr",
      "Rechnungsnr",
      "Belegnummer",
      "Belegnr",
      "Nº de commande",
      "N° commande",
      "Numéro de commande",
      "Commande",
    ],
    ...[
      "Número de pedido",
      "Nº pedido",
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
    ...["Kundennr", "Kunden-ID", "N° client", "Code client", "Código cliente", "Nº cliente"],
    ...["Klient", "Müşteri", "顧客ID", "顧客番号", "会員ID"],
  ],
  ordered_at: [
    ...["created_at", "created"],
    ...[
      "Bestelldatum",
      "Auftragsdatum",
      "Rechnungsdatum",
      "Datum",
      "Belegdatum",
      "Date de commande",
      "Date commande",
      "Fecha",
      "Fecha pedido",
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
    ...["cancelled", "canceled", "is_cancelled", "is_canceled", "void", "voided", "test", "is_test"],
    ...["refund", "is_refund", "is_refunded", "is_return", "paid", "is_paid", "draft", "is_draft"],
    ...["transaction_type", "order_type", "sale_type", "event_type", "type", "transaction_status"],
    ...[
      "state",
      "order_state",
      "payment_state",
      "current_state",
      "document_type",
      "doc_type",
      "invoice_type",
    ],
    ...["Belegart", "Vorgangsart", "Buchungsart", "Type de document", "Tipo documento", "Tipo de documento"],
    ...[
      "Bestellstatus",
      "Auftragsstatus",
      "Zahlungsstatus",
      "Storniert",
      "Statut",
      "État",
      "Estado",
      "Stato",
    ],
    ...[
      "Situação",
      "Status do pedido",
      "Durum",
      "Sipariş Durumu",
      "ステータス",
      "注文ステータス",
      "注文状況",
    ],
    // The sign of the amount.
    ...["debit_credit", "credit_debit", "dr_cr", "cr_dr", "Soll/Haben", "Soll/Haben-Kennzeichen", "S/H"],
  ],
  currency: [
    ...["order_currency_code", "presentment_currency", "Währung", "Waehrung", "Devise", "Moneda", "Moeda"],
    ...["Valuta", "Waluta", "Para birimi", "通貨"],
  ],
};
/** Columns with the time at which an order ended without a sale; blank for the others. */
export const endings: readonly string[] = [
  ...["cancelled_at", "canceled_at", "cancelled_on", "canceled_on", "cancelled_date", "cancellation_date"],
  ...[
    "date_cancelled",
    "date_canceled",
    "voided_at",
    "deleted_at",
    "refunded_at",
    "Storniert am",
    "Stornodatum",
  ],
];
export const orderColumns = Object.keys(synonyms) as OrderColumn[];
/** Columns that are read only for warnings. If several fit, the first one is taken. */
export const notes: readonly OrderColumn[] = ["status", "currency", "refunded"];

/** The columns that all objects of Stripe's API have. */
const STRIPE = {
  order_id: ["id"],
  customer_id: ["customer_id", "customer", "customer.id"],
  ordered_at: ["created"],
  status: ["status"],
};

/** Exports that are recognized by columns that only they have, with their names of our columns, the best first. */
export const knownExports: readonly {
  readonly name: string;
  readonly has: readonly string[];
  readonly columns: Partial<Record<OrderColumn, readonly string[]>>;
  /** Whether each row is a line of an order, also when its amounts are equal. */
  readonly lines?: true;
  /** Whether amounts are in cents, or whatever is the smallest unit of the currency. */
  readonly minorUnits?: true;
  /** A share of the orders that is usually set aside, as they have no customer or are cancelled. */
  readonly setAside?: number;
}[] = [
  {
    // Of its 25,900 invoices of 2010 and 2011, 14 % have no customer and 15 % are cancellations (UCI dataset 352).
    name: "UCI Online Retail",
    has: ["StockCode", "Quantity", "InvoiceDate"],
    setAside: 0.4,
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
    columns: { ...STRIPE, amount: ["amount"], refunded: ["amount_refunded"] },
    minorUnits: true,
  },
  {
    name: "Stripe payment intents of the API",
    has: ["amount", "amount_received", "currency", "created"],
    columns: { ...STRIPE, amount: ["amount"] },
    minorUnits: true,
  },
  {
    name: "Stripe invoices of the API",
    has: ["amount_due", "amount_paid", "currency", "created"],
    columns: { ...STRIPE, amount: ["amount_paid"] },
    minorUnits: true,
  },
  {
    name: "Stripe checkout sessions of the API",
    has: ["amount_total", "amount_subtotal", "currency", "created"],
    columns: { ...STRIPE, amount: ["amount_total"] },
    minorUnits: true,
  },
  {
    name: "Razorpay payments of the API",
    has: ["entity", "amount", "amount_refunded", "created_at"],
    columns: {
      order_id: ["id"],
      customer_id: ["customer_id", "email"],
      ordered_at: ["created_at"],
      amount: ["amount"],
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
