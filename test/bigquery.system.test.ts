import assert from "node:assert/strict";
import type { BigQuery } from "@google-cloud/bigquery";
import { BigQueryWarehouse } from "../adapters/bigquery.ts";
import type { BigQueryOptions } from "../adapters/bigquery-jobs.ts";
import type { Model, Parameters, Row } from "../contracts/warehouse.ts";
import { QueryError } from "../contracts/warehouse.ts";
import { type BigQueryEmulator, startBigQuery } from "./emulators/bigquery.ts";
import { bigQueryClient } from "./emulators/warehouse.ts";
import type { FaultProxy } from "./fault-proxy.ts";

const RUN_DATE: Parameters = { run_date: { type: "DATE", value: "1997-10-01" } };

describe("BigQuery warehouse", () => {
  let emulator: BigQueryEmulator;
  let faults: FaultProxy;
  let client: BigQuery;
  let warehouse: BigQueryWarehouse;
  let run = 0;

  /** Opens the warehouse as a step of a new run. */
  const open = (
    labels: Record<string, string> = { run_id: `run-${++run}`, step: "features" },
    options: BigQueryOptions = {},
  ) =>
    new BigQueryWarehouse(`bigquery://demo/EU?endpoint=${faults.endpoint}`, {
      labels,
      timeout: 1500,
      ...options,
    });
  const model = (name: string, query: string, more: Partial<Model> = {}): Model => ({
    target: { project: "demo", dataset: "rfm", name },
    materialization: "partition",
    query,
    partitionBy: "run_date",
    clusterBy: [],
    ...more,
  });
  const rowsOf = async (table: string): Promise<Row[]> =>
    await open().query(
      `SELECT * FROM rfm.${table} WHERE run_date > '1900-01-01' ORDER BY TO_JSON_STRING(${table})`,
    );
  const jobs = async (): Promise<string[]> => {
    const [all] = await client.getJobs();
    return all.map(({ id }) => id!).filter((id) => id.startsWith(`run-${run}-`));
  };

  before(async () => {
    emulator = await startBigQuery();
    faults = emulator.faults;
    client = bigQueryClient(emulator);
    await client.createDataset("rfm");
  });
  after(async () => {
    await emulator?.close();
  });
  beforeEach(() => {
    faults.reset();
    warehouse = open();
  });

  describe("queries", () => {
    it("take parameters and return plain values", async () => {
      const [row] = await warehouse.query(
        `SELECT @run_date AS day, @n AS n, @share AS share, @text AS text, 9007199254740993 AS big, CAST('1.25' AS NUMERIC) AS decimal,
           TIMESTAMP '2024-01-01 10:00:00.5+01' AS at, TRUE AS yes, CAST(NULL AS DATE) AS nothing, [1, 2] AS list, STRUCT(1 AS one) AS pair`,
        {
          ...RUN_DATE,
          n: { type: "INT64", value: 39 },
          share: { type: "FLOAT64", value: 0.1 },
          text: { type: "STRING", value: "it's «ü»" },
        },
      );
      assert.deepEqual(row, {
        day: "1997-10-01",
        n: 39,
        share: 0.1,
        text: "it's «ü»",
        big: 9007199254740992,
        decimal: 1.25,
        at: "2024-01-01T09:00:00.5Z",
        yes: true,
        nothing: null,
        list: [1, 2],
        pair: { one: 1 },
      });
    });

    it("stream the rows of several pages", async () => {
      let sum = 0;
      let rows = 0;
      for await (const { n } of warehouse.stream("SELECT n FROM UNNEST(GENERATE_ARRAY(1, 250000)) AS n")) {
        rows += 1;
        sum += n as number;
      }
      assert.deepEqual([rows, sum], [250_000, 31_250_125_000]);
      const pages = faults.requests.filter((what) => /GET .*\/queries\/.*pageToken/.test(what));
      assert.ok(pages.length > 0, faults.requests.join("\n"));
    });

    it("report the position of an error in the original query", async () => {
      const refused = async (work: Promise<unknown>): Promise<unknown> => {
        const error = await work.then(
          () => assert.fail("the query is accepted"),
          (thrown) => thrown,
        );
        assert.ok(error instanceof QueryError, String(error));
        return error.position;
      };
      assert.deepEqual(await refused(warehouse.query("SELECT 1 +\n  'a' AS b")), { line: 2, column: 3 });
      const broken = model("broken", "SELECT @run_date AS run_date,\n  1 + 'a' AS b");
      assert.deepEqual(await refused(warehouse.materialize(broken, RUN_DATE)), { line: 2, column: 7 });
      const view = { materialization: "view" } as const;
      assert.deepEqual(
        await refused(warehouse.materialize(model("broken", "SELECT 1 +\n'a' AS b", view), {})),
        { line: 2, column: 1 },
      );
      await assert.rejects(warehouse.query("SELECT * FROM nowhere.t"), /nowhere/);
    });
  });

  describe("models", () => {
    it("replace only the partition of the run date", async () => {
      const query = (value: number) =>
        `SELECT @run_date AS run_date, ${value} AS n UNION ALL SELECT @run_date, ${value + 1}`;
      const other: Parameters = { run_date: { type: "DATE", value: "1997-11-01" } };
      await warehouse.materialize(model("replaced", query(1)), RUN_DATE);
      await warehouse.materialize(model("replaced", query(5)), other);
      assert.deepEqual(await warehouse.materialize(model("replaced", query(8)), RUN_DATE), {
        rows: 2,
        bytesBilled: 0,
      });
      assert.deepEqual(
        (await rowsOf("replaced")).map(({ run_date, n }) => [run_date, n]),
        [
          ["1997-10-01", 8],
          ["1997-10-01", 9],
          ["1997-11-01", 5],
          ["1997-11-01", 6],
        ],
      );
      const [{ timePartitioning }] = await client.dataset("rfm").table("replaced").getMetadata();
      assert.deepEqual(timePartitioning, { type: "DAY", field: "run_date" });
    });

    it("change nothing when they fail", async () => {
      await warehouse.materialize(model("kept", "SELECT @run_date AS run_date, 1 AS n"), RUN_DATE);
      const failing =
        "SELECT @run_date AS run_date, IF(n = 3, ERROR('three'), n) AS n FROM UNNEST([1, 2, 3]) AS n";
      await assert.rejects(warehouse.materialize(model("kept", failing), RUN_DATE), /three/);
      assert.deepEqual(await rowsOf("kept"), [{ run_date: "1997-10-01", n: 1 }]);
    });

    it("add new columns, and refuse to change the type of a column", async () => {
      await warehouse.materialize(model("grown", "SELECT @run_date AS run_date, 1 AS n"), RUN_DATE);
      await warehouse.materialize(
        model("grown", "SELECT 0.5 AS share, @run_date AS run_date, 2 AS n"),
        RUN_DATE,
      );
      assert.deepEqual(await rowsOf("grown"), [{ run_date: "1997-10-01", n: 2, share: 0.5 }]);
      await assert.rejects(
        warehouse.materialize(model("grown", "SELECT @run_date AS run_date, 'x' AS n"), RUN_DATE),
        /Column n of rfm.grown would change its type from INTEGER to STRING/,
      );
    });

    it("create tables, views and empty logs", async () => {
      const whole = { materialization: "table", partitionBy: undefined } as const;
      await warehouse.materialize(model("rules", "SELECT 1 AS n UNION ALL SELECT 2", whole), {});
      assert.equal((await warehouse.materialize(model("rules", "SELECT 3 AS n", whole), {})).rows, 1);
      await warehouse.materialize(
        model("seen", "SELECT n + 1 AS n FROM rfm.rules", { materialization: "view" }),
        {},
      );
      assert.deepEqual(await warehouse.query("SELECT n FROM rfm.seen"), [{ n: 4 }]);
      const log = model("log", "SELECT @run_date AS run_date, 1 AS n", { materialization: "append" });
      assert.equal((await warehouse.materialize(log, RUN_DATE)).rows, 0);
      assert.deepEqual(await rowsOf("log"), []);
    });

    it("fail in the dry run, at no cost, when they exceed the limit of bytes", async () => {
      const answered = {
        jobReference: { projectId: "demo", location: "EU" },
        status: { state: "DONE" },
        statistics: { query: { totalBytesProcessed: "2000" } },
      };
      const { createServer } = await import("node:http");
      const bodies: string[] = [];
      const server = createServer((request, response) => {
        request.on("data", (chunk) => bodies.push(String(chunk)));
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answered));
      }).listen(0, "127.0.0.1");
      try {
        await new Promise((listening) => server.once("listening", listening));
        const { port } = server.address() as { port: number };
        const limited = new BigQueryWarehouse(
          `bigquery://demo/EU?maximum_bytes_billed=1000&endpoint=http://127.0.0.1:${port}`,
        );
        assert.equal(await limited.estimate("SELECT 1"), 2000);
        await assert.rejects(
          limited.materialize(model("large", "SELECT 1 AS n"), {}),
          /rfm.large would read 2000 bytes; allowed are 1000/,
        );
        assert.equal(bodies.length, 2);
        for (const body of bodies) {
          const { configuration } = JSON.parse(body);
          assert.deepEqual([configuration.dryRun, configuration.query.maximumBytesBilled], [true, "1000"]);
        }
      } finally {
        server.close();
      }
    });
  });

  describe("rows of a log", () => {
    const target = { project: "demo", dataset: "rfm", name: "metrics" };
    before(async () => {
      await client.dataset("rfm").createTable("metrics", {
        schema: "run_date:DATE,model_id:STRING,value:FLOAT,bucket:INTEGER,at:TIMESTAMP,ok:BOOLEAN",
      });
    });

    it("are replaced by key; numbers that are not finite become null", async () => {
      const rows = (value: number) => [
        { run_date: "1997-10-01", model_id: "m", value, bucket: 3, at: "2024-01-01T00:00:00.000Z", ok: true },
        { run_date: "1997-10-01", model_id: "m", value: Number.NaN, ok: null },
      ];
      await warehouse.replaceRows(target, { run_date: "1997-10-01", model_id: "m" }, rows(1e-7));
      await warehouse.replaceRows(target, { run_date: "1997-10-01", model_id: "o" }, [
        { run_date: "1997-10-01", model_id: "o" },
      ]);
      assert.equal(
        (await warehouse.replaceRows(target, { run_date: "1997-10-01", model_id: "m" }, rows(1.5e300))).rows,
        2,
      );
      const kept = await warehouse.query(
        "SELECT model_id, value, bucket, at, ok FROM rfm.metrics WHERE run_date = '1997-10-01' ORDER BY model_id, value",
      );
      assert.deepEqual(kept, [
        { model_id: "m", value: null, bucket: null, at: null, ok: null },
        { model_id: "m", value: 1.5e300, bucket: 3, at: "2024-01-01T00:00:00Z", ok: true },
        { model_id: "o", value: null, bucket: null, at: null, ok: null },
      ]);
      await warehouse.replaceRows(target, { run_date: "1997-10-01", model_id: "m" }, []);
      assert.deepEqual(await warehouse.query("SELECT model_id FROM rfm.metrics"), [{ model_id: "o" }]);
    });

    it("are refused when a column is missing or has another type", async () => {
      const key = { model_id: "refused" };
      await assert.rejects(
        warehouse.replaceRows(target, key, [{ other: 1 }]),
        /rfm.metrics has no column other/,
      );
      await assert.rejects(
        warehouse.replaceRows(target, key, [{ bucket: "3" }]),
        /column bucket is INT64; given: "3"/,
      );
    });
  });

  describe("jobs", () => {
    it("have the run and the step in their labels and ids", async () => {
      await warehouse.query("SELECT 1");
      const [id] = await jobs();
      assert.match(id ?? "", new RegExp(`^run-${run}-features-[0-9a-f]{16}-0-0$`));
      const [{ configuration }] = await client.job(id!).getMetadata();
      assert.deepEqual(configuration.labels, { run_id: `run-${run}`, step: "features" });
    });

    it("are reused by a step that runs again", async () => {
      const made = model("attached", "SELECT @run_date AS run_date, RAND() AS luck");
      const labels = { run_id: `run-${run}`, step: "features" };
      await warehouse.materialize(made, RUN_DATE);
      const before = await rowsOf("attached");
      const { rows } = await open(labels).materialize(made, RUN_DATE);
      assert.deepEqual([rows, await rowsOf("attached")], [1, before]);
      await open({ ...labels, step: "score" }).materialize(made, RUN_DATE);
      assert.notDeepEqual(await rowsOf("attached"), before);
    });

    it("run again when a step repeats the statement", async () => {
      const [[first], [second]] = [
        await warehouse.query("SELECT RAND() AS luck"),
        await warehouse.query("SELECT RAND() AS luck"),
      ];
      assert.notDeepEqual(first, second);
    });

    it("that failed are run again in the next attempt", async () => {
      const labels = { run_id: `run-${run}`, step: "features" };
      const made = model("late", "SELECT @run_date AS run_date, n FROM rfm.not_yet");
      await assert.rejects(warehouse.query(made.query, RUN_DATE), /not_yet/);
      await open().materialize(model("not_yet", "SELECT 7 AS n", { materialization: "view" }), {});
      assert.deepEqual(await open(labels).query(made.query, RUN_DATE), [{ run_date: "1997-10-01", n: 7 }]);
    });
  });

  describe("faults", () => {
    const INSERT = /^POST .*\/jobs/;
    const made = (name: string) => model(name, "SELECT @run_date AS run_date, n FROM UNNEST([1, 2]) AS n");

    for (const fault of [429, 500, 503, "refused", "lost", { late: 3000 }] as const) {
      const kind = typeof fault === "object" ? "late" : String(fault);
      it(`retries after ${kind} at the start of a job, which runs once`, async () => {
        const name = `after_${kind}`;
        faults.fail(INSERT, fault);
        assert.equal((await warehouse.materialize(made(name), RUN_DATE)).rows, 2);
        assert.equal((await rowsOf(name)).length, 2);
        faults.fail(/^GET .*\/jobs\//, fault);
        faults.fail(/^GET .*\/queries\//, fault);
        assert.deepEqual(await open().query("SELECT 5 AS n"), [{ n: 5 }]);
      }).timeout(120_000);
    }

    it("uses the job that was started when the answer is lost", async () => {
      faults.fail(INSERT, "lost");
      assert.equal((await warehouse.query("SELECT 5 AS n")).length, 1);
      assert.equal((await jobs()).length, 1);
    });

    it("fails with the last answer when the fault persists", async () => {
      faults.fail(INSERT, ...Array(9).fill(503));
      await assert.rejects(open({}, { retries: 1 }).query("SELECT 1"), /injected 503/);
    });

    it("does not retry errors that persist", async () => {
      faults.fail(INSERT, 403);
      await assert.rejects(warehouse.query("SELECT 1"), /injected 403/);
      assert.equal(faults.requests.length, 1);
    });
  });

  it("reports what is wrong with a URL", () => {
    for (const [url, message] of [
      ["bigquery://demo", /location: must be a location like EU/],
      [
        "bigquery://demo/EU?maximum_bytes_billed=much",
        /maximum_bytes_billed: must be a whole number \(given: "much"\)/,
      ],
      ["bigquery://demo/EU?limit=1", /Unrecognized key: "limit"/],
    ] as const)
      assert.throws(() => new BigQueryWarehouse(url), message);
  });
});
