import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { LineageTable } from "dataform-check/lineage/tables";
import { readParquet } from "../adapters/parquet.ts";
import { projectDir, sqlDir } from "../lib/project.ts";

/** The other commands of the README: serve, sql, lineage, format. */
describe("local commands", function () {
  this.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), "commands-"));
  const children: ChildProcess[] = [];
  after(() => {
    for (const child of children) child.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A command under way, with what it has printed so far. */
  function start(
    script: string,
    ...args: string[]
  ): { child: ChildProcess; output: () => string; says: (text: string | RegExp) => Promise<string> } {
    const child = spawn(process.execPath, [join(projectDir, "cli", `${script}.ts`), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream!.setEncoding("utf8").on("data", (text: string) => (output += text));
    const says = async (text: string | RegExp): Promise<string> => {
      const found = (): boolean => (typeof text === "string" ? output.includes(text) : text.test(output));
      while (!found()) {
        if (child.exitCode !== null)
          assert.fail(`ended with ${child.exitCode} without saying ${text}:\n${output}`);
        await setTimeout(50);
      }
      return output;
    };
    return { child, output: () => output, says };
  }
  async function run(script: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
    const { child, output } = start(script, ...args);
    const [code] = await once(child, "close");
    return { code, output: output() };
  }
  const sample = [
    "--orders",
    join(projectDir, "data", "cdnow-sample.csv.gz"),
    "--data-dir",
    join(folder, "data"),
  ];

  describe("npm run serve", () => {
    let url: string;
    let serve: ReturnType<typeof start>;
    before(async () => {
      serve = start("serve", "--port", "0", ...sample);
      url = /curl (http:\/\/127\.0\.0\.1:\d+)\/healthcheck/.exec(await serve.says("/healthcheck"))![1]!;
    });

    it("runs a run date, and shows the state of the run", async () => {
      assert.deepEqual(await (await fetch(`${url}/healthcheck`)).json(), { status: "ok" });
      const response = await fetch(`${url}/invoke?run_date=2022-09-25`);
      assert.equal(response.status, 202);
      const { run_id, state_url } = (await response.json()) as { run_id: string; state_url: string };
      let state: { state: string; steps: { step: string; warnings: string[] }[] };
      do {
        await setTimeout(200);
        state = (await (await fetch(url + state_url)).json()) as typeof state;
      } while (state.state === "running");
      assert.equal(state.state, "succeeded", JSON.stringify(state));
      assert.match(state.steps[0]!.warnings.join(), /orders_are_fresh/);
      await serve.says(`run ${run_id} succeeded`);
    });

    for (const [path, status] of [
      ["/invoke?run_date=1997-01-01", 400],
      ["/invoke?run_date=2999-01-01", 400],
      ["/invoke?run_date=yesterday", 400],
      ["/invoke", 400],
      ["/runs/clv-19970101-nosuchrun00", 404],
      ["/nothing", 404],
    ] as const) {
      it(`answers ${path} with ${status} and a problem document`, async () => {
        const response = await fetch(url + path);
        assert.equal(response.status, status);
        assert.match(response.headers.get("content-type")!, /^application\/problem\+json/);
        assert.equal(((await response.json()) as { status: number }).status, status);
      });
    }

    it("stops cleanly", async () => {
      serve.child.kill("SIGTERM");
      const [code] = await once(serve.child, "close");
      assert.equal(code, 0, serve.output());
    });
  });

  for (const command of ["serve", "lineage"]) {
    it(`npm run ${command} says when its port is taken`, async () => {
      const taken = createServer().listen(0, "127.0.0.1");
      await once(taken, "listening");
      const { port } = taken.address() as AddressInfo;
      const { code, output } = await (command === "serve"
        ? run("serve", "--port", String(port), ...sample)
        : run("sql-tool", "lineage", "--port", String(port)));
      taken.close();
      assert.equal(code, 1);
      assert.match(output, new RegExp(`Port ${port} of 127.0.0.1 is in use[\\s\\S]*--port ${port + 1}`));
    });
  }

  for (const script of ["sql", "serve", "plan"])
    it(`npm run ${script} fails when the data folder can't be made`, async () => {
      const { code, output } = await run(script, "--data-dir", "/proc/x");
      assert.equal(code, 1, output);
      assert.match(output, /\/proc\/x/);
      assert.doesNotMatch(output, /\n\s+at /);
    });

  it("npm run examples reads an order log as a run does: its zone, its refunds, its last day", async () => {
    const days = Array.from({ length: 30 }, (_, i) => new Date(Date.UTC(2024, 0, 1 + 7 * i)));
    const rows = days.map(
      (day, i) => `c${i % 5},${day.toISOString().slice(0, 10)} 05:00,10,${i === 29 ? 4 : 0}`,
    );
    const orders = join(folder, "examples.csv");
    writeFileSync(orders, `customer,date,total,refunded\n${rows.join("\n")}\n`);
    const out = join(folder, "examples");
    const { code, output } = await run(
      "examples",
      ...["--orders", orders, "--data-dir", join(folder, "examples-data"), "--out", out],
      ...["--shop-time-zone", "America/Los_Angeles", "--refunds", "net", "--columns", "refunded=refunded"],
    );
    assert.equal(code, 0, output);
    assert.match(output, /^orders: 30 rows, 2024-01-01 to 2024-07-22 /m);
    assert.match(output, /^warning: Refunds in column refunded: 4\.00 of 1 orders\. They are subtracted\.$/m);
    const read = await readParquet(pathToFileURL(join(out, "examples")).href, [
      ...["sample", "purpose", "customer_id", "recency_days", "value"],
    ]);
    const last = read.find(
      (row) => row.customer_id === "c4" && row.sample === "production" && row.purpose === "predict",
    );
    assert.deepEqual([Number(last!.recency_days), last!.value], [0, 56]);
  });

  it("npm run serve has the option that its warning of refunds names", async () => {
    const orders = join(folder, "refunds.csv");
    writeFileSync(orders, "customer,date,total,refunded_amount\na,2024-01-01,5,2\n");
    const args = ["--port", "0", "--orders", orders, "--data-dir", join(folder, "refunds")];
    const serve = start("serve", ...args, "--refunds", "net");
    await serve.says("They are subtracted.");
    serve.child.kill();
    const { code, output } = await run("serve", ...args, "--refunds", "some");
    assert.equal(code, 1);
    assert.match(output, /^--refunds: .*separate.*net/m);
  });

  describe("npm run sql", () => {
    it("runs the models and shows rows and assertions", async () => {
      const { code, output } = await run("sql", "--run-date", "1997-10-01", ...sample);
      assert.equal(code, 0, output);
      assert.match(output, /mlops_mkt\.rfm +2,357 rows/);
      assert.match(output, /\b(\d+) of \1 assertions hold/);
    });

    it("says how the order log was read, and warns", async () => {
      const orders = join(folder, "shop.csv");
      writeFileSync(
        orders,
        "customer,date,total\na,2024-01-01 23:00:00 -0800,5\nb,2024-02-01 09:00:00 -0800,6\n",
      );
      const args = ["--orders", orders, "--data-dir", join(folder, "shop"), "--run-date", "2024-03-01"];
      const { output } = await run("sql", ...args);
      assert.match(output, /^orders: 2 rows, 2024-01-02 to 2024-02-01 \(customer_id is customer,.*\)$/m);
      assert.match(output, /^warning: Times of another zone than UTC.*: 1 of 2\./m);
      const inZone = await run("sql", ...args, "--shop-time-zone", "America/Los_Angeles");
      assert.match(inZone.output, /^orders: 2 rows, 2024-01-01 to 2024-02-01 /m);
      assert.doesNotMatch(inZone.output, /Times of another zone/);
    });

    it("points at a syntax error: file, line, column, caret", async () => {
      const broken = join(folder, "broken");
      cpSync(sqlDir, broken, { recursive: true });
      const file = join(broken, "definitions", "marts", "rfm.sqlx");
      const source = readFileSync(file, "utf8").replace("  f.recency_days,\n", "  f.recency_days +,\n");
      writeFileSync(file, source);
      const line = source.split("\n").findIndex((text) => text.includes("recency_days +,")) + 1;
      const { code, output } = await run("sql", "--run-date", "1997-10-01", "--sql-dir", broken, ...sample);
      assert.equal(code, 1);
      assert.match(
        output,
        new RegExp(`rfm\\.sqlx:${line}:\\d+: .*\\n {4}f\\.recency_days \\+,\\n +\\^`),
        output,
      );
    });

    it("with --watch runs what changed and what depends on it, and continues after a mistake", async () => {
      const watched = join(folder, "watched");
      cpSync(sqlDir, watched, { recursive: true });
      const segments = join(watched, "definitions", "features", "segments.sqlx");
      const { child, output, says } = start(
        "sql",
        "--run-date",
        "1997-10-01",
        "--sql-dir",
        watched,
        "--watch",
        ...sample,
      );
      await says("Watching");
      const before = output().length;
      writeFileSync(segments, readFileSync(segments, "utf8").replace('"Champions"', '"Best of all"'));
      // segments, what is made of it, and their assertions; not the statistics
      await says(/^11 actions in/m);
      assert.match(output().slice(before), /rfm\.segments +11 rows[\s\S]*mlops_mkt\.rfm_segments +11 rows/);
      assert.doesNotMatch(output().slice(before), /model_statistics/);
      appendFileSync(segments, "\nUNION ALL SELECT FROM\n");
      await says(/segments\.sqlx:\d+:\d+: /);
      child.kill();
    });
  });

  describe("npm run check:sql", () => {
    it("finds no problems", async () => {
      const { code, output } = await run("sql-tool", "check");
      assert.equal(code, 0, output);
      assert.match(output, /\d+ queries checked, \d+ unit tests run in \d+\.\d s: no problems\./);
    });

    it("fails on an invalid query, a failing unit test and changed tables, and shows them", async () => {
      const broken = join(folder, "check");
      for (const [name, from, to, said] of [
        [
          "staging/purchases",
          "customer_id,",
          "customer,",
          /s\.sqlx:\d+:3: .*: customer[\s\S]*Syntax checked only, because rfm\.purchases is not valid: .*customer_history/,
        ],
        [
          "staging/purchases",
          "SUM(",
          "MAX(",
          /purchases\.test\.yaml: "all[\s\S]*differs +│ a +│ 2024-01-01 +│ 350 → 250/,
        ],
        [
          "features/model_statistics",
          "AS customers",
          "AS people",
          /tables\.json differs from[\s\S]*npm run tables/,
        ],
      ] as const) {
        cpSync(sqlDir, broken, { recursive: true });
        const file = join(broken, "definitions", `${name}.sqlx`);
        writeFileSync(file, readFileSync(file, "utf8").replace(from, to));
        const { code, output } = await run("sql-tool", "check", "--sql-dir", broken);
        assert.equal(code, 1, output);
        assert.match(output, said);
      }
    });

    it("with --watch checks and tests what changed, and continues after a mistake", async () => {
      const watched = join(folder, "check-watched");
      cpSync(sqlDir, watched, { recursive: true });
      const purchases = join(watched, "definitions", "staging", "purchases.sqlx");
      const source = readFileSync(purchases, "utf8");
      const { child, says } = start("sql-tool", "check", "--sql-dir", watched, "--watch");
      await says("Watching");
      writeFileSync(purchases, source.replace("SUM(amount_cents)", "MAX(amount_cents)"));
      await says(/350 → 250[\s\S]*\n1 queries checked, 2 unit tests run in .*: 1 problems/);
      writeFileSync(purchases, source.replace("SELECT", "SELEC"));
      await says(/Syntax error/);
      writeFileSync(purchases, `${source}\${ref("nowhere")}`);
      await says(/nowhere/);
      writeFileSync(purchases, source);
      await says(/nowhere[\s\S]*queries checked, \d+ unit tests run in .*: no problems/);
      child.kill();
      const [code] = await once(child, "close");
      assert.equal(code, 0);
    });
  });

  it("npm run lineage serves tables and columns, prints them as JSON, and reports an error with its place", async () => {
    const { code, output } = await run("sql-tool", "lineage", "--json");
    assert.equal(code, 0);
    const { tables } = JSON.parse(output) as { tables: LineageTable[] };
    const mart = tables.find(({ name }) => name === "mlops_mkt.rfm")!;
    assert.deepEqual(mart.inputs, ["rfm.customer_features", "rfm.customer_scores"]);
    assert.deepEqual(mart.checks, ["rfm_keys"]);
    // Every column of a mart comes from the order log, the segments, a model or a parameter in the end.
    const sources = new Map(mart.columns.map((column) => [column.name, column.sources]));
    assert.deepEqual(sources.get("frequency"), ["raw.orders.ordered_at"]);
    assert.deepEqual(sources.get("monetary_value")?.toSorted(), [
      "raw.orders.amount",
      "raw.orders.ordered_at",
    ]);
    const history = tables.find(({ name }) => name === "rfm.customer_history")!;
    const value = history.columns.find(({ name }) => name === "total_value")!;
    assert.deepEqual(value.inputs[0], {
      table: "rfm.purchases",
      column: "value_cents",
      through: ["c.cents / 100", "SUM(value_cents)", "SUM(IF(is_calibration, value_cents, 0))"],
    });
    for (const { name, columns, duckdb } of tables) {
      assert.ok(columns.length > 0 && columns.every(({ type, description }) => type && description), name);
      assert.ok(name === "raw.orders" || duckdb!.includes("\n"), name);
    }

    const copy = join(folder, "lineage-sql");
    cpSync(sqlDir, copy, { recursive: true });
    const { says } = start("sql-tool", "lineage", "--port", "0", "--sql-dir", copy);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(await says("The lineage is on http"))![0];
    const page = await (await fetch(url)).text();
    assert.ok(page.includes('id="mlops_mkt.rfm_segments"'));
    assert.doesNotMatch(page, /(src|href)="https?:/);
    writeFileSync(
      join(copy, "definitions", "staging", "purchases.sqlx"),
      'config { type: "view" }\nSELECT\n  nothing FROM ${ref("checked_orders")}',
    );
    const response = await fetch(url);
    assert.equal(response.status, 500);
    assert.match(await response.text(), /purchases\.sqlx:3:3: .*nothing/);
  });

  it("npm run format formats in place, leaves what it can't read, and checks", async () => {
    const file = join(folder, "messy.sqlx");
    writeFileSync(file, 'config { type: "view" }\nselect a,b -- why\nfrom ${ref("t")} where x=1');
    assert.equal((await run("sql-tool", "format", file, "--check")).code, 1);
    assert.equal((await run("sql-tool", "format", file)).code, 0);
    const formatted = readFileSync(file, "utf8");
    assert.match(
      formatted,
      /config \{ type: "view" \}\n\nselect\n {2}a,\n {2}b -- why\nfrom\n {2}\$\{ref\("t"\)\}/,
    );
    assert.equal(
      (await run("sql-tool", "format", folder, "--check")).code === 0 ||
        readFileSync(file, "utf8") === formatted,
      true,
    );
    const broken = join(folder, "broken.sql");
    writeFileSync(broken, "select 'unclosed");
    const { code, output } = await run("sql-tool", "format", broken);
    assert.equal(code, 1);
    assert.match(output, /broken\.sql/);
    assert.equal(readFileSync(broken, "utf8"), "select 'unclosed");
    assert.match(
      (await run("sql-tool", "format", join(folder, "nosuch.sql"))).output,
      /There is no file or folder/,
    );
  });
});
