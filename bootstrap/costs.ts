import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { load } from "js-yaml";
import { z } from "zod";
import { STEPS } from "../jobs/pipeline.ts";

/** npm run costs: what a stack costs a month, US dollars, as a Markdown table. What is assumed stands here. */
const number = (text: string): number => {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError("It takes a number that is not negative.");
};
const { customers, orders, runs } = new Command("npm run costs --")
  .description(
    "What the parts of a stack cost a month, after a year, by the prices in bootstrap/prices.yaml.",
  )
  .option("--customers <number>", "customers", number, 1_000_000)
  .option("--orders <number>", "orders in the log", number, 20_000_000)
  .option("--runs <number>", "runs a month; every Monday is 52 / 12", number, 52 / 12)
  .helpOption("--help", "shows this")
  .showHelpAfterError("Show the options with: npm run costs -- --help")
  .parse()
  .opts<{ customers: number; orders: number; runs: number }>();

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const price = z.strictObject({ usd: z.number(), per: z.string(), free: z.number(), source: z.string() });
const prices = z.record(z.string(), price).parse(load(read("prices.yaml")));

/** cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes; ids of 10 characters. */
const bytesOf = (type: string): number => (type === "STRING" ? 2 + 10 : 8);
const tables = z
  .array(z.object({ clusterBy: z.array(z.string()), columns: z.array(z.object({ type: z.string() })) }))
  .parse(JSON.parse(read("../sql/tables.json")));
/** A customer's rows of a run: those of the tables that are clustered by customer. */
const customerBytes = tables
  .filter(({ clusterBy }) => clusterBy.includes("customer_id"))
  .flatMap(({ columns }) => columns)
  .reduce((sum, { type }) => sum + bytesOf(type), 0);
/** order_id, customer_id, ordered_at, amount: what is read of an order. */
const orderBytes = 12 + 12 + 8 + 8;
/** How often a run reads the orders, and every table of customers: the ref()s of sql/definitions. */
const reads = { orders: 6, customers: 4 };

const GIB = 2 ** 30;
const steps = Object.keys(STEPS).length + 1;
/** Minutes of a machine for a step, most of which it takes to start. */
const minutes = 5;
const tebibytes =
  (reads.orders * orders * orderBytes + reads.customers * customers * customerBytes) / 2 ** 40;
const amounts: Readonly<Record<string, readonly [amount: number, how: string]>> = {
  "Composer, small": [8 * 730, "8 DCU, 730 hours; nothing where one exists"],
  "Composer's database": [10 * 730, "10 GiB, 730 hours"],
  "Vertex AI pipelines": [runs, "runs"],
  "Vertex AI jobs": [(runs * steps * minutes) / 60, `runs, ${steps} steps, ${minutes} minutes each`],
  "BigQuery queries": [runs * tebibytes, `runs, ${(tebibytes * 1024).toFixed(1)} GiB read by each`],
  "BigQuery storage": [
    (12 * runs * customers * customerBytes) / GIB,
    `a year of runs, ${customerBytes} bytes a customer and run`,
  ],
  "Artifact Registry": [2, "4 images, the 10 newest of each, on one base"],
  "Cloud Storage": [1, "files of runs, the state and its versions"],
  "Cloud KMS": [5, "a version every 90 days, none destroyed"],
  "Pub/Sub": [(runs * 10_000) / GIB, "a request and an event a run, 10 kB with delivery"],
  "Cloud Run": [runs * 100, "requests a run, its probes and people"],
  "Cloud Logging": [(runs * 5e6) / GIB, "5 MB of log lines a run"],
};

const short = (amount: number) => amount.toLocaleString("en-US", { maximumSignificantDigits: 3 });
const rows = Object.entries(amounts).map(([part, [amount, how]]) => {
  const { usd, per, free } = prices[part]!;
  const cost = `${usd.toLocaleString("en-US", { maximumFractionDigits: 9 })}${free > 0 ? `, ${short(free)} free` : ""}`;
  return { part, amount: `${short(amount)} ${per}`, how, cost, month: Math.max(0, amount - free) * usd };
});
const total = rows.reduce((sum, { month }) => sum + month, 0);
const line = (...cells: string[]) => `| ${cells.join(" | ")} |\n`;
process.stdout.write(
  [
    line("part", "amount", "that is", "price of one", "$ a month"),
    line("---", "---:", "---", "---", "---:"),
    ...rows.map((it) => line(it.part, it.amount, it.how, it.cost, it.month.toFixed(2))),
    line(
      "all",
      "",
      `${customers.toLocaleString("en-US")} customers, ${orders.toLocaleString("en-US")} orders`,
      "",
      total.toFixed(2),
    ),
  ].join(""),
);
