import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { FUNCTIONS } from "./functions.ts";
import { parametersOf, translate } from "./googlesql-to-duckdb.ts";
import { type Parameters, QueryError } from "./query.ts";

const parameters: Parameters = {
  run_date: { type: "DATE", value: "2024-01-01" },
  weeks: { type: "INT64", value: 39 },
  rate: { type: "FLOAT64", value: 0.1 },
  name: { type: "STRING", value: "x" },
};

describe("GoogleSQL to DuckDB", () => {
  it("gives each parameter its type", async () => {
    assert.equal(
      await translate("SELECT @run_date, @weeks, @rate, @name", parameters),
      "SELECT CAST($run_date AS DATE), CAST($weeks AS BIGINT), CAST($rate AS DOUBLE), CAST($name AS VARCHAR)",
    );
    assert.deepEqual(parametersOf("SELECT @a + @b, @a"), new Set(["a", "b"]));
  });

  it("leaves strings, quoted names and comments as they are", async () => {
    const sql = `SELECT 'it''s @a', "@b", '''@c'
      @d''', 'a\\'@e', \`@f\`, @weeks -- @g
      # @h
      /* @i */`;
    assert.deepEqual(parametersOf(sql), new Set(["weeks"]));
    const translated = await translate(sql, parameters);
    for (const name of ["a", "b", "c", "d", "e"])
      assert.ok(translated.includes(`@${name}`), `${name}: ${translated}`);
    assert.deepEqual(translated.match(/\$\w+/g), ["$weeks"]);
  });

  it("splits a path in one pair of backticks, and leaves one that is split", async () => {
    const whole = await translate("SELECT a FROM `p.d.t`", {});
    assert.equal(whole, 'SELECT a FROM "p"."d"."t"');
    assert.equal(await translate("SELECT a FROM `p`.`d`.`t`", {}), whole);
  });

  const corrections: [what: string, sql: string, translated: string][] = [
    [
      "keeps the arguments of DIV together",
      "SELECT DIV(a + 1, b - 7), 'DIV(1)', div (x, y) FROM t",
      "SELECT DIVIDE(a + 1, b - 7), 'DIV(1)', DIVIDE(x, y) FROM t",
    ],
    [
      "translates an interval of a column",
      "SELECT TIMESTAMP_ADD(x, INTERVAL t.n DAY) FROM t",
      "SELECT x + INTERVAL (t.n) DAY FROM t",
    ],
    [
      "counts 0 when all conditions are null",
      "SELECT COUNTIF(a AND (b OR c)) OVER (PARTITION BY d), countif (a) FROM t",
      "SELECT COUNT(*) FILTER(WHERE a AND (b OR c)) OVER (PARTITION BY d), COUNT(*) FILTER(WHERE a) FROM t",
    ],
    [
      "starts weeks on Monday where the query says so",
      "SELECT TIMESTAMP_TRUNC(f(a), WEEK(MONDAY)), TIMESTAMP_TRUNC(a, ISOWEEK) FROM t",
      "SELECT DATE_TRUNC('WEEK', F(a)), DATE_TRUNC('WEEK', a) FROM t",
    ],
  ];
  for (const [what, sql, translated] of corrections)
    it(what, async () => assert.equal(await translate(sql, {}), translated));

  it("translates the arguments of functions", async () => {
    // For a column, an expression that DuckDB has under another name
    const arguments_: [column: string, argument: string, name: RegExp][] = [
      ["s", "TO_HEX(SHA256(s))", /TO_HEX/],
      ["d", "DATE_SUB(d, INTERVAL 1 DAY)", /DATE_SUB/],
      ["i", "UNIX_DATE(d)", /UNIX_DATE/],
      ["f", "SAFE_DIVIDE(f, h)", /SAFE_DIVIDE/],
    ];
    let tried = 0;
    for (const expression of Object.values(FUNCTIONS.usable).flat())
      for (const [column, argument, name] of arguments_) {
        const nested = expression.replace(new RegExp(`(?<![\\w'%.])${column}(?![\\w'%(.])`, "g"), argument);
        if (nested === expression || nested.includes("IGNORE NULLS")) continue;
        assert.doesNotMatch(await translate(`SELECT ${nested} AS v FROM t`, {}), name, nested);
        tried += 1;
      }
    assert.ok(tried > 150, `${tried} expressions`);
  });

  it("refuses IGNORE NULLS where the translator drops it", async () => {
    await assert.rejects(
      translate("SELECT a,\nFIRST_VALUE(UNIX_DATE(d) IGNORE NULLS) OVER (ORDER BY a) FROM t", {}),
      {
        name: "QueryError",
        message: /IGNORE NULLS of an expression/,
        position: { line: 2, column: 26 },
      },
    );
    assert.match(
      await translate("SELECT NTH_VALUE(t.d, 2 IGNORE NULLS) OVER (ORDER BY a) FROM t", {}),
      /2 IGNORE NULLS/,
    );
  });

  it("gives the place of a syntax error as written, after paths, parameters and letters of several bytes", async () => {
    const sql = "SELECT 'ä', @run_date\nFROM `p.d.t` WHERE @weeks = `a`.`b` AND 'ö' = , @rate FROM `p.d.t`";
    await assert.rejects(translate(sql, parameters), (error: QueryError) => {
      assert.ok(error instanceof QueryError);
      assert.deepEqual(error.position, { line: 2, column: sql.split("\n")[1]!.indexOf(" ,") + 2 });
      return true;
    });
  });

  it("names a parameter that has no value, and its place", async () => {
    await assert.rejects(translate("SELECT '@nobody'\n, @nobody", parameters), {
      name: "QueryError",
      message: /@nobody/,
      position: { line: 2, column: 3 },
    });
  });

  it("refuses none and several statements", async () => {
    for (const sql of ["SELECT 1; SELECT 2", ""]) {
      await assert.rejects(
        translate(sql, {}),
        { name: "QueryError", message: /not exactly one statement/ },
        sql,
      );
    }
  });

  it("finds exactly the parameters of any text made of parameters, strings and comments", () => {
    const piece = fc.constantFrom(
      ...(["@a", "@b_1"] as const),
      ...[
        "'@x'",
        '"@x"',
        "'\\'@x'",
        "-- @x '\n",
        '# @x "\n',
        "/* @x\n' */",
        "`@x`",
        "'''@x\n'@x'''",
        " ",
        "'--'",
        "'/*'",
      ],
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const expected = pieces.filter((text) => /^@/.test(text)).map((text) => text.slice(1));
        assert.deepEqual(parametersOf(pieces.join(" ")), new Set(expected));
      }),
    );
  });

  describe("cache", () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "translations-"));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it("stores a translation and uses it the next time, with any values of parameters", async () => {
      const translated = await translate("SELECT @weeks", parameters, folder);
      const [file, ...others] = readdirSync(folder);
      assert.deepEqual(others, []);
      assert.equal(
        await translate("SELECT @weeks", { weeks: { type: "INT64", value: 1 } }, folder),
        translated,
      );
      writeFileSync(join(folder, file!), "SELECT __param_weeks AS kept");
      assert.equal(
        await translate("SELECT @weeks", parameters, folder),
        "SELECT CAST($weeks AS BIGINT) AS kept",
      );
    });

    it("does without a folder that can't be written to", async () => {
      // Root can write to every folder of a disk.
      const readOnly = process.platform === "linux" ? "/sys/translations" : folder;
      assert.equal(await translate("SELECT 1 AS one", {}, readOnly), "SELECT 1 AS one");
    });

    it("depends on the query and the version of the translator", async () => {
      await translate("SELECT 1", {}, folder);
      await translate("SELECT 2", {}, folder);
      assert.equal(readdirSync(folder).length, 2);
      const manifest = new URL("../package.json", import.meta.resolve("@polyglot-sql/sdk"));
      const { version } = JSON.parse(readFileSync(manifest, "utf8"));
      const { createHash } = await import("node:crypto");
      const name = createHash("sha256").update(`${version}\nSELECT 1`).digest("hex").slice(0, 24);
      assert.ok(readdirSync(folder).includes(`${name}.sql`));
    });

    it("can be written by several at once for the same query", async () => {
      const all = await Promise.all(Array.from({ length: 8 }, () => translate("SELECT 1 AS x", {}, folder)));
      assert.deepEqual(new Set(all), new Set(["SELECT 1 AS x"]));
      assert.equal(readdirSync(folder).length, 1);
    });

    it("does not store a failed translation", async () => {
      await assert.rejects(translate("SELECT ,", {}, folder));
      assert.deepEqual(readdirSync(folder), []);
    });
  });
});
