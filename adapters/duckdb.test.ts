import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Materialization, Model, Parameters, Routine } from "../contracts/warehouse.ts";
import { DuckDbWarehouse } from "./duckdb.ts";

const folder = mkdtempSync(join(tmpdir(), "duckdb-"));
const on = (date: string): Parameters => ({ run_date: { type: "DATE", value: date } });
const moduleUrl = new URL("./duckdb.ts", import.meta.url).href;
/** Arguments of a Node process that opens the warehouse and then does this. */
const script = (path: string, body: string): string[] => [
  "--input-type=module",
  "-e",
  `import { DuckDbWarehouse } from ${JSON.stringify(moduleUrl)};
   const warehouse = await DuckDbWarehouse.open(${JSON.stringify(path)});
   ${body}`,
];

describe("DuckDB warehouse", () => {
  let warehouse: DuckDbWarehouse;
  const model = (name: string, materialization: Materialization, query: string): Model => ({
    target: { project: warehouse.project, dataset: "d", name },
    materialization,
    query,
    partitionBy: materialization === "partition" ? "run_date" : undefined,
    clusterBy: [],
  });
  const rows = (table: string) => warehouse.query(`SELECT * FROM d.${table} ORDER BY 1, 2`);

  before(async () => {
    warehouse = await DuckDbWarehouse.open(join(folder, "warehouse.duckdb"));
  });
  after(async () => {
    await warehouse.close();
    rmSync(folder, { recursive: true });
  });

  it("limits DuckDB's memory to 3 GB, or to DUCKDB_MEMORY_LIMIT", async () => {
    const before = process.env.DUCKDB_MEMORY_LIMIT;
    let opened = 0;
    const limitOf = async (given?: string): Promise<unknown> => {
      if (given === undefined) delete process.env.DUCKDB_MEMORY_LIMIT;
      else process.env.DUCKDB_MEMORY_LIMIT = given;
      const limited = await DuckDbWarehouse.open(join(folder, `limited-${opened++}.duckdb`));
      try {
        const [row] = await limited.query("SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'");
        return row?.value;
      } finally {
        await limited.close();
      }
    };
    try {
      assert.equal(await limitOf("512MiB"), "512.0 MiB");
      assert.equal(await limitOf("1.25 GiB"), "1.2 GiB");
      assert.match(String(await limitOf()), /^([0-2]\.\d GiB|[\d.]+ MiB)$/);
      const remedy =
        "Give a number with MB, GB, MiB or GiB, for example DUCKDB_MEMORY_LIMIT=8GB, or unset it.";
      for (const given of ["much", "8", "8TB", "x8GB", "8GBs", "1.GB", "80%"])
        await assert.rejects(limitOf(given), { message: `DUCKDB_MEMORY_LIMIT is ${given}.`, remedy });
      await assert.rejects(limitOf(""), { message: "DUCKDB_MEMORY_LIMIT is empty.", remedy });
    } finally {
      if (before === undefined) delete process.env.DUCKDB_MEMORY_LIMIT;
      else process.env.DUCKDB_MEMORY_LIMIT = before;
    }
  });

  it("compresses no column by a method that takes long", async () => {
    const [row] = await warehouse.query(
      "SELECT value FROM duckdb_settings() WHERE name = 'disabled_compression_methods'",
    );
    assert.match(String(row?.value), /fsst/i);
  });

  describe("materializes", () => {
    it("a view, which follows its tables", async () => {
      await warehouse.materialize(model("base", "table", "SELECT 1 AS a, 2 AS b"), {});
      const view = model("a_view", "view", "SELECT a, b FROM d.base");
      assert.equal((await warehouse.materialize(view, {})).rows, 0);
      await warehouse.materialize(model("base", "table", "SELECT 3 AS a, 4 AS b"), {});
      assert.deepEqual(await rows("a_view"), [{ a: 3, b: 4 }]);
    });

    it("a table, replaced each time, also with other columns", async () => {
      const query = "SELECT x AS a, 1 AS b FROM UNNEST([1, 2]) AS x";
      for (let time = 0; time < 2; time += 1) {
        assert.deepEqual(await warehouse.materialize(model("a_table", "table", query), {}), {
          rows: 2,
          bytesBilled: 0,
        });
        assert.deepEqual(await rows("a_table"), [
          { a: 1, b: 1 },
          { a: 2, b: 1 },
        ]);
      }
      await warehouse.materialize(model("a_table", "table", "SELECT 'x' AS a, 2 AS c"), {});
      assert.deepEqual(await rows("a_table"), [{ a: "x", c: 2 }]);
    });

    it("the partition of the run date: twice gives the same table, the other dates stay", async () => {
      const of = (n: number) =>
        model("parts", "partition", `SELECT @run_date AS run_date, x FROM UNNEST([1, ${n}]) AS x`);
      assert.equal((await warehouse.materialize(of(2), on("2024-01-01"))).rows, 2);
      await warehouse.materialize(of(3), on("2024-01-02"));
      const expected = [
        { run_date: "2024-01-01", x: 1 },
        { run_date: "2024-01-01", x: 2 },
        { run_date: "2024-01-02", x: 1 },
        { run_date: "2024-01-02", x: 3 },
      ];
      assert.deepEqual(await rows("parts"), expected);
      assert.equal((await warehouse.materialize(of(3), on("2024-01-02"))).rows, 2);
      assert.deepEqual(await rows("parts"), expected);
    });

    it("the rows of the model's condition, and no others", async () => {
      const of = (n: number) => ({
        ...model(
          "days",
          "partition",
          `SELECT DATE '2024-01-31' AS day, ${n} AS x UNION ALL SELECT NULL, ${n}`,
        ),
        partitionBy: "DATE_TRUNC(day, MONTH)",
        updatePartitionFilter: "`day` >= @since OR day IS NULL",
      });
      const since = (value: string) => ({ since: { type: "DATE", value } }) as const;
      await warehouse.materialize(of(1), since("2024-01-01"));
      await warehouse.materialize(of(2), since("2024-02-01"));
      assert.deepEqual(await warehouse.query("SELECT day, x FROM d.days ORDER BY x, day NULLS FIRST"), [
        { day: "2024-01-31", x: 1 },
        { day: null, x: 2 },
        { day: "2024-01-31", x: 2 },
      ]);
    });

    it("new rows in the order of clusterBy, if the model is sorted", async () => {
      const query = "SELECT @run_date AS run_date, x FROM UNNEST([3, 1, 2]) AS x";
      const stored = async (sorted: boolean) => {
        const name = sorted ? "in_order" : "as_given";
        const clustered = { ...model(name, "partition", query), clusterBy: ["x"] };
        await warehouse.materialize({ ...clustered, ...(sorted && { sorted: true }) }, on("2020-01-01"));
        return (await warehouse.query(`SELECT x FROM d.${name}`)).map(({ x }) => x);
      };
      assert.deepEqual(
        [await stored(true), await stored(false)],
        [
          [1, 2, 3],
          [3, 1, 2],
        ],
      );
    });

    it("the run date of a model that names no partition", async () => {
      const of = (x: number) => ({
        ...model("unnamed", "partition", `SELECT @run_date AS run_date, ${x} AS x`),
        partitionBy: undefined,
      });
      for (const x of [1, 2]) await warehouse.materialize(of(x), on("2024-01-01"));
      assert.deepEqual(await rows("unnamed"), [{ run_date: "2024-01-01", x: 2 }]);
    });

    it("a table that was a view, and the other way round", async () => {
      for (const materialization of ["view", "partition", "view", "table"] as const)
        await warehouse.materialize(
          model("changed", materialization, "SELECT DATE '2024-01-01' AS run_date, 1 AS x"),
          on("2024-01-01"),
        );
      assert.deepEqual(await rows("changed"), [{ run_date: "2024-01-01", x: 1 }]);
    });

    it("a partition that becomes empty", async () => {
      const of = (condition: string) =>
        model(
          "emptied",
          "partition",
          `SELECT @run_date AS run_date, 1 AS x FROM (SELECT 1) WHERE ${condition}`,
        );
      await warehouse.materialize(of("TRUE"), on("2024-01-01"));
      assert.equal((await warehouse.materialize(of("FALSE"), on("2024-01-01"))).rows, 0);
      assert.deepEqual(await rows("emptied"), []);
    });

    it("an append table once: its rows stay", async () => {
      const log = model("a_log", "append", "SELECT CAST(NULL AS STRING) AS id, CAST(NULL AS INT64) AS n");
      await warehouse.materialize(log, {});
      assert.deepEqual(await rows("a_log"), []);
      await warehouse.replaceRows(log.target, { id: "x" }, [{ id: "x", n: 1 }]);
      assert.equal((await warehouse.materialize(log, {})).rows, 0);
      assert.deepEqual(await rows("a_log"), [{ id: "x", n: 1 }]);
    });

    it("integers as INT64, also sums and literals", async () => {
      await warehouse.materialize(
        model("sums", "table", "SELECT SUM(x) AS s, 1 AS b FROM UNNEST([1, 2]) AS x"),
        {},
      );
      const [types] = await warehouse.withConnection(async (connection) =>
        (await connection.runAndReadAll("SELECT typeof(s), typeof(b) FROM d.sums")).getRows(),
      );
      assert.deepEqual(types, ["BIGINT", "BIGINT"]);
    });

    it("new columns, null in the other partitions, in any order", async () => {
      await warehouse.materialize(
        model("grown", "partition", "SELECT @run_date AS run_date, 1 AS a"),
        on("2024-01-01"),
      );
      await warehouse.materialize(
        model("grown", "partition", "SELECT 'new' AS c, 2 AS a, @run_date AS run_date"),
        on("2024-01-02"),
      );
      assert.deepEqual(await rows("grown"), [
        { run_date: "2024-01-01", a: 1, c: null },
        { run_date: "2024-01-02", a: 2, c: "new" },
      ]);
    });

    it("no column of another type, and keeps the table unchanged", async () => {
      await warehouse.materialize(
        model("typed", "partition", "SELECT @run_date AS run_date, 1 AS a"),
        on("2024-01-01"),
      );
      const changed = model("typed", "partition", "SELECT @run_date AS run_date, 1 AS b, 'x' AS a");
      await assert.rejects(warehouse.materialize(changed, on("2024-01-01")), {
        name: "UserError",
        message: "Column a of d.typed would change its type from BIGINT to VARCHAR.",
        remedy: "Give the column another name, or move the data folder away to start with a new one.",
      });
      assert.deepEqual(await rows("typed"), [{ run_date: "2024-01-01", a: 1 }]);
    });

    it("nothing when the query fails halfway: the partition stays", async () => {
      const of = (x: string) => model("kept", "partition", `SELECT @run_date AS run_date, ${x} AS x`);
      await warehouse.materialize(of("1"), on("2024-01-01"));
      const failing = of("CAST(ERROR('broken') AS INT64)");
      await assert.rejects(warehouse.materialize(failing, on("2024-01-01")), /broken/);
      assert.deepEqual(await rows("kept"), [{ run_date: "2024-01-01", x: 1 }]);
    });

    it("several tables and datasets at once", async () => {
      const names = Array.from({ length: 8 }, (_, index) => `t${index}`);
      await Promise.all(
        names.map((name, index) => {
          const made = model(
            name,
            index % 2 === 0 ? "partition" : "table",
            `SELECT @run_date AS run_date, ${index} AS x`,
          );
          const target = { ...made.target, dataset: `set${index % 3}` };
          return warehouse.materialize({ ...made, target }, on("2024-01-01"));
        }),
      );
      for (const [index, name] of names.entries()) {
        const table = `set${index % 3}.${name}`;
        assert.deepEqual(await warehouse.query(`SELECT x FROM ${table}`), [{ x: index }]);
      }
    });
  });

  describe("refuses a query with its place", () => {
    const cases: [string, string, { line: number; column: number }][] = [
      ["an unknown column", "SELECT\n  'wrong', -- wrong\n  wrong FROM d.base", { line: 3, column: 3 }],
      ["an unknown table", "SELECT a\nFROM d.nowhere", { line: 2, column: 8 }],
      ["an unknown function", "SELECT 1,\n  no_such_function(a) FROM d.base", { line: 2, column: 3 }],
      ["an ungrouped column", "SELECT a,\n b FROM d.base GROUP BY a", { line: 2, column: 2 }],
    ];
    for (const [what, sql, position] of cases) {
      it(what, async () => {
        await assert.rejects(warehouse.query(sql), { name: "QueryError", position });
        await assert.rejects(warehouse.materialize(model("x", "table", sql), {}), {
          name: "QueryError",
          position,
        });
      });
    }
  });

  describe("replaces rows", () => {
    const log = () =>
      model(
        "log",
        "append",
        `SELECT CAST(NULL AS STRING) AS id, CAST(NULL AS DATE) AS day, CAST(NULL AS TIMESTAMP) AS at,
         CAST(NULL AS FLOAT64) AS f, CAST(NULL AS INT64) AS i, CAST(NULL AS BOOL) AS ok`,
      );
    const nothing = { day: null, at: null, f: null, i: null, ok: null };
    beforeEach(async () => {
      await warehouse.materialize(log(), {});
      await warehouse.withConnection((connection) => connection.run("DELETE FROM d.log"));
    });

    it("of the key alone", async () => {
      const outcome = await warehouse.replaceRows(log().target, { id: "a" }, [
        { id: "a", i: 1 },
        { id: "a", i: 2 },
      ]);
      assert.deepEqual(outcome, { rows: 2, bytesBilled: 0 });
      await warehouse.replaceRows(log().target, { id: "b", day: "2024-01-01" }, [
        { id: "b", day: "2024-01-01", i: 3 },
      ]);
      await warehouse.replaceRows(log().target, { id: "a" }, [{ id: "a", i: 4 }]);
      assert.deepEqual(await warehouse.query("SELECT id, i FROM d.log ORDER BY id"), [
        { id: "a", i: 4 },
        { id: "b", i: 3 },
      ]);
      await warehouse.replaceRows(log().target, { id: "b", day: "2024-01-01" }, []);
      assert.deepEqual(await warehouse.query("SELECT id FROM d.log"), [{ id: "a" }]);
    });

    it("and returns them unchanged", async () => {
      const whole = {
        id: 'it\'s "ä"\n',
        day: "2024-02-29",
        at: "2024-02-29T23:59:59.123456Z",
        f: 0.1,
        i: 2 ** 53 - 1,
        ok: true,
      };
      await warehouse.replaceRows(log().target, { id: "x" }, [whole, { id: "null" }]);
      assert.deepEqual(await rows("log"), [whole, { id: "null", ...nothing }]);
    });

    it("with null for numbers that are not finite", async () => {
      await warehouse.replaceRows(log().target, { id: "x" }, [
        { id: "x", f: Number.NaN },
        { id: "y", f: Infinity },
      ]);
      assert.deepEqual(await warehouse.query("SELECT f FROM d.log"), [{ f: null }, { f: null }]);
    });

    it("or none of them, when a value or a column does not match", async () => {
      await warehouse.replaceRows(log().target, { id: "x" }, [{ id: "x", i: 1 }]);
      for (const [bad, message] of [
        [{ id: "x", i: "many" }, /many/],
        [{ id: "x", day: "no date" }, /no date/],
        [{ id: "x", oops: 1, more: 2 }, /d\.log has no column oops, more\./],
      ] as const) {
        await assert.rejects(
          warehouse.replaceRows(log().target, { id: "x" }, [{ id: "x", i: 2 }, bad]),
          message,
        );
        assert.deepEqual(await rows("log"), [{ id: "x", ...nothing, i: 1 }]);
      }
    });
  });

  it("returns plain values", async () => {
    const [row] = await warehouse.query(
      `SELECT DATE '2024-02-29' AS day, TIMESTAMP '2024-02-29 12:00:00+00' AS at, DATETIME '2024-02-29 12:00:00.5' AS local,
       CAST('NaN' AS FLOAT64) AS nan, CAST('-inf' AS FLOAT64) AS inf, CAST(NULL AS FLOAT64) AS nothing,
       CAST(-1.50 AS NUMERIC) AS decimal, 9007199254740991 AS big, SUM(1) AS sum, '12' AS text, '2024-01-01 00:00:00' AS text2,
       @day AS given, @none AS none`,
      { day: { type: "DATE", value: "2024-01-01" }, none: { type: "STRING", value: null } },
    );
    assert.deepEqual(row, {
      day: "2024-02-29",
      at: "2024-02-29T12:00:00Z",
      local: "2024-02-29T12:00:00.5Z",
      nan: Number.NaN,
      inf: -Infinity,
      nothing: null,
      decimal: -1.5,
      big: 2 ** 53 - 1,
      sum: 1,
      text: "12",
      text2: "2024-01-01 00:00:00",
      given: "2024-01-01",
      none: null,
    });
  });

  describe("returns columns of numbers", () => {
    it("in the order of the rows, with NaN for null", async () => {
      const columns = await warehouse.columns(
        "SELECT n, IF(n = 2, NULL, n / 2) AS half, CAST(n AS NUMERIC) AS decimal, 'x' AS text FROM UNNEST(GENERATE_ARRAY(1, @rows)) AS n ORDER BY n",
        ["half", "n", "decimal"],
        { rows: { type: "INT64", value: 5000 } },
      );
      const n = Float64Array.from({ length: 5000 }, (_, i) => i + 1);
      const half = n.map((each) => (each === 2 ? Number.NaN : each / 2));
      assert.deepEqual(columns, { half, n, decimal: n });
    });

    it("of no rows", async () => {
      assert.deepEqual(await warehouse.columns("SELECT 1 AS n WHERE FALSE", ["n"]), {
        n: new Float64Array(),
      });
    });

    it("and nothing else: no text, no column that the query does not have", async () => {
      await assert.rejects(warehouse.columns("SELECT 'x' AS n", ["n"]), { name: "QueryError" });
      await assert.rejects(warehouse.columns("SELECT 1 AS n", ["other"]), { name: "QueryError" });
    });
  });

  it("returns timestamps in UTC on a machine in another time zone", async () => {
    const body = `console.log(JSON.stringify(await warehouse.query(
      "SELECT TIMESTAMP '2024-01-01 12:00:00+00' AS at, DATE(TIMESTAMP '2024-01-01 23:00:00+00') AS day")));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      script(join(folder, "tokyo.duckdb"), body),
      {
        env: { ...process.env, TZ: "Asia/Tokyo" },
      },
    );
    assert.deepEqual(JSON.parse(stdout), [{ at: "2024-01-01T12:00:00Z", day: "2024-01-01" }]);
  });

  it("calls routines: numbers, and null for null", async () => {
    const routine: Routine = {
      name: "weighted",
      parameters: [
        { name: "x", type: "FLOAT64" },
        { name: "y", type: "FLOAT64" },
      ],
      returns: "FLOAT64",
      description: "",
      call: (x, y) => x + 10 * y,
    };
    const other = await DuckDbWarehouse.open(join(folder, "routines.duckdb"), {
      routines: [routine],
    });
    try {
      const rows = await other.query(
        "SELECT x, rfm.weighted(x, 2) AS v, rfm.weighted(x, NULL) AS n FROM UNNEST([1.5, NULL, 3]) AS x ORDER BY x",
      );
      assert.deepEqual(
        rows.toSorted((a, b) => Number(a.x) - Number(b.x)),
        [
          { x: null, v: null, n: null },
          { x: 1.5, v: 21.5, n: null },
          { x: 3, v: 23, n: null },
        ],
      );
    } finally {
      await other.close();
    }
  });

  describe("Parquet files", () => {
    const files = (name: string) => pathToFileURL(join(folder, name)).href;
    const taken = ["id", "value"];
    const set = (name: string, family: string) => ({
      folder: files(name),
      columns: taken,
      constants: { family },
    });
    const target = () => ({ project: warehouse.project, dataset: "d", name: "loaded" });
    const load = (...sets: ReturnType<typeof set>[]) =>
      warehouse.replaceByParquet(target(), "2024-01-01", sets);
    before(async () => {
      const query = "SELECT DATE '2024-01-01' AS run_date, 'a' AS family, 'x' AS id, 1.5 AS value";
      await warehouse.materialize(model("loaded", "append", query), {});
    });

    it("have the rows of a query with parameters, in its order, and go into a table with the run date and constants", async () => {
      const sql =
        "SELECT CONCAT('c', CAST(x AS STRING)) AS id, 1.5 * x AS value, @run_date AS unused FROM UNNEST([3, 1, 2]) AS x ORDER BY x";
      await warehouse.exportParquet(sql, on("2024-01-01"), files("one"));
      assert.deepEqual(await load(set("one", "o'ne"), set("one", "two")), { rows: 6, bytesBilled: 0 });
      const expected = ["o'ne", "two"].flatMap((family) =>
        [1, 2, 3].map((x) => ({ run_date: "2024-01-01", family, id: `c${x}`, value: 1.5 * x })),
      );
      assert.deepEqual(await warehouse.query("SELECT * FROM d.loaded ORDER BY family, id"), expected);
    });

    it("replace the rows of the run date, and no others", async () => {
      await warehouse.replaceByParquet(target(), "2024-02-02", [set("one", "later")]);
      await load(set("one", "again"));
      const rows = await warehouse.query(
        "SELECT family, COUNT(*) AS n FROM d.loaded GROUP BY family ORDER BY family",
      );
      assert.deepEqual(rows, [
        { family: "again", n: 3 },
        { family: "later", n: 3 },
      ]);
    });

    it("that do not fit change nothing, and the error names the folder", async () => {
      await warehouse.exportParquet("SELECT 'x' AS id", {}, files("lacks-a-column"));
      await warehouse.exportParquet("SELECT 'x' AS id, 'much' AS value", {}, files("wrong-type"));
      for (const [name, reason] of [
        ["missing", /missing.*do not fit d\.loaded: .*No files found/],
        ["lacks-a-column", /lacks-a-column.*value/],
        ["wrong-type", /wrong-type.*much/],
      ] as const)
        await assert.rejects(load(set("one", "new"), set(name, "bad")), {
          name: "UserError",
          message: reason,
        });
      const rows = await warehouse.query("SELECT DISTINCT family FROM d.loaded ORDER BY family");
      assert.deepEqual(rows, [{ family: "again" }, { family: "later" }]);
    });
  });

  describe("opens a file", () => {
    it("when the other process closes it, and has the rows of both processes", async () => {
      const path = join(folder, "shared.duckdb");
      const body = (id: string) => `const target = { project: warehouse.project, dataset: "d", name: "t" };
        const query = "SELECT CAST(NULL AS STRING) AS id";
        await warehouse.materialize({ target, materialization: "append", query, clusterBy: [] }, {});
        await new Promise((done) => setTimeout(done, 300));
        await warehouse.replaceRows(target, { id: "${id}" }, [{ id: "${id}" }]);
        await warehouse.close();`;
      await Promise.all(
        ["a", "b"].map((id) => promisify(execFile)(process.execPath, script(path, body(id)))),
      );
      const both = await DuckDbWarehouse.open(path);
      try {
        assert.deepEqual(await both.query("SELECT id FROM d.t ORDER BY id"), [{ id: "a" }, { id: "b" }]);
      } finally {
        await both.close();
      }
    });

    it("or reports, after the lock timeout, that another process has it open", async () => {
      const path = join(folder, "taken.duckdb");
      const holder = spawn(
        process.execPath,
        script(path, "console.log('open'); setInterval(() => {}, 1000);"),
      );
      try {
        await once(holder.stdout, "data");
        await assert.rejects(DuckDbWarehouse.open(path, { lockTimeout: 100 }), {
          name: "UserError",
          status: 503,
          message: /taken\.duckdb can't be opened: another process has it open\.$/,
          remedy: "End that process or wait for it, then try again.",
        });
      } finally {
        holder.kill("SIGKILL");
        await once(holder, "close");
      }
    });

    it("or reports why not: below a file, a folder without rights, not a database", async () => {
      writeFileSync(join(folder, "file"), "this is not a database".repeat(1000));
      for (const [path, reason] of [
        ["file/warehouse.duckdb", /warehouse\.duckdb can't be opened: .*file/],
        ["file", /can't be opened: .*not a valid DuckDB/],
      ] as const) {
        await assert.rejects(DuckDbWarehouse.open(join(folder, path)), {
          name: "UserError",
          message: reason,
          remedy:
            "Check that the folder is writable and has free space. If the file is damaged, move it away and run again.",
        });
      }
      const closed = mkdtempSync(join(folder, "closed-"));
      chmodSync(closed, 0o500);
      // Nothing is closed to root.
      if (process.getuid?.() === 0) return;
      await assert.rejects(DuckDbWarehouse.open(join(closed, "x.duckdb")), {
        name: "UserError",
        message: /can't be opened: /,
      });
    });
  });
});
