import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectDir } from "../lib/project.ts";
import { readResults } from "../local/report/results.ts";
import { renderTables } from "../local/report/terminal.ts";
import { openLocalWarehouse } from "../local/runtime/local-stack.ts";
import {
  csv,
  type Ended,
  ended,
  fittedAs,
  npmStart,
  parsed,
  start,
  temporaryFolder,
} from "../test/npm-start.ts";

/** The command of the README, as a user runs it. */
describe("npm start", function () {
  this.timeout(300_000);
  const { folder, file } = temporaryFolder();
  const dataDir = join(folder, "cdnow");

  describe("on CDNOW", () => {
    let first: Ended;
    before(async () => {
      first = await npmStart("--json", "--data-dir", dataDir, "--export", join(folder, "export"));
    });

    it("ends with exit code 0 and one JSON object on stdout", () => {
      assert.equal(first.code, 0, first.stderr);
      const { run_id, run_date, status, steps, report } = parsed(first);
      assert.match(run_id, /^clv-19971001-/);
      assert.deepEqual([run_date, status], ["1997-10-01", "succeeded"]);
      assert.deepEqual(
        steps.map((step: { step: string; status: string }) => [step.step, step.status]),
        ["features", "train", "score", "backtest", "publish"].map((step) => [step, "succeeded"]),
      );
      assert.ok(existsSync(report));
    });

    it("fits the parameters that lifetimes fits on the full log, and keeps every customer", () => {
      // lifetimes 0.11.3 on the full log calibrated to 1997-09-30.
      const { fitted, tables, segments, orders } = parsed(first);
      const published = {
        r: 0.2516,
        alpha: 4.7889,
        a: 0.7234,
        b: 2.1611,
        p: 6.2754,
        q: 3.6245,
        gamma: 14.9837,
      };
      const model = fittedAs("bgnbd", fitted);
      for (const [name, value] of Object.entries(published))
        assert.equal(model[name].toFixed(4), value.toFixed(4));
      const modified = fittedAs("mbgnbd", fitted);
      for (const [name, value] of Object.entries({ r: 0.6371, alpha: 7.3103, a: 0.8075, b: 1.2284 }))
        assert.equal(modified[name].toFixed(4), value.toFixed(4));
      assert.deepEqual(
        [orders.rows, tables["mlops_mkt.rfm"], tables["rfm.customer_scores"]],
        [69_659, 23_570, 23_570],
      );
      assert.equal(segments.length, 11);
      const customers = segments.reduce(
        (sum: number, segment: { customers: number }) => sum + segment.customers,
        0,
      );
      assert.equal(customers, 23_570);
    });

    it("beats the past rate on counts in the back-test, and no ranking beats hindsight", () => {
      const { backtest, holdout } = parsed(first);
      assert.ok(backtest.model.count_mae < backtest.past_rate.count_mae);
      // MBG/NBD scores; BG/NBD has 0.819.
      assert.equal(backtest.model.count_mae.toFixed(3), "0.795");
      for (const { model, oracle } of [backtest, holdout]) {
        assert.ok(model.top_decile_revenue_share < oracle.top_decile_revenue_share);
      }
      assert.ok(Math.abs(backtest.model.top_decile_revenue_share - 0.516) < 0.001);
    });

    it("correlates every log line of the run by run_id", () => {
      const lines = first.stderr
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line));
      assert.ok(lines.length > 10);
      const { run_id } = parsed(first);
      assert.deepEqual(
        lines.filter((line) => line.run_id !== run_id),
        [],
      );
    });

    it("prints the back-test that README.md shows", async () => {
      const [shown = ""] = /┌[\s\S]*?┘/.exec(readFileSync(join(projectDir, "README.md"), "utf8")) ?? [];
      assert.match(shown, /Perfect hindsight/);
      const warehouse = await openLocalWarehouse(dataDir);
      try {
        const printed = renderTables(await readResults(warehouse, "1997-10-01"), []);
        assert.ok(printed.includes(shown), printed);
      } finally {
        await warehouse.close();
      }
    });

    it("gives the same tables when two run again at once, and prints them and the path of the report", async () => {
      const exported = (name: string): string => readFileSync(join(folder, name, "rfm.csv"), "utf8");
      const [again, { code, stdout, stderr }] = await Promise.all([
        npmStart("--json", "--data-dir", dataDir, "--export", join(folder, "again")),
        npmStart("--data-dir", dataDir, "--export", join(folder, "at-once")),
      ]);
      assert.deepEqual([again.code, code], [0, 0], again.stderr + stderr);
      assert.equal(exported("again"), exported("export"));
      assert.equal(exported("at-once"), exported("export"));
      for (const title of [
        "Steps",
        "Segments",
        "Model mbgnbd-gg-",
        "Hold-out: the last 9 weeks",
        "Back-test",
        "Top customers",
        "Report: ",
      ]) {
        assert.ok(stdout.includes(title), `${title} in\n${stdout}`);
      }
      for (const step of ["orders", "features", "train", "score", "backtest", "publish", "confirmed"]) {
        assert.ok(stderr.includes(step), `${step} in\n${stderr}`);
      }
      const warehouse = await openLocalWarehouse(dataDir);
      try {
        assert.deepEqual(
          await warehouse.query("SELECT COUNT(*) AS runs, COUNT(DISTINCT status) AS endings FROM ops.runs"),
          [{ runs: 3, endings: 1 }],
        );
      } finally {
        await warehouse.close();
      }
    });

    it("stops its steps on Ctrl-C, exits with 130 and leaves the tables as they were", async () => {
      const child = start("--json", "--data-dir", dataDir);
      let seen = "";
      child.stderr!.on("data", function interrupt(chunk) {
        seen += chunk;
        if (!seen.includes("features of 1997-10-01 started")) return;
        child.stderr!.off("data", interrupt);
        child.kill("SIGINT");
      });
      const { code, stdout } = await ended(child);
      assert.equal(code, 130);
      assert.equal(JSON.parse(stdout).status, "cancelled");
      const warehouse = await openLocalWarehouse(dataDir);
      try {
        const [mart] = await warehouse.query(
          "SELECT COUNT(*) AS customers FROM mlops_mkt.rfm WHERE run_date = DATE '1997-10-01'",
        );
        const [run] = await warehouse.query(
          `SELECT status FROM ops.runs WHERE run_id = '${JSON.parse(stdout).run_id}'`,
        );
        assert.deepEqual([mart?.customers, run?.status], [23_570, "cancelled"]);
      } finally {
        await warehouse.close();
      }
    });

    it("scores with the existing champion when it does not fit a model, and warns of drift", async () => {
      const run = await npmStart(
        "--json",
        "--data-dir",
        dataDir,
        "--run-date",
        "1998-01-01",
        "--retrain",
        "no",
      );
      assert.equal(run.code, 0, run.stderr);
      const { model_id, model, steps, drift, warnings } = parsed(run);
      assert.equal(model_id, parsed(first).model_id);
      assert.equal(model.run_date, "1997-10-01");
      // A quarter later, with hardly a new customer: the same customers are 13 weeks older.
      const age = drift.find((row: { column_name: string }) => row.column_name === "age_weeks");
      assert.deepEqual([age.training_run_date, age.reason], ["1997-10-01", null]);
      assert.ok(Math.abs(age.mean - age.training_mean - 13) < 1 && age.psi > 1, JSON.stringify(age));
      assert.match(warnings.join(), /drift_is_small does not hold: .*column_name \w/);
      assert.deepEqual(steps.find((step: { step: string }) => step.step === "train").rows, {});
    });
  });

  describe("with bad input ends with exit code 1, prints the problem and loses nothing", () => {
    const good = ["--data-dir", join(folder, "bad")];
    // Files: local/orders/load.test.ts. Options: options.test.ts.
    const cases: Record<string, () => [string[], RegExp]> = {
      "a run date that is not a date": () => [
        ["--run-date", "1997-13-01"],
        /--run-date: must be a date like 1997-10-01.*1997-13-01/,
      ],
      "a run date after today": () => [["--run-date", "2999-01-01"], /must not be after today/],
      "a run date not after the first order": () => [
        ["--run-date", "1997-01-01"],
        /not after the first order \(1997-01-01\)/,
      ],
      "a missing file": () => [["--orders", join(folder, "nosuch.csv")], /nosuch\.csv/],
      "a file where every row is invalid": () => [
        [
          "--orders",
          file("invalid.csv", csv("1,a,2024-01-01,-1", "2,b,2024-01-02,-1")),
          "--run-date",
          "2024-02-01",
        ],
        /rejected_share does not hold|orders_before_run_date does not hold/,
      ],
      "a hold-out longer than the history": () => [
        ["--holdout-weeks", "60"],
        /holdout_within_history does not hold/,
      ],
      "a folder that can't be made": () => [["--data-dir", join(file("a-file", "x"), "below")], /--data-dir/],
      "an export folder that is a file": () => [["--export", file("another-file", "x")], /--export/],
      "an export folder in a file system of the kernel": () => [
        ["--export", "/proc/x"],
        /\/proc\/x.*\n.*--export/,
      ],
    };
    for (const [name, input] of Object.entries(cases)) {
      it(name, async () => {
        const [args, expected] = input();
        const { code, stdout, stderr } = await npmStart(...good, ...args);
        assert.equal(code, 1, stdout + stderr);
        assert.match(stderr, expected);
        assert.doesNotMatch(stderr, /\n\s+at /, "no stack traces for a person");
        assert.equal(stdout, "");
      });
    }

    it("keeps the orders and the marts of the last good run", async () => {
      const shop = join(folder, "kept");
      const rows = Array.from(
        { length: 40 },
        (_, index) => `${index},${index % 9},2024-01-${String(1 + (index % 28)).padStart(2, "0")},5`,
      );
      assert.equal(
        (await npmStart("--json", "--data-dir", shop, "--orders", file("kept.csv", csv(...rows)))).code,
        0,
      );
      assert.equal(
        (await npmStart("--json", "--data-dir", shop, "--orders", file("broken.csv", "x,y\n1,2"))).code,
        1,
      );
      const later = file("later.csv", csv("1,a,2024-02-01,1", "2,a,2024-02-02,1"));
      const tooEarly = await npmStart(
        "--json",
        "--data-dir",
        shop,
        "--orders",
        later,
        "--run-date",
        "2024-02-01",
      );
      assert.match(
        parsed(tooEarly).error,
        /not after the first order \(2024-02-01\)[\s\S]*--run-date 2024-02-03/,
      );
      const warehouse = await openLocalWarehouse(shop);
      try {
        const [orders] = await warehouse.query("SELECT COUNT(*) AS orders FROM raw.orders");
        const [mart] = await warehouse.query("SELECT COUNT(*) AS customers FROM mlops_mkt.rfm");
        assert.deepEqual([orders?.orders, mart?.customers], [40, 9]);
      } finally {
        await warehouse.close();
      }
    });
  });

  it("fits a model without a champion that can score, and says so", async () => {
    const orders = file("no-champion.csv", csv("1,a,2024-01-01,1", "2,a,2024-02-01,2", "3,b,2024-01-05,3"));
    const run = await npmStart("--orders", orders, "--data-dir", join(folder, "none"), "--retrain", "no");
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stderr, /no champion up to 2024-02-02, so a model is fitted although retrain is no/);
  });

  it("explains what to do when the folder is read-only", async () => {
    const folderOnly = join(folder, "read-only");
    mkdirSync(folderOnly);
    chmodSync(folderOnly, 0o555);
    // Root can write everywhere except in a file system of the kernel.
    const dataDirThere = process.getuid?.() === 0 ? "/sys/customer-value" : join(folderOnly, "data");
    const { code, stderr } = await npmStart("--data-dir", dataDirThere);
    assert.equal(code, 1);
    assert.match(stderr, /can't be made or written[\s\S]*--data-dir/);
  });

  it("explains what to do when the disk is full", async () => {
    if (process.platform !== "linux") return console.warn("    left out: needs Linux, for a small disk");
    const disk = join(folder, "disk");
    mkdirSync(disk);
    const script = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"';
    const command = [process.execPath, join(projectDir, "cli", "start.ts"), "--data-dir", join(disk, "data")];
    const { code, stderr } = await ended(
      spawn("unshare", ["--map-root-user", "--mount", "sh", "-c", script, disk, ...command], {
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );
    assert.equal(code, 1, stderr);
    assert.match(stderr, /no space left[\s\S]*free space of the data folder, or use another: --data-dir/i);
    assert.doesNotMatch(stderr, /\n\s+at /, "no stack traces for a person");
  });

  it("prints only JSON through npm, as the README says", async () => {
    const args = ["start", "--silent", "--", "--json", "--data-dir", dataDir, "--run-date", "never"];
    const run = await ended(spawn("npm", args, { cwd: projectDir, stdio: ["ignore", "pipe", "pipe"] }));
    assert.equal(run.code, 1);
    assert.deepEqual(Object.keys(parsed(run)), ["run_id", "run_date", "warnings", "status", "error"]);
    assert.equal(parsed(run).status, "failed");
  });

  it("prints its options", async () => {
    const { code, stdout } = await npmStart("--help");
    assert.equal(code, 0);
    for (const option of [
      "--orders",
      "--columns",
      "--run-date",
      "--horizon-weeks",
      "--holdout-weeks",
      "--data-dir",
      "--guests",
      "--lines",
      "--where",
      "--shop-time-zone",
      "--refunds",
      "--export",
      "--json",
    ]) {
      assert.ok(stdout.includes(option), option);
    }
  });
});
