import assert from "node:assert/strict";
import type { Materialization, Model, Parameters } from "../contracts/warehouse.ts";
import { type FakeBigQuery, startFakeBigQuery } from "../test/fake-bigquery.ts";
import { BigQueryWarehouse } from "./bigquery.ts";

const RUN_DATE: Parameters = { run_date: { type: "DATE", value: "2024-01-01" } };
const FIELDS = [
  { name: "run_date", type: "DATE" },
  { name: "x", type: "INTEGER" },
];

describe("BigQuery warehouse", () => {
  let fake: FakeBigQuery;
  let warehouse: BigQueryWarehouse;
  beforeEach(async () => {
    fake = await startFakeBigQuery();
    fake.statistics = {
      schema: { fields: FIELDS },
      totalBytesProcessed: "1000",
      totalBytesBilled: "2000",
      dmlStats: { insertedRowCount: "3" },
    };
    warehouse = new BigQueryWarehouse(`bigquery://p/EU?maximum_bytes_billed=1000&endpoint=${fake.endpoint}`, {
      labels: { run_id: "r" },
    });
  });
  afterEach(async () => {
    await warehouse.close();
    await fake.close();
  });

  const model = (materialization: Materialization, more: Partial<Model> = {}): Model => ({
    target: { project: "shop", dataset: "rfm", name: "t" },
    materialization,
    query: "SELECT run_date, x\nFROM source",
    partitionBy: undefined,
    clusterBy: [],
    ...more,
  });
  const statements = () =>
    fake.inserted
      .filter(({ configuration }) => configuration.dryRun !== true)
      .map(({ configuration }) => configuration.query.query);

  it("has the project of the URL", () => assert.equal(warehouse.project, "p"));

  describe("Parquet files", () => {
    it("are written by one statement", async () => {
      await warehouse.exportParquet(
        "SELECT 1 AS x ORDER BY x",
        RUN_DATE,
        "gs://b/runs/r/tasks/examples/examples",
      );
      assert.deepEqual(statements(), [
        "EXPORT DATA OPTIONS (uri = 'gs://b/runs/r/tasks/examples/examples/*.parquet', format = 'PARQUET', overwrite = TRUE) AS\nSELECT 1 AS x ORDER BY x",
      ]);
    });

    it("are read as temporary tables by one query, whose result becomes the partition", async () => {
      fake.tables.set("shop.rfm.t", {
        schema: {
          fields: [
            { name: "run_date", type: "DATE" },
            { name: "family", type: "STRING" },
            { name: "value", type: "FLOAT" },
            { name: "not_in_files", type: "INTEGER" },
          ],
        },
      });
      const target = { project: "shop", dataset: "rfm", name: "t" };
      const set = (family: string) => ({
        folder: `gs://b/${family}`,
        columns: ["value"],
        constants: { family },
      });
      fake.results = { totalRows: "7" };
      const { rows } = await warehouse.replaceByParquet(target, "2024-01-01", [set("one"), set("two")]);
      assert.equal(rows, 7);
      const { query } = fake.inserted[0]!.configuration;
      const select = (index: number) =>
        `SELECT CAST(@run_date_${index} AS DATE) AS \`run_date\`, CAST(@family_${index} AS STRING) AS \`family\`, CAST(\`value\` AS FLOAT64) AS \`value\`, CAST(NULL AS INT64) AS \`not_in_files\` FROM files_${index}`;
      assert.equal(query.query, `${select(0)}\nUNION ALL\n${select(1)}`);
      assert.deepEqual(query.destinationTable, {
        projectId: "shop",
        datasetId: "rfm",
        tableId: "t$20240101",
      });
      assert.equal(query.writeDisposition, "WRITE_TRUNCATE");
      assert.deepEqual(query.tableDefinitions, {
        files_0: { sourceFormat: "PARQUET", sourceUris: ["gs://b/one/*.parquet"] },
        files_1: { sourceFormat: "PARQUET", sourceUris: ["gs://b/two/*.parquet"] },
      });
      assert.deepEqual(
        query.queryParameters.map(({ name, parameterValue }) => [name, parameterValue.value]),
        [
          ["run_date_0", "2024-01-01"],
          ["family_0", "one"],
          ["run_date_1", "2024-01-01"],
          ["family_1", "two"],
        ],
      );
    });

    it("that can't be read are an error", async () => {
      fake.tables.set("shop.rfm.t", { schema: { fields: FIELDS } });
      fake.outcomes.push({ reason: "notFound", message: "Not found: Uris gs://b/none/*.parquet" });
      const target = { project: "shop", dataset: "rfm", name: "t" };
      const sets = [{ folder: "gs://b/none", columns: ["x"], constants: {} }];
      await assert.rejects(warehouse.replaceByParquet(target, "2024-01-01", sets), {
        name: "QueryError",
        message: /Not found: Uris gs:\/\/b\/none/,
      });
    });
  });

  describe("materializes", () => {
    it("a view", async () => {
      assert.deepEqual(await warehouse.materialize(model("view"), {}), { rows: 0, bytesBilled: 0 });
      assert.deepEqual(statements(), [
        "CREATE OR REPLACE VIEW `shop`.`rfm`.`t` AS\nSELECT run_date, x\nFROM source",
      ]);
      assert.equal(fake.inserted.length, 1);
    });

    it("a table, whose rows are all replaced in one statement", async () => {
      const outcome = await warehouse.materialize(model("table"), RUN_DATE);
      assert.deepEqual(outcome, { rows: 3, bytesBilled: 2000 });
      assert.deepEqual(statements(), [
        `MERGE \`shop\`.\`rfm\`.\`t\` USING (
SELECT run_date, x
FROM source
) AS new_rows ON FALSE
WHEN NOT MATCHED BY SOURCE AND TRUE THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (\`run_date\`, \`x\`) VALUES (\`run_date\`, \`x\`)`,
      ]);
      assert.deepEqual(
        fake.inserted[1]?.configuration.query.queryParameters.map(({ name }) => name),
        ["run_date"],
      );
    });

    it("the partition of the run date, by the column of the model or run_date", async () => {
      await warehouse.materialize(model("partition", { partitionBy: "day" }), RUN_DATE);
      await warehouse.materialize(model("partition"), RUN_DATE);
      assert.match(statements()[0]!, /BY SOURCE AND `day` = @run_date THEN DELETE/);
      assert.match(statements()[1]!, /BY SOURCE AND `run_date` = @run_date THEN DELETE/);
    });

    it("the rows of the model's condition, in a table of months", async () => {
      const updatePartitionFilter = "day >= @run_date OR day IS NULL";
      await warehouse.materialize(
        model("partition", { partitionBy: "DATE_TRUNC(day, MONTH)", updatePartitionFilter }),
        RUN_DATE,
      );
      assert.match(statements()[0]!, /BY SOURCE AND \(day >= @run_date OR day IS NULL\) THEN DELETE/);
      const { timePartitioning } = fake.tables.get("shop.rfm.t") as Record<string, unknown>;
      assert.deepEqual(timePartitioning, { type: "MONTH", field: "day" });
    });

    it("a new table with partitions and clusters, or without", async () => {
      await warehouse.materialize(
        model("partition", { partitionBy: "run_date", clusterBy: ["x"] }),
        RUN_DATE,
      );
      const { schema, timePartitioning, clustering } = fake.tables.get("shop.rfm.t") as Record<
        string,
        unknown
      >;
      assert.deepEqual(schema, { fields: FIELDS });
      assert.deepEqual(timePartitioning, { type: "DAY", field: "run_date" });
      assert.deepEqual(clustering, { fields: ["x"] });
      fake.tables.clear();
      await warehouse.materialize(model("table"), RUN_DATE);
      const plain = fake.tables.get("shop.rfm.t") as Record<string, unknown>;
      assert.deepEqual([plain.timePartitioning, plain.clustering], [undefined, undefined]);
    });

    it("a table that another run has just made", async () => {
      fake.tableStatus = { make: 409 };
      assert.equal((await warehouse.materialize(model("table"), {})).rows, 3);
    });

    it("nothing if the table can't be read or made", async () => {
      fake.tableStatus = { make: 403 };
      await assert.rejects(warehouse.materialize(model("table"), {}), { code: 403 });
      fake.tableStatus = { get: 403 };
      await assert.rejects(warehouse.materialize(model("table"), {}), { code: 403 });
      assert.deepEqual(statements(), []);
    });

    it("columns that the table does not have yet, and leaves the others", async () => {
      const present = [
        { name: "x", type: "INT64" },
        { name: "old", type: "STRING" },
      ];
      fake.tables.set("shop.rfm.t", { schema: { fields: present } });
      await warehouse.materialize(model("table"), {});
      assert.deepEqual(fake.tables.get("shop.rfm.t")?.schema, { fields: [...present, FIELDS[0]] });
    });

    it("a table that has all columns without a change to it", async () => {
      fake.tables.set("shop.rfm.t", { schema: { fields: FIELDS } });
      fake.tableStatus = { make: 500 };
      assert.equal((await warehouse.materialize(model("table"), {})).rows, 3);
    });

    it("a log once: its rows stay", async () => {
      assert.deepEqual(await warehouse.materialize(model("append"), {}), { rows: 0, bytesBilled: 0 });
      assert.deepEqual(fake.tables.get("shop.rfm.t")?.schema, { fields: FIELDS });
      assert.deepEqual(statements(), []);
    });

    it("no column of another type", async () => {
      fake.tables.set("shop.rfm.t", { schema: { fields: [{ name: "x", type: "FLOAT" }] } });
      await assert.rejects(warehouse.materialize(model("table"), {}), {
        name: "UserError",
        message: "Column x of rfm.t would change its type from FLOAT to INTEGER.",
        remedy: "Give the column another name.",
      });
    });

    it("nothing that would read more than is allowed; just as much is allowed", async () => {
      await warehouse.materialize(model("table"), {});
      fake.statistics = { ...fake.statistics, totalBytesProcessed: "1001" };
      await assert.rejects(warehouse.materialize(model("table"), {}), {
        name: "UserError",
        message: "rfm.t would read 1001 bytes; allowed are 1000.",
        remedy: "Make the query read less, or raise the setting bytesBilledLimit.",
      });
      assert.equal(statements().length, 1);
      const unlimited = new BigQueryWarehouse(`bigquery://p/EU?endpoint=${fake.endpoint}`);
      assert.equal((await unlimited.materialize(model("table"), {})).rows, 3);
    });
  });

  describe("queries", () => {
    it("give numbers, dates as YYYY-MM-DD and timestamps as ISO 8601", async () => {
      const scalar = (name: string, type: string, v: unknown) => ({ name, type, mode: "NULLABLE", v });
      const columns = [
        scalar("i", "INTEGER", "7"),
        scalar("large", "INTEGER", "9007199254740993"),
        scalar("f", "FLOAT", "0.5"),
        scalar("n", "NUMERIC", "1.25"),
        scalar("d", "DATE", "2024-01-01"),
        scalar("t", "TIMESTAMP", "1704067200000000"),
        scalar("ms", "TIMESTAMP", "1704067200120000"),
        scalar("us", "TIMESTAMP", "1704067200123400"),
        scalar("s", "STRING", "x"),
        scalar("b", "BOOLEAN", "true"),
        scalar("z", "INTEGER", null),
        { name: "a", type: "INTEGER", mode: "REPEATED", v: [{ v: "1" }, { v: "2" }] },
        {
          ...scalar("r", "RECORD", { f: [{ v: "2024-02-01" }, { v: "0.0Z" }] }),
          fields: [
            { name: "d", type: "DATE", mode: "NULLABLE" },
            { name: "value", type: "STRING", mode: "NULLABLE" },
          ],
        },
      ];
      const fields = columns.map(({ v, ...field }) => field);
      fake.results = { schema: { fields }, rows: [{ f: columns.map(({ v }) => ({ v })) }], totalRows: "1" };
      assert.deepEqual(await warehouse.query("SELECT 1", RUN_DATE), [
        {
          i: 7,
          large: 2 ** 53,
          f: 0.5,
          n: 1.25,
          d: "2024-01-01",
          t: "2024-01-01T00:00:00Z",
          ms: "2024-01-01T00:00:00.12Z",
          us: "2024-01-01T00:00:00.1234Z",
          s: "x",
          b: true,
          z: null,
          a: [1, 2],
          r: { d: "2024-02-01", value: "0.0Z" },
        },
      ]);
      const { queryParameters } = fake.inserted[0]!.configuration.query;
      assert.deepEqual(
        queryParameters.map(({ name }) => name),
        ["run_date"],
      );
    });

    it("give columns of numbers, with NaN for null, and nothing else", async () => {
      const field = (name: string, type: string) => ({ name, type, mode: "NULLABLE" });
      fake.results = {
        schema: { fields: [field("i", "INTEGER"), field("f", "FLOAT"), field("s", "STRING")] },
        rows: [
          ["7", "0.5", "x"],
          ["8", null, "y"],
        ].map((values) => ({ f: values.map((v) => ({ v })) })),
        totalRows: "2",
      };
      assert.deepEqual(await warehouse.columns("SELECT 1", ["f", "i"]), {
        f: Float64Array.of(0.5, Number.NaN),
        i: Float64Array.of(7, 8),
      });
      await assert.rejects(warehouse.columns("SELECT 1", ["s"]), /Column s must have numbers; it has "x"/);
      await assert.rejects(warehouse.columns("SELECT 1", ["other"]), /Column other must have numbers/);
    });

    it("can be estimated", async () => {
      assert.equal(await warehouse.estimate("SELECT 1", RUN_DATE), 1000);
      assert.deepEqual(statements(), []);
    });
  });

  describe("rows of a log", () => {
    const target = { project: "shop", dataset: "rfm", name: "log" };
    beforeEach(() => {
      const fields = [
        { name: "run_date", type: "DATE" },
        { name: "id", type: "STRING" },
        { name: "value", type: "FLOAT" },
        { name: "n", type: "INTEGER" },
        { name: "ok", type: "BOOLEAN" },
      ];
      fake.tables.set("shop.rfm.log", { schema: { fields } });
    });

    it("are replaced by their key in one statement, with the types of the table", async () => {
      const rows = [{ run_date: "2024-01-01", id: "a", value: 0.5, n: 1, ok: true }, { id: null }];
      const outcome = await warehouse.replaceRows(target, { run_date: "2024-01-01", id: "a" }, rows);
      assert.deepEqual(outcome, { rows: 3, bytesBilled: 2000 });
      assert.deepEqual(statements(), [
        `MERGE \`shop\`.\`rfm\`.\`log\` USING (
SELECT CAST(JSON_VALUE(row, '$.run_date') AS DATE) AS \`run_date\`, CAST(JSON_VALUE(row, '$.id') AS STRING) AS \`id\`, CAST(JSON_VALUE(row, '$.value') AS FLOAT64) AS \`value\`, CAST(JSON_VALUE(row, '$.n') AS INT64) AS \`n\`, CAST(JSON_VALUE(row, '$.ok') AS BOOL) AS \`ok\` FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS row
) AS new_rows ON FALSE
WHEN NOT MATCHED BY SOURCE AND \`run_date\` = CAST(@run_date AS DATE) AND \`id\` = CAST(@id AS STRING) THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (\`run_date\`, \`id\`, \`value\`, \`n\`, \`ok\`) VALUES (\`run_date\`, \`id\`, \`value\`, \`n\`, \`ok\`)`,
      ]);
      const parameters = fake.inserted[0]!.configuration.query.queryParameters.map((parameter) => [
        parameter.name,
        parameter.parameterType.type,
        parameter.parameterValue.value,
      ]);
      assert.deepEqual(parameters, [
        ["run_date", "STRING", "2024-01-01"],
        ["id", "STRING", "a"],
        ["rows", "STRING", JSON.stringify(rows)],
      ]);
    });

    for (const [row, message] of [
      [{ other: 1 }, "rfm.log has no column other."],
      [{ n: "3" }, 'rfm.log: column n is INT64; given: "3".'],
      [{ value: true }, "rfm.log: column value is FLOAT64; given: true."],
      [{ ok: 1 }, "rfm.log: column ok is BOOL; given: 1."],
      [{ id: 1 }, "rfm.log: column id is STRING; given: 1."],
    ] as const) {
      it(`are refused with ${JSON.stringify(row)}`, async () => {
        const rows = [{ id: "a" }, row];
        await assert.rejects(warehouse.replaceRows(target, { id: "a" }, rows), {
          name: "UserError",
          message,
        });
        assert.deepEqual(fake.inserted, []);
      });
    }
  });
});
