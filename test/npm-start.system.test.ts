import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { writeShop } from "../bench/shop.ts";
import { projectDir } from "../lib/project.ts";
import { openLocalWarehouse } from "../local/runtime/local-stack.ts";
import { csv, fittedAs, npmStart, parsed, temporaryFolder } from "./npm-start.ts";

describe("npm start on other logs and with other settings", () => {
  const { folder, file } = temporaryFolder();

  it("fits and evaluates on the customers that the limit allows, and scores all", async () => {
    const folderOfLimit = join(folder, "limit");
    const run = await npmStart("--json", "--data-dir", folderOfLimit, "--model-customers", "3000");
    assert.equal(run.code, 0, run.stderr);
    const { model, tables, report } = parsed(run);
    assert.equal(model.all_customers, 23_570);
    assert.ok(Math.abs(model.customers - 3000) < 200, `${model.customers}`);
    assert.equal(tables["rfm.backtest"], model.customers);
    assert.equal(tables["rfm.holdout"], model.customers);
    assert.match(
      readFileSync(report, "utf8"),
      new RegExp(`fitted on ${model.customers.toLocaleString("en-US")} of 23,570 customers`),
    );
    const warehouse = await openLocalWarehouse(folderOfLimit);
    try {
      const [scored] = await warehouse.query(
        "SELECT COUNT(p_active) AS active, COUNT(expected_value) AS valued FROM rfm.customer_scores",
      );
      assert.deepEqual(scored, { active: 23_570, valued: 23_570 });
    } finally {
      await warehouse.close();
    }
  });

  it("trains and evaluates as long for ten times the customers, when the limit is the same", async function () {
    this.retries(2); // The machine may be busy with something else while one of the two runs.
    const runs = [];
    for (const customers of [10_000, 100_000]) {
      const orders = join(folder, `shop-${customers}.parquet`);
      await writeShop({ customers }, orders);
      const args = ["--run-date", "2025-06-01", "--holdout-weeks", "31", "--model-customers", "5000"];
      const run = await npmStart("--json", "--orders", orders, "--data-dir", `${orders}.data`, ...args);
      assert.equal(run.code, 0, run.stderr);
      const { steps, tables, model } = parsed(run);
      const secondsOf = (name: string): number => {
        const { started_at, finished_at } = steps.find(({ step }: { step: string }) => step === name);
        return (Date.parse(finished_at) - Date.parse(started_at)) / 1000;
      };
      assert.equal(tables["rfm.customer_scores"], model.all_customers);
      runs.push({
        all: model.all_customers,
        fitted: model.customers,
        seconds: secondsOf("train") + secondsOf("backtest"),
      });
    }
    const [one, ten] = runs;
    assert.ok(ten!.all > 9 * one!.all, `${ten!.all} of ${one!.all}`);
    assert.ok(Math.abs(ten!.fitted / one!.fitted - 1) < 0.1, `${ten!.fitted} of ${one!.fitted}`);
    // Of ten times the rows each would take several times as long.
    assert.ok(ten!.seconds < 2 * one!.seconds, `${ten!.seconds} s after ${one!.seconds} s`);
  });

  it("accepts a run date long after the last order, and warns that the orders are old", async () => {
    const run = await npmStart("--json", "--data-dir", join(folder, "old"), "--run-date", "2022-09-25");
    assert.equal(run.code, 0, run.stderr);
    assert.match(parsed(run).warnings.join(), /orders_are_fresh does not hold.*last_order_on 1998-06-30/);
  });

  it("reads a log with other columns and formats", async () => {
    const rows = Array.from({ length: 300 }, (_, index) => {
      const date = new Date(Date.UTC(2023, 0, 1 + ((index * 37) % 365)))
        .toISOString()
        .slice(0, 10)
        .split("-")
        .reverse()
        .join(".");
      return `${index % 60};${date};${(10 + (index % 13)).toFixed(2).replace(".", ",")}`;
    });
    const path = file("shop.csv.gz", gzipSync(["CustID;Datum;Summe", ...rows].join("\n")));
    const columns = "customer_id=CustID,ordered_at=Datum,amount=Summe";
    const run = await npmStart(
      "--json",
      "--orders",
      path,
      "--columns",
      columns,
      "--data-dir",
      join(folder, "shop"),
    );
    assert.equal(run.code, 0, run.stderr);
    const { run_date, tables, orders } = parsed(run);
    assert.deepEqual([run_date, tables["mlops_mkt.rfm"], orders.rows], ["2024-01-01", 60, 300]);
  });

  for (const [name, rows] of Object.entries({
    "one customer only": ["1,a,2024-01-01,10", "2,a,2024-01-09,12"],
    "no repeat purchases at all": ["1,a,2024-01-01,10", "2,b,2024-01-09,12", "3,c,2024-01-19,12"],
  })) {
    it(`gives RFM only, and the reason, with ${name}`, async () => {
      const run = await npmStart(
        "--json",
        "--orders",
        file("few.csv", csv(...rows)),
        "--data-dir",
        join(folder, "few"),
      );
      assert.equal(run.code, 0, run.stderr);
      const { model, model_id, warnings, tables } = parsed(run);
      assert.deepEqual([model, model_id], [null, null]);
      assert.match(warnings.join("\n"), /No model could be fitted, so the run gives RFM only\. \S/);
      assert.ok(tables["mlops_mkt.rfm"] > 0);
    });
  }

  // Values of lifetimes 0.11.3 on the same logs, prepared with pandas.
  it("sets orders aside whose customer is the text NULL", async () => {
    const orders = join(projectDir, "test", "orders", "customer_null_text.csv");
    const run = await npmStart("--json", "--orders", orders, "--data-dir", join(folder, "null"));
    assert.equal(run.code, 0, run.stderr);
    const { fitted, rejected, tables } = parsed(run);
    const model = fittedAs("bgnbd", fitted);
    assert.deepEqual(
      [tables["mlops_mkt.rfm"], model.r.toFixed(4), model.q.toFixed(4)],
      [238, "0.6042", "4.1742"],
    );
    assert.deepEqual(rejected, [{ rejection_reason: "no customer", orders: 29, amount: 1530.53 }]);
  });

  it("subtracts refunds from the orders that they return", async () => {
    const sales = Array.from(
      { length: 40 },
      (_, i) => `${i},${i % 8},2024-01-${String(1 + (i % 28)).padStart(2, "0")},5`,
    );
    const orders = file("refunds.csv", csv(...sales, "R1,1,2024-01-30,-5", "R2,2,2024-01-30,-2"));
    const args = ["--json", "--orders", orders, "--data-dir", join(folder, "refunds")];
    const separate = parsed(await npmStart(...args));
    assert.deepEqual(separate.rejected, [{ rejection_reason: "negative amount", orders: 2, amount: -7 }]);
    const net = parsed(await npmStart(...args, "--refunds", "net"));
    assert.deepEqual(net.rejected, [
      { rejection_reason: "refund", orders: 2, amount: -7 },
      { rejection_reason: "refunded", orders: 1, amount: 5 },
    ]);
    const revenue = (result: { segments: { monetary_value: number }[] }) =>
      result.segments.reduce((sum, { monetary_value }) => sum + monetary_value, 0);
    assert.deepEqual([revenue(separate), revenue(net)], [200, 193]);
  });

  it("warns of what it could not read, also when the run fails for it", async () => {
    const rows = Array.from({ length: 20 }, (_, day) => `${day},${day % 7},2024-01-${day + 10},5`);
    const orders = file("dates.csv", csv(...rows, "20,1,13.01.2024,5", "21,2,14.01.2024,5"));
    const args = ["--orders", orders, "--data-dir", join(folder, "dates")];
    const warning = /Dates of column ordered_at that can't be read: 2, for example 1[34]\.01\.2024\./;
    const failed = await npmStart("--json", ...args);
    assert.equal(failed.code, 1, failed.stderr);
    assert.match(parsed(failed).warnings.join(), warning);
    assert.match(parsed(failed).error, /failed in step features\..*\n\s*Its log: .*\/features-\*\.log$/s);
    assert.match((await npmStart(...args)).stderr, warning);
  });

  it("warns of few orders that hold much of the money", async () => {
    const sales = Array.from(
      { length: 40 },
      (_, i) => `${i},${i % 8},2024-01-${String(1 + (i % 28)).padStart(2, "0")},5`,
    );
    const orders = file("large.csv", csv(...sales, "41,,2024-01-20,300"));
    const run = await npmStart("--json", "--orders", orders, "--data-dir", join(folder, "large"));
    assert.equal(run.code, 0, run.stderr);
    const warning = parsed(run).warnings.join("\n");
    assert.match(warning, /rejected_revenue does not hold.*largest_amount 300, share_of_money 0\.6/);
    assert.ok(readFileSync(parsed(run).report, "utf8").includes("rejected_revenue does not hold"));
  });

  it("allows what is usual for a known export, unless the option is given", async () => {
    const line = (i: number) => `${i},A,X,2,1/${1 + (i % 28)}/2011 8:26,2.5,${i % 4 === 0 ? "" : i % 9},UK`;
    const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
    const lines = Array.from({ length: 60 }, (_, i) => line(i));
    const orders = file("uci.csv", `${[header, ...lines].join("\n")}\n`);
    const args = ["--json", "--orders", orders, "--data-dir", join(folder, "uci")];
    const run = await npmStart(...args);
    assert.equal(run.code, 0, run.stderr);
    assert.match(parsed(run).warnings.join(), /up to 40\.0\u00a0% may be set aside/);
    assert.equal((await npmStart(...args, "--max-rejected-share", "0.05")).code, 1);
  });

  it("warns of an id that stands for all guests, and leaves guests out", async () => {
    const orders = join(projectDir, "test", "orders", "woocommerce_guests.csv");
    const args = ["--json", "--orders", orders, "--columns", "customer_id=Customer User"];
    const dataDir = join(folder, "guests");
    const mixed = await npmStart(...args, "--data-dir", dataDir);
    assert.equal(mixed.code, 0, mixed.stderr);
    const warning = parsed(mixed).warnings.join("\n");
    assert.match(warning, /customers_are_persons does not hold: .*--guests ID.*customer_id 0, purchases 173/);
    assert.ok(readFileSync(parsed(mixed).report, "utf8").includes("customers_are_persons does not hold"));
    const run = await npmStart(...args, "--data-dir", dataDir, "--guests", "0");
    assert.equal(run.code, 0, run.stderr);
    const { fitted, tables, warnings } = parsed(run);
    const model = fittedAs("bgnbd", fitted);
    assert.deepEqual(
      [tables["mlops_mkt.rfm"], model.r.toFixed(4), model.b.toFixed(4)],
      [215, "0.5653", "5.3356"],
    );
    assert.match(warnings.join("\n"), /^Rows of guests \(customer 0\) that are left out: \d+\.$/);
  });

  it("prints the orders that were set aside, with their money", async () => {
    const rows = Array.from(
      { length: 60 },
      (_, day) => `${day},${day % 7},2024-01-${String(1 + (day % 28)).padStart(2, "0")},5`,
    );
    const path = file("few-bad.csv", csv(...rows, "x,1,2024-01-03,-1"));
    const { code, stdout, stderr } = await npmStart("--orders", path, "--data-dir", join(folder, "few-bad"));
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /Set aside: 1 of 61 orders \(rfm\.rejected_orders\)\n[\s\S]*negative amount +│ +1 │ +−1\.00/,
    );
  });
});
