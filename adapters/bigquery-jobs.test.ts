import assert from "node:assert/strict";
import type { Parameters, QueryError } from "../contracts/warehouse.ts";
import { type FakeBigQuery, startFakeBigQuery } from "../test/fake-bigquery.ts";
import { BigQueryJobs, type BigQueryOptions } from "./bigquery-jobs.ts";

const LABELS = { run_id: "run-1", step: "features" };
const RUN_DATE: Parameters = { run_date: { type: "DATE", value: "2024-01-01" } };

describe("BigQuery jobs", () => {
  let fake: FakeBigQuery;
  beforeEach(async () => {
    fake = await startFakeBigQuery();
  });
  afterEach(() => fake.close());

  const open = (options: BigQueryOptions = {}, query = ""): BigQueryJobs =>
    new BigQueryJobs(`bigquery://my-project/EU?endpoint=${fake.endpoint}${query}`, {
      labels: LABELS,
      retryDelay: 1,
      ...options,
    });
  const ids = () => fake.inserted.map(({ jobReference }) => jobReference.jobId ?? "");

  describe("the URL", () => {
    it("says project, location and the most bytes that may be billed", () => {
      const jobs = open({}, "&maximum_bytes_billed=1000");
      assert.deepEqual([jobs.project, jobs.maximumBytesBilled], ["my-project", 1000]);
      assert.equal(open().maximumBytesBilled, undefined);
    });

    for (const [url, message] of [
      ["bigquery://p/", /location: must be a location like EU/],
      ["bigquery://p/E U", /location: must be a location like EU/],
      ["bigquery://1p/EU", /project: must be a project's id \(given: "1p"\)/],
      ["bigquery://p_q/EU", /project: must be a project's id/],
      ["bigquery://p/EU?maximum_bytes_billed=1e9", /maximum_bytes_billed: must be a whole number/],
      ["bigquery://p/EU?maximum_bytes_billed=x1", /maximum_bytes_billed: must be a whole number/],
      ["bigquery://p/EU?endpoint=nowhere", /endpoint: Invalid URL/],
      ["bigquery://p/EU?limit=1", /WAREHOUSE_URL bigquery:\/\/p\/EU\?limit=1: Unrecognized key: "limit"/],
    ] as const) {
      it(`is refused if it is ${url}`, () => {
        assert.throws(() => new BigQueryJobs(url), { name: "UserError", message });
      });
    }
  });

  describe("a statement", () => {
    it("is a job with the labels, in its id too, and with typed parameters", async () => {
      fake.statistics = { totalBytesBilled: "10485760", dmlStats: { insertedRowCount: "7" } };
      const { rows, bytesBilled } = await open({}, "&maximum_bytes_billed=99").run("SELECT @run_date, @x", {
        ...RUN_DATE,
        x: { type: "FLOAT64", value: 0.5 },
      });
      assert.deepEqual([rows, bytesBilled], [7, 10_485_760]);
      const [job] = fake.inserted;
      assert.match(job!.jobReference.jobId!, /^run-1-features-[0-9a-f]{16}-0-0$/);
      assert.equal(job?.jobReference.location, "EU");
      assert.equal(job?.configuration.dryRun, undefined);
      assert.deepEqual(job?.configuration.labels, LABELS);
      assert.equal(job?.configuration.query.query, "SELECT @run_date, @x");
      assert.equal(job?.configuration.query.maximumBytesBilled, "99");
      const parameters = job?.configuration.query.queryParameters.map((parameter) => [
        parameter.name,
        parameter.parameterType.type,
        String(parameter.parameterValue.value),
      ]);
      assert.deepEqual(parameters, [
        ["run_date", "DATE", "2024-01-01"],
        ["x", "FLOAT64", "0.5"],
      ]);
    });

    it("can have a date that is null", async () => {
      await open().run("SELECT @day", { day: { type: "DATE", value: null } });
      const [parameter] = fake.inserted[0]!.configuration.query.queryParameters;
      assert.deepEqual([parameter?.parameterType.type, parameter?.parameterValue.value], ["DATE", null]);
    });

    it("has no limit of bytes, and counts of zero, if there are none", async () => {
      const { rows, bytesBilled } = await open().run("SELECT 1", {});
      assert.deepEqual([rows, bytesBilled], [0, 0]);
      assert.equal(fake.inserted[0]?.configuration.query.maximumBytesBilled, undefined);
    });

    it("is waited for until it is done", async () => {
      fake.polls = 2;
      const startedAt = performance.now();
      await open().run("SELECT 1", {});
      assert.ok(performance.now() - startedAt >= 140, "50 and 100 ms");
      assert.equal(fake.inserted.length, 1);
    });

    it("has another id for another text, other parameters, or the second time", async () => {
      const jobs = open();
      await jobs.run("SELECT 1", {});
      await jobs.run("SELECT 2", {});
      await jobs.run("SELECT 1", RUN_DATE);
      await jobs.run("SELECT 1", {});
      assert.equal(new Set(ids()).size, 4);
      assert.equal(ids()[3], ids()[0]?.replace(/-0-0$/, "-1-0"));
    });

    it("has an id by chance if there are no labels", async () => {
      await open({ labels: {} }).run("SELECT 1", {});
      await open({ labels: {} }).run("SELECT 1", {});
      assert.match(ids()[0]!, /^[0-9a-f-]{36}-[0-9a-f]{16}-0-0$/);
      assert.notEqual(ids()[0], ids()[1]);
    });
  });

  describe("a job that is there already", () => {
    it("is waited for and not started again", async () => {
      await open().run("SELECT 1", {});
      fake.statistics = {};
      await open().run("SELECT 1", {});
      assert.equal(fake.inserted.length, 1);
    });

    it("is followed by another one if it failed", async () => {
      fake.outcomes.push({ reason: "invalidQuery", message: "wrong" });
      await assert.rejects(open().run("SELECT 1", {}), { name: "QueryError", message: "wrong" });
      await open().run("SELECT 1", {});
      assert.deepEqual(
        ids().map((id) => id.slice(-4)),
        ["-0-0", "-0-1"],
      );
    });
  });

  describe("a job that failed", () => {
    for (const reason of [
      "backendError",
      "internalError",
      "jobBackendError",
      "jobInternalError",
      "rateLimitExceeded",
      "jobRateLimitExceeded",
    ]) {
      it(`is run again after ${reason}`, async () => {
        fake.outcomes.push({ reason, message: "try later" });
        await open().run("SELECT 1", {});
        assert.equal(fake.inserted.length, 2);
      });
    }

    it("is run again after a conflict with another run", async () => {
      const message = "Could not serialize access to table t due to concurrent update";
      fake.outcomes.push({ reason: "invalidQuery", message });
      await open().run("SELECT 1", {});
      assert.equal(fake.inserted.length, 2);
    });

    it("is run five times in all, with growing waits", async () => {
      const failure = { reason: "backendError", message: "busy" };
      fake.outcomes.push(...Array.from({ length: 9 }, () => failure));
      const startedAt = performance.now();
      await assert.rejects(open({ retryDelay: 10 }).run("SELECT 1", {}), {
        name: "QueryError",
        message: "busy",
      });
      const took = performance.now() - startedAt;
      assert.equal(fake.inserted.length, 5);
      // Half of 10 + 20 + 40 + 80 ms at the least.
      assert.ok(took >= 75, `${took} ms`);
    });

    it("is found and read if it failed at once", async () => {
      fake.outcomes.push({ reason: "invalidQuery", message: "wrong at [2:3]", atOnce: true });
      await assert.rejects(open().run("SELECT 1", {}), {
        name: "QueryError",
        position: { line: 2, column: 3 },
      });
      assert.equal(fake.inserted.length, 1);
    });

    it("says where in the query that a person wrote", async () => {
      const cases: [string, number, string, QueryError["position"]][] = [
        ["No x at [3:5]", 0, "No x", { line: 3, column: 5 }],
        ["No x at [13:15]", 1, "No x", { line: 12, column: 15 }],
        ["No x at [1:5]", 1, "No x at [1:5]", undefined],
        ["No x", 0, "No x", undefined],
      ];
      for (const [message, linesBefore, expected, position] of cases) {
        fake.outcomes.push({ reason: "invalidQuery", message });
        await assert.rejects(open().run(message, {}, linesBefore), { message: expected, position });
      }
    });
  });

  describe("a request that is refused", () => {
    it("is an error of the query for 400 and 404", async () => {
      for (const status of [400, 404]) {
        fake.refusals.push({ status, message: "No x at [3:5]" });
        await assert.rejects(open().run("SELECT x", {}, 1), {
          name: "QueryError",
          message: "No x",
          position: { line: 2, column: 5 },
        });
      }
    });

    it("is thrown as it is otherwise", async () => {
      fake.refusals.push({ status: 403, message: "not allowed" });
      await assert.rejects(open().run("SELECT x", {}), { code: 403, message: /not allowed/ });
    });

    it("is sent again after 503, as often as the options say", async () => {
      fake.refusals.push({ status: 503, message: "busy" });
      await open({ retries: 1 }).run("SELECT x", {});
      assert.equal(fake.inserted.length, 1);
      fake.refusals.push({ status: 503, message: "busy" }, { status: 503, message: "still busy" });
      await assert.rejects(open({ retries: 1 }).run("SELECT y", {}), { code: 503 });
    });
  });

  describe("a dry run", () => {
    it("gives the columns and the bytes that would be read", async () => {
      const fields = [{ name: "x", type: "INTEGER" }];
      fake.statistics = { totalBytesProcessed: "2000", schema: { fields } };
      assert.deepEqual(await open().plan("SELECT x", RUN_DATE), { fields, bytes: 2000 });
      assert.equal(fake.inserted[0]?.configuration.dryRun, true);
      assert.equal(fake.inserted[0]?.jobReference.jobId?.startsWith("run-1"), false);
    });

    it("gives no columns for a statement without a result, and the error of a wrong one", async () => {
      assert.deepEqual(await open().plan("DELETE", {}), { fields: [], bytes: 0 });
      fake.refusals.push({ status: 400, message: "No x at [3:5]" });
      await assert.rejects(open().plan("SELECT x", {}), {
        name: "QueryError",
        position: { line: 3, column: 5 },
      });
      fake.outcomes.push({ reason: "invalidQuery", message: "wrong", atOnce: true });
      await assert.rejects(open().plan("SELECT x", {}), /wrong/);
    });
  });
});
