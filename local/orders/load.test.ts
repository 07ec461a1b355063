import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { ordersOf } from "../../cli/orders-options.ts";
import { formatError, UserError } from "../../lib/user-error.ts";
import { describeOrders, loadOrders, type OrdersOptions, type OrdersSummary } from "./load.ts";

describe("loadOrders", () => {
  let folder: string;
  let connection: DuckDBConnection;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "orders-"));
    connection = await (await DuckDBInstance.create(":memory:")).connect();
  });
  after(() => {
    connection.closeSync();
    rmSync(folder, { recursive: true });
  });

  const query = async (sql: string): Promise<unknown[][]> =>
    (await connection.runAndReadAll(sql)).getRowsJson();
  const table = async (columns = "order_id, customer_id, ordered_at, amount"): Promise<unknown[][]> =>
    await query(`SELECT ${columns} FROM raw.orders`);
  const given = (content: string | Uint8Array, name = "orders.csv"): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const load = async (
    content: string | Uint8Array,
    options: Partial<OrdersOptions> = {},
  ): Promise<OrdersSummary> => await loadOrders(connection, { file: given(content), ...options });
  const fails = async (loading: Promise<unknown>, ...parts: (string | RegExp)[]): Promise<void> => {
    const error = await loading.then(
      () => assert.fail("loaded"),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof UserError, formatError(error));
    assert.equal(error.status, 400);
    assert.ok(error.remedy);
    const message = formatError(error).replaceAll(folder, "");
    for (const part of parts) {
      if (typeof part === "string") assert.ok(message.includes(part), message);
      else assert.match(message, part);
    }
  };
  const parquet = async (select: string, name = "orders.parquet"): Promise<string> => {
    const file = join(folder, name);
    await connection.run(`COPY (${select}) TO '${file}' (FORMAT parquet)`);
    return file;
  };
  const dates = (...values: string[]): string =>
    `customer_id;date;amount\n${values.map((value) => `1;${value};3`).join("\n")}\n`;
  const amounts = (...values: string[]): string =>
    `customer_id;date;amount\n${values.map((value) => `1;2020-01-01;${value}`).join("\n")}\n`;

  it("loads the CDNOW log", async () => {
    const summary = await loadOrders(connection, {
      file: join(import.meta.dirname, "../../data/cdnow.csv.gz"),
    });
    assert.equal(summary.rows, 69_659);
    assert.deepEqual([summary.first_order_on, summary.last_order_on], ["1997-01-01", "1998-06-30"]);
    assert.deepEqual([summary.date_format, summary.decimal], ["ISO 8601", "."]);
    assert.deepEqual(
      await query("SELECT count(*), count(DISTINCT customer_id), round(sum(amount), 2) FROM raw.orders"),
      [["69659", "23570", 2500315.63]],
    );
    assert.deepEqual(
      (await table("order_id, customer_id, ordered_at, amount, payment_method, quantity"))[0],
      ["00001", "00001", "1997-01-01 00:00:00+00", 11.77, null, "1"],
    );
    assert.deepEqual(
      await query("SELECT column_name || ' ' || data_type FROM duckdb_columns() WHERE schema_name = 'raw'"),
      [
        ["order_id VARCHAR"],
        ["customer_id VARCHAR"],
        ["ordered_at TIMESTAMP WITH TIME ZONE"],
        ["amount DOUBLE"],
        ["payment_method VARCHAR"],
        ["quantity BIGINT"],
      ],
    );
  });

  it("loads the same orders in every notation of a shop", async () => {
    const pad = (value: number): string => String(value).padStart(2, "0");
    const spellings: Record<string, string[]> = {
      order_id: ["order_id", "Order-ID", "InvoiceNo", "order number"],
      customer_id: ["customer_id", "CustomerID", "CUSTOMER ID", "User-Id"],
      ordered_at: ["ordered_at", "Date", "order_date", "Purchase Date"],
      amount: ["Amount", "total", "Dollar_Value"],
      payment_method: ["payment_method", "PaymentMethod"],
      quantity: ["quantity", "QTY"],
    };
    const dateWriters: Record<string, (y: number, m: number, d: number) => string> = {
      "ISO 8601": (y, m, d) => `${y}-${pad(m)}-${pad(d)}`,
      "%Y%m%d": (y, m, d) => `${y}${pad(m)}${pad(d)}`,
      "%d.%m.%Y": (y, m, d) => `${pad(d)}.${m}.${y}`,
      "%d/%m/%Y": (y, m, d) => `${d}/${pad(m)}/${y}`,
      "%m/%d/%Y": (y, m, d) => `${m}/${d}/${y}`,
      "%m-%d-%Y": (y, m, d) => `${pad(m)}-${pad(d)}-${y}`,
      "%d.%m.%y": (y, m, d) => `${pad(d)}.${pad(m)}.${y % 100}`,
    };
    const order = fc.record({
      order_id: fc.stringMatching(/^0[0-9]{1,6}$/),
      // Without @: an e-mail address is read in lower case.
      customer_id: fc.stringMatching(/^[0A-Za-zäé;,"'#|][ -?A-~]{0,8}[0-9]$/),
      day: fc.record({
        y: fc.integer({ min: 1970, max: 2060 }),
        m: fc.integer({ min: 1, max: 12 }),
        d: fc.integer({ min: 1, max: 28 }),
      }),
      clock: fc.record({ h: fc.integer({ min: 0, max: 23 }), min: fc.integer({ min: 0, max: 59 }) }),
      cents: fc.integer({ min: -5_000_000, max: 500_000_000 }),
      payment_method: fc.option(fc.constantFrom("card", 'a "b"\nc', "on account")),
      quantity: fc.option(fc.integer({ min: 1, max: 999 })),
    });
    const layout = fc.record({
      delimiter: fc.constantFrom(",", ";", "\t", "|"),
      newline: fc.constantFrom("\n", "\r\n"),
      bom: fc.boolean(),
      gzip: fc.boolean(),
      quoted: fc.boolean(),
      thousands: fc.boolean(),
      time: fc.boolean(),
      decimal: fc.constantFrom("." as const, "," as const),
      // For DuckDB, as for POSIX, two digits of the year are 1969 to 2068.
      dateFormat: fc.constantFrom(...Object.keys(dateWriters)),
      columns: fc.shuffledSubarray(Object.keys(spellings), { minLength: 6 }),
      spelling: fc.nat(11),
    });
    const property = fc.asyncProperty(fc.array(order, { maxLength: 30 }), layout, async (others, shape) => {
      // An order that decides the format of the dates and of the amounts.
      const [clue] = fc.sample(order, { numRuns: 1, seed: 1 });
      const orders = [...others, { ...clue!, day: { y: 1999, m: 2, d: 25 }, cents: 1234 }];
      const write = (column: string, o: (typeof orders)[number]): string => {
        if (column === "ordered_at") {
          const day = dateWriters[shape.dateFormat]!(o.day.y, o.day.m, o.day.d);
          return shape.time ? `${day} ${pad(o.clock.h)}:${pad(o.clock.min)}` : day;
        }
        if (column === "amount") {
          const [units, cents] = (Math.abs(o.cents) / 100).toFixed(2).split(".");
          const group = shape.decimal === "." ? "," : ".";
          const whole = shape.thousands ? units!.replaceAll(/\B(?=(\d{3})+$)/g, group) : units!;
          return `${o.cents < 0 ? "-" : ""}${whole}${shape.decimal}${cents}`;
        }
        return String(o[column as "order_id"] ?? "");
      };
      const cell = (value: string): string =>
        shape.quoted || /["\r\n]/.test(value) || value.includes(shape.delimiter)
          ? `"${value.replaceAll('"', '""')}"`
          : value;
      const header = shape.columns.map(
        (column) => spellings[column]![shape.spelling % spellings[column]!.length]!,
      );
      const lines = [header, ...orders.map((o) => shape.columns.map((column) => write(column, o)))];
      const text = lines.map((line) => line.map(cell).join(shape.delimiter)).join(shape.newline);
      const content = (shape.bom ? "\ufeff" : "") + text + shape.newline;

      const summary = await load(shape.gzip ? gzipSync(content) : content);
      assert.deepEqual([summary.date_format, summary.decimal], [shape.dateFormat, shape.decimal]);
      assert.deepEqual(
        summary.columns,
        Object.fromEntries(shape.columns.map((column, index) => [column, header[index]])),
      );
      const time = ({ clock }: (typeof orders)[number]): string =>
        shape.time ? `${pad(clock.h)}:${pad(clock.min)}` : "00:00";
      assert.deepEqual(
        await table("order_id, customer_id, ordered_at, amount, payment_method, quantity"),
        orders.map((o) => [
          o.order_id,
          o.customer_id,
          `${o.day.y}-${pad(o.day.m)}-${pad(o.day.d)} ${time(o)}:00+00`,
          o.cents / 100,
          o.payment_method,
          o.quantity === null ? null : String(o.quantity),
        ]),
      );
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it("keeps every row, and makes values that it can't convert NULL", async () => {
    const { rows, first_order_on } = await load(
      "order_id,customer_id,date,amount,quantity\n" +
        '1,007,2020-01-02,3,2\n ,  ,,  ,\n3,8,2020-02-30,x,1.5\n4,9,9999-12-31,inf,3.0\n5,10,infinity,NaN,\n\n6,11\n7,"12\n13"\n',
    );
    assert.deepEqual([rows, first_order_on], [7, "2020-01-02"]);
    assert.deepEqual(await table("order_id, customer_id, ordered_at, amount, quantity"), [
      ["1", "007", "2020-01-02 00:00:00+00", 3, "2"],
      [null, null, null, null, null],
      ["3", "8", null, null, null],
      ["4", "9", null, "Infinity", "3"],
      ["5", "10", null, "NaN", null],
      ["6", "11", null, null, null],
      ["7", "12\n13", null, null, null],
    ]);
  });

  it("numbers the orders of a file that has no order ids", async () => {
    await load("customer_id,date,amount\na,2020-01-01,3\nb,2020-01-01,4\n");
    assert.deepEqual(await table("order_id, customer_id"), [
      ["1", "a"],
      ["2", "b"],
    ]);
  });

  const times: [string, string, string][] = [
    ["2020-01-02T10:00:00Z", "ISO 8601", "10:00:00"],
    ["2020-01-02T10:00Z", "ISO 8601", "10:00:00"],
    ["2020-01-02 10:00:00.25", "ISO 8601", "10:00:00.25"],
    ["2020-01-02T10:00:00+02:00", "ISO 8601", "08:00:00"],
    ["2020-01-02 10:00:00 +0200", "ISO 8601", "08:00:00"],
    ["2020/01/02", "ISO 8601", "00:00:00"],
    ["20200102 10:00", "%Y%m%d", "10:00:00"],
    ["02.01.2020 10:00:05", "%d.%m.%Y", "10:00:05"],
    ["2.1.20", "%d.%m.%y", "00:00:00"],
    ["Jan 2, 2020 10:00:05 AM", "%b %d, %Y", "10:00:05"],
    ["1577959205", "epoch", "10:00:05"],
    ["1577959205250", "epoch_ms", "10:00:05.25"],
    ["1577959205250000", "epoch_us", "10:00:05.25"],
    ["1577959205250000000", "epoch_ns", "10:00:05.25"],
    ["43832", "excel", "00:00:00"],
    ["43832.5", "excel", "12:00:00"],
    ["43832,416724537", "excel", "10:00:05"],
    ["02.01.2020, 10:00 Uhr", "%d.%m.%Y", "10:00:00"],
    ["2.1.2020 um 10.00", "%d.%m.%Y", "10:00:00"],
    ["02.01.2020 - 10h00", "%d.%m.%Y", "10:00:00"],
    ["02-JAN-20 10:00", "%d-%b-%y", "10:00:00"],
    ["January 2, 2020 at 10:00am", "%B %d, %Y", "10:00:00"],
    ["Jan 2, 2020, 10:00:05\u202fa.m.", "%b %d, %Y", "10:00:05"],
    ["2020.01.02 10:00:05.250", "%Y.%m.%d", "10:00:05"],
    ["20200102100005", "%Y%m%d%H%M%S", "10:00:05"],
    ["2020年01月02日 10:00", "%Y年%m月%d日", "10:00:00"],
    ["02.01.2020 10:00:05 a. m.", "%d.%m.%Y", "10:00:05"],
    ["Jan-02-20 10:00", "%b-%d-%y", "10:00:00"],
  ];
  for (const [value, format, time] of times) {
    it(`reads the time ${value}`, async () => {
      assert.equal((await load(dates(value))).date_format, format);
      assert.deepEqual(await table("ordered_at"), [[`2020-01-02 ${time}+00`]]);
    });
  }

  it("reads times without a zone, and days, in the shop's time zone", async () => {
    const zone = { timeZone: "America/Los_Angeles" };
    const inUtc: [string, string][] = [
      ["2024-01-01 17:23:09", "2024-01-02 01:23:09+00"],
      ["2024-01-01 17:23:09 -0500", "2024-01-01 22:23:09+00"],
      ["2024-01-01", "2024-01-01 08:00:00+00"],
      ["31.12.2023 17:00", "2024-01-01 01:00:00+00"],
      ["45292.5", "2024-01-01 20:00:00+00"],
      ["1704115389", "2024-01-01 13:23:09+00"],
    ];
    for (const [value, expected] of inUtc) {
      const { last_order_on } = await load(dates(value), zone);
      assert.deepEqual(await table("ordered_at"), [[expected]]);
      assert.equal(last_order_on, value.startsWith("31") ? "2023-12-31" : "2024-01-01");
    }
    const typed = await parquet("SELECT 1 AS customer, DATE '2024-01-01' AS date, 3 AS amount");
    await loadOrders(connection, { file: typed, ...zone });
    assert.deepEqual(await table("ordered_at"), [["2024-01-01 08:00:00+00"]]);
    // That midnight does not exist: clocks went from 23:59 to 01:00.
    const first = await load(dates("2018-11-04"), { timeZone: "America/Sao_Paulo" });
    assert.equal(first.first_order_on, "2018-11-04");
    await load(dates("2024-01-01"));
    assert.deepEqual(await table("ordered_at"), [["2024-01-01 00:00:00+00"]]);
  });

  it("reads times of a column in UTC as UTC, and its days as the shop's", async () => {
    for (const name of ["Created (UTC)", "created_at_utc", "Date GMT"]) {
      const read = (value: string) =>
        load(`customer;${name};amount\n1;${value};3\n`, {
          timeZone: "America/Los_Angeles",
          columns: { ordered_at: name },
        });
      assert.equal((await read("2020-01-02 03:00")).first_order_on, "2020-01-01");
      assert.deepEqual(await table("ordered_at"), [["2020-01-02 03:00:00+00"]]);
      assert.equal((await read("2020-01-02")).first_order_on, "2020-01-02");
    }
  });

  it("adds up lines of one order by the shop's day", async () => {
    const csv =
      "order_id,customer_id,date,amount\n1,a,2024-01-01T15:00:00-08:00,3\n1,a,2024-01-01T17:00:00-08:00,4\n";
    await load(csv, { timeZone: "America/Los_Angeles" });
    assert.deepEqual(await table("amount"), [[7]]);
  });

  it("recognizes day and month by the data", async () => {
    assert.equal((await load(dates("1/2/2020 8:26 PM", "12/13/2020 8:26 AM"))).date_format, "%m/%d/%Y");
    assert.deepEqual(await table("ordered_at"), [["2020-01-02 20:26:00+00"], ["2020-12-13 08:26:00+00"]]);
    assert.equal((await load(dates("1/2/2020", "13/12/2020"))).date_format, "%d/%m/%Y");
    assert.equal((await load(dates("2/2/2020", "3/3/2020"))).last_order_on, "2020-03-03");
    const yearFirst = Array.from({ length: 40 }, (_, i) => `${22 + (i % 3)}.${1 + (i % 12)}.${1 + (i % 28)}`);
    await fails(load(dates(...yearFirst)), "22.1.1 can be %d.%m.%y or %y.%m.%d", "--date-format %y.%m.%d");
    const { first_order_on } = await load(dates(...yearFirst), { dateFormat: "%y.%m.%d" });
    assert.equal(first_order_on, "2022-01-01");
    const yearLast = yearFirst.map((date) => date.split(".").reverse().join("."));
    assert.equal((await load(dates(...yearLast))).date_format, "%d.%m.%y");
    await fails(
      load(dates("2/2/2020", "3/4/2020")),
      "ambiguous: 3/4/2020",
      "--date-format %d/%m/%Y or --date-format %m/%d/%Y",
    );
    assert.equal(
      (await load(dates("3/4/2020 10:00"), { dateFormat: "%m/%d/%Y" })).first_order_on,
      "2020-03-04",
    );
    assert.equal((await load(dates("4 Mar 2020"), { dateFormat: "%d %b %Y" })).first_order_on, "2020-03-04");
  });

  it("uses the format of most dates, and makes the others NULL", async () => {
    assert.equal(
      (await load(dates("1/2/2020", "13/12/2020", "14/12/2020", "12/14/2020"))).date_format,
      "%d/%m/%Y",
    );
    assert.equal((await table("ordered_at"))[3]![0], null);
  });

  const numbers: [string[], string, unknown[]][] = [
    [["1.234,56"], ",", [1234.56]],
    [["1234,56"], ",", [1234.56]],
    [["1,234.56", "1,234"], ".", [1234.56, 1234]],
    [["1,234,567"], ".", [1234567]],
    [["1.234", "1.5"], ".", [1.234, 1.5]],
    [["0.125"], ".", [0.125]],
    [["$ 1,234.50", "-€5", "12.50 £"], ".", [1234.5, -5, 12.5]],
    [["1'234.50", "1\u202f234.50"], ".", [1234.5, 1234.5]],
    [["1e-3", "12,34", "7.25", "1.2.3"], ".", [0.001, null, 7.25, null]],
    [["1,09,520.00", "12,34,567", "5,50"], ".", [109520, 1234567, null]],
    [
      ["(12.50)", "12.50-", "−12.50", "($1,234.50)", "-$7.5", "–3", "— 4"],
      ".",
      [-12.5, -12.5, -12.5, -1234.5, -7.5, -3, -4],
    ],
    [["Rs.1,523.10/-", "５０．７７円"], ".", [1523.1, 50.77]],
    [["1,523.10 USD", "US$1,523.10", "Rs. 1,523", "CHF 1’523.10"], ".", [1523.1, 1523.1, 1523, 1523.1]],
    [["Rp1.250.000", "Rp 250,50", "S/ 12,5"], ",", [1250000, 250.5, 12.5]],
    [["R$ 1.523,10", "1 523,10 kr", "9,5 Euro", "EUR -3,25"], ",", [1523.1, 1523.1, 9.5, -3.25]],
    [["O00012", "12 pieces", "7.5"], ".", [null, null, 7.5]],
    [
      ["5 10", "12.50 345", "2024 500", "1 2345", "$ 1 234 567", "7.5"],
      ".",
      [null, null, null, null, 1234567, 7.5],
    ],
    [["25,-", "1.234,– €", "7,50", "5-"], ",", [25, 1234, 7.5, -5]],
    [["25.-", "CHF 1'234.--", "7.50"], ".", [25, 1234, 7.5]],
    [["1,141円", "1,234,567 円"], ".", [1141, 1234567]],
  ];
  for (const [values, decimal, expected] of numbers) {
    it(`reads the amounts ${values.join(" and ")}`, async () => {
      assert.equal((await load(amounts(...values))).decimal, decimal);
      assert.deepEqual((await table("amount")).flat(), expected);
    });
  }

  it("asks for the decimal sign when a number has two meanings", async () => {
    await fails(load(amounts("1,234", "5")), "ambiguous: 1,234", "--decimal . or --decimal ,");
    await fails(load(amounts("1.234")), "ambiguous: 1.234");
    await load(amounts("1,234"), { decimal: "," });
    assert.deepEqual(await table("amount"), [[1.234]]);
    await load(amounts("1,234"), { decimal: "." });
    assert.deepEqual(await table("amount"), [[1234]]);
    await fails(load(amounts("a", "b")), "Column amount", "for example a", "--columns amount=NAME");
    await fails(load(amounts("", " ")), "all are blank");
  });

  it("reads Parquet with its types", async () => {
    const file = await parquet(
      "SELECT 7 AS CustID, TIMESTAMP '2020-01-02 03:04:05' AS date, 1.234::DOUBLE AS amount, '1,5' AS qty",
    );
    await loadOrders(connection, {
      file,
      columns: { customer_id: "custid" },
      dateFormat: "%d/%m/%Y",
      decimal: ",",
    });
    assert.deepEqual(await table("customer_id, ordered_at, amount, quantity"), [
      ["7", "2020-01-02 03:04:05+00", 1.234, null],
    ]);
    const texts = await parquet(
      "SELECT encode('Zoë') AS customer, 20200102 AS date, '1,50' AS amount, 4::DOUBLE AS quantity",
    );
    const summary = await loadOrders(connection, { file: texts });
    assert.deepEqual([summary.date_format, summary.decimal], ["%Y%m%d", ","]);
    assert.deepEqual(await table("customer_id, amount, quantity"), [["Zoë", 1.5, "4"]]);
  });

  it("reads columns with types as it reads their texts", async () => {
    const all = "order_id, customer_id, ordered_at, amount, quantity";
    const rows = `SELECT * FROM (VALUES
      ('a1', 7, '2020-03-29 02:30:00', 0.1, 2), ('a2', NULL, '2024-12-31 23:59:59.5', 12.34, 3), ('a3', 8, NULL, NULL, NULL),
      ('a4', 8, '1850-01-01 00:00:00', 5, 1), ('a5', 9, '2020-01-01 00:00:00', -7, 0)
    ) AS t (order_id, customer_id, ordered_at, amount, quantity)`;
    const read = async (values: string): Promise<unknown[]> => {
      const { warnings } = await loadOrders(connection, {
        file: await parquet(`SELECT * REPLACE (${values}) FROM (${rows})`),
        timeZone: "Europe/Berlin",
      });
      // A typed time has no zone of its own, and the example of a date is shown as a time.
      const same = warnings.filter((warning) => !warning.startsWith("Times of another zone"));
      return [same.map((warning) => warning.replace(/, for example .*?\./, ".")), await table(all)];
    };
    for (const time of ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_MS", "DATE"])
      for (const number of ["DOUBLE", "FLOAT", "DECIMAL(18, 2)", "DECIMAL(38, 20)"]) {
        const [ordered, amount] = [`ordered_at::${time}`, `amount::${number}`];
        const typed = await read(`${ordered} AS ordered_at, ${amount} AS amount`);
        const texts = `${ordered}::VARCHAR AS ordered_at, ${amount}::VARCHAR AS amount, quantity::VARCHAR AS quantity`;
        assert.deepEqual(typed, await read(texts), `${time}, ${number}`);
      }
  });

  it("stores the rows in the file's order, with and without order ids", async () => {
    const rows =
      "SELECT 'o' || (500000 - range) AS order_id, range AS customer_id, DATE '2020-01-01' AS date";
    for (const id of ["order_id", "order_id AS note"]) {
      const file = await parquet(
        `SELECT * EXCLUDE order_id, ${id}, 3 AS amount FROM (${rows} FROM range(500000))`,
      );
      await loadOrders(connection, { file });
      const place = id === "order_id" ? "500000 - substr(order_id, 2)::INTEGER" : "order_id::INTEGER - 1";
      assert.deepEqual(
        await query(
          `SELECT count(*) FILTER (rowid = customer_id::INTEGER AND rowid = ${place}) FROM raw.orders`,
        ),
        [["500000"]],
      );
    }
  });

  it("reads UTF-16 and Windows-1252, plain and gzipped", async () => {
    const text = "Käufer,date,amount\nMüller–Smith,2020-01-01,€ 3\n";
    const utf16 = Buffer.from(`\ufeff${text}`, "utf16le");
    const windows = Buffer.from(text.replaceAll("–", "\x96").replaceAll("€", "\x80"), "latin1");
    for (const content of [utf16, Buffer.from(utf16).swap16(), windows, gzipSync(utf16), gzipSync(windows)]) {
      await load(content, { columns: { customer_id: "Käufer" } });
      assert.deepEqual(await table("customer_id, amount"), [["Müller–Smith", 3]]);
    }
    // Only a late row shows the encoding.
    await load(
      Buffer.from(`${amounts("1.5")}${"2;2020-01-01;2.5\n".repeat(50_000)}é;2020-01-01;3\n`, "latin1"),
    );
    assert.deepEqual(await query("SELECT count(*) FROM raw.orders WHERE customer_id = 'é'"), [["1"]]);
  });

  it("says which encoding it assumes, also when the file fails, and reads the one that is given", async () => {
    const cyrillic = Buffer.from([0xc0, 0xed, 0xed, 0xe0]);
    const windows1251 = Buffer.concat([
      Buffer.from("customer,date,amount\n"),
      cyrillic,
      Buffer.from(",2020-01-01,3\n"),
    ]);
    const { warnings } = await load(windows1251);
    assert.match(
      warnings[0]!,
      /not in UTF-8\. It is read as Windows-1252, for example Àííà\. .*--encoding windows-1250/,
    );
    await load(windows1251, { encoding: ordersOf({ encoding: "CP1251" }).encoding! });
    assert.deepEqual(await table("customer_id"), [["Анна"]]);
    // 顧客ID,注文日,金額 and 田中
    const shiftJis = Buffer.concat([
      Buffer.from("8cda8b714944", "hex"),
      Buffer.from(","),
      Buffer.from("928d95b693fa", "hex"),
      Buffer.from(","),
      Buffer.from("8be08a7a", "hex"),
      Buffer.from("\n"),
      Buffer.from("93639286", "hex"),
      Buffer.from(",2020/1/2,3\n"),
    ]);
    await fails(
      load(shiftJis),
      "has no column for customer_id",
      "--encoding windows-1250, windows-1251, shift_jis",
    );
    for (const content of [shiftJis, gzipSync(shiftJis)]) {
      const given = await load(content, { encoding: "shift_jis" });
      assert.deepEqual(await table("customer_id, ordered_at, amount"), [
        ["田中", "2020-01-02 00:00:00+00", 3],
      ]);
      assert.deepEqual(given.warnings, []);
    }
    await fails(load(shiftJis, { encoding: "euc-jp" }), "is not in the encoding euc-jp", "--encoding NAME");
    // Signs that all programs write, and UTF-8, are no reason for a warning.
    assert.deepEqual((await load(Buffer.from(amounts("3 \x80"), "latin1"))).warnings, []);
    assert.deepEqual(
      (await load("Käufer,date,amount\né,2020-01-01,3\n", { columns: { customer_id: "Käufer" } })).warnings,
      [],
    );
    await load(Buffer.from(amounts("4"), "utf16le"));
    await load(Buffer.from(amounts("4"), "utf16le").swap16());
    assert.deepEqual(await table("amount"), [[4]]);
    assert.throws(() => ordersOf({ encoding: "klingon" }), /--encoding klingon is not an encoding/);
  });

  it("reads lines of different ends, quotes of MySQL and blank lines above the names", async () => {
    const mixed = Array.from({ length: 4 }, (_, i) => `"${i}";2020-01-01;"1"${i % 2 === 0 ? "" : "\r"}\n`);
    await load(`customer_id;date;amount\n${mixed.join("")}`);
    assert.deepEqual(await query("SELECT sum(amount), count(*) FROM raw.orders"), [[4, "4"]]);
    await load('customer_id,date,amount,note\na,2020-01-01,2,"say \\"hi\\", there"\n');
    assert.deepEqual(await table("customer_id, amount"), [["a", 2]]);
    for (const end of ["\n", "\r\n"]) {
      await load(["", " ", "customer_id,date,amount", "a,2020-01-01,3"].join(end));
      assert.deepEqual(await table("customer_id, amount"), [["a", 3]]);
    }
  });

  it("reads quotation marks as letters between tabs, and warns of lines between two of them in CSV", async () => {
    const rows = ["x", '"Best" shirt', '"Big', "y", '27"', "z"].map(
      (item, i) => `${i},a,2020-01-0${i + 1},${i + 1},${item},`,
    );
    const csv = `order_id,customer_id,date,amount,item,note\n${rows.join("\n")}\n`;
    const ids = async () => (await table("order_id")).flat();
    const tabs = await load(csv.replaceAll(",", "\t"));
    assert.deepEqual([await ids(), tabs.warnings], [["0", "1", "2", "3", "4", "5"], []]);
    await load(csv.replaceAll(",", "\t").replace('"Best" shirt', "Best shirt"));
    assert.equal((await ids()).length, 6);
    // A line break in quotes, as Excel writes it.
    await load('customer_id\tdate\tamount\titem\n"a\nb"\t2020-01-01\t3\t"27"" ""x"""\n');
    assert.deepEqual(await table("customer_id, amount"), [["a\nb", 3]]);
    const { warnings } = await load(csv.replace('"Best" shirt', "Best shirt"));
    assert.deepEqual(await ids(), ["0", "1", "2", "5"]);
    assert.match(
      warnings.join(),
      /delimiters of rows: 1, for example Big, 3,a,2020-01-04,4,y, 4,a,.*Write it twice/,
    );
    // A note of several lines.
    for (const note of ["b,\nc, d", "b, c, d, e\nf, g"])
      assert.deepEqual((await load(`customer_id,date,amount,item\na,2020-01-01,3,"${note}"\n`)).warnings, []);
  });

  it("recognizes a file by its content, not by its name", async () => {
    for (const name of ["it's [1]*.csv", "orders.parquet", 'a "b".gz']) {
      await loadOrders(connection, { file: given(amounts("1"), name) });
      assert.deepEqual(await table("amount"), [[1]]);
    }
    // A name that is a pattern means only itself.
    given(amounts("1", "2"), "it's 1 more.csv");
    const { rows } = await loadOrders(connection, { file: join(folder, "it's [1]*.csv") });
    assert.equal(rows, 1);
    await loadOrders(connection, { file: given(gzipSync(amounts("2")), "zipped.csv") });
    assert.deepEqual(await table("amount"), [[2]]);
    await loadOrders(connection, {
      file: await parquet("SELECT 1 AS user_id, DATE '2020-01-01' AS date, 3 AS total", "p.csv"),
    });
    assert.deepEqual(await table("amount"), [[3]]);
  });

  it("keeps the delimiter of the header when the rows have more of another", async () => {
    await load("customer_id;date;amount\n1;2020-01-01;1,5\n2;2020-01-01,00:00;2,5\n");
    assert.deepEqual((await table("amount")).flat(), [1.5, 2.5]);
    const columns = { amount: 'in "EUR", , , , net' };
    await load('customer_id;date;"in ""EUR"", , , , net"\n1;2020-01-01;1,5\n', { columns });
    assert.deepEqual((await table("amount")).flat(), [1.5]);
  });

  it("describes what is wrong with a file", async () => {
    const loadFile = (file: string): Promise<unknown> => loadOrders(connection, { file });
    await fails(loadFile(join(folder, "none.csv")), "There is no file /none.csv", "Check the path");
    await fails(loadFile(folder), "is a folder");
    symlinkSync("loop.csv", join(folder, "loop.csv"));
    await fails(loadFile(join(folder, "loop.csv")), "can't be read: ELOOP");
    await fails(loadFile("/dev/null"), "not a regular file");
    await fails(load(""), "is empty");
    await fails(load(gzipSync("")), "is empty");
    await fails(load("\n\n"), "first line", "is empty");
    await fails(load("customer_id,date,amount\n"), "no orders");
    await fails(load(Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")), "binary file", "CSV");
    await fails(load(Buffer.from("504b0304140000000800", "hex")), "binary file", "unpack a zip file");
    await fails(load("<html><table><tr><td>customer_id,date,amount"), "is HTML or XML", "workbook as CSV");
    await fails(load(Uint8Array.from({ length: 999 }, (_, i) => (i * 197) % 256)), "binary file");
    const zipped = gzipSync(amounts(...Array.from({ length: 5000 }, (_, i) => String(i))));
    await fails(load(zipped.subarray(0, 5000)), "incomplete gzip file", "again");
    await fails(load(zipped.with(zipped.length - 6, zipped.at(-6)! ^ 1)), "damaged");
    const whole = readFileSync(await parquet("SELECT range AS customer_id FROM range(9999)"));
    await fails(load(whole.subarray(0, 500)), "can't be read as a table", "export it again");
    await fails(
      load(`${amounts("1")}2;2020-01-01;1;234\n`),
      "can't be read",
      "Line: 3",
      "2;2020-01-01;1;234",
    );
    await fails(load(`${amounts("1")}2;2020-01-01;"1\n3;2020-01-01;4\n`), "Line: 3", "unterminated quote");
    await fails(load(`${amounts("1")}2;2020-01-01;"1\n${"3;2020-01-01;4\n".repeat(999)}`), /^.{9,600}$/s);
    await fails(
      load(`${amounts("1")}2;2020-01-01;"${"x".repeat(3e6)}"\n`),
      /^.{9,600}$/s,
      "Maximum line size",
    );
    await fails(load(`a,${"b,".repeat(5000)}c\n`), "and 4962 others", /^.{99,999}$/s);
  });

  it("loads a damaged file, or says what is wrong with it", async () => {
    const orders = Array.from({ length: 40 }, (_, i) => ({
      customer: i % 7,
      date: "2020-01-02",
      total: i + 0.5,
    }));
    const text = `customer,date,total\n${orders.map((order) => Object.values(order).join()).join("\n")}\n`;
    const rows = "SELECT range % 7 AS customer, DATE '2020-01-02' AS date, 3.5 AS total FROM range(40)";
    const files = [
      ...[text, JSON.stringify(orders), orders.map((order) => JSON.stringify(order)).join("\n")].map(
        Buffer.from,
      ),
      ...[Buffer.from(`\ufeff${text}`, "utf16le"), gzipSync(text), readFileSync(await parquet(rows))],
    ];
    const pieces = [
      '"',
      ",",
      "\n",
      "\0",
      "{",
      "[",
      "9".repeat(400),
      "-1e999",
      "'; DROP TABLE raw.orders; --",
      "\xff",
    ];
    // At a place, so many bytes are replaced by a piece.
    const edit = fc.record({
      place: fc.noBias(fc.nat(9999)),
      bytes: fc.constantFrom(0, 0, 1, 1, 30, 9999),
      piece: fc.constantFrom("", ...pieces),
    });
    let loaded = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        async (file, edits) => {
          const damaged = edits.reduce((bytes, { place, bytes: removed, piece }) => {
            const at = place % bytes.length;
            const rest = bytes.subarray(Math.min(bytes.length, at + removed));
            return Buffer.concat([bytes.subarray(0, at), Buffer.from(piece, "latin1"), rest]);
          }, file);
          const error = await load(damaged).catch((thrown: unknown) => thrown);
          if (error instanceof Error) assert.ok(error instanceof UserError, formatError(error));
          else loaded += 1;
        },
      ),
      { numRuns: 60 },
    );
    assert.ok(loaded > 0);
  });

  it("names the missing column and the option to type", async () => {
    await fails(
      load("Date,Customer code,Updated at,Note,Sub total,Order total (net),Paid\n2020-01-01,1,3,4,5,6,7\n", {
        columns: { payment_method: "Paid" },
      }),
      "no column for customer_id, amount",
      "Date, Customer code, Updated at, Note, Sub total, Order total (net)",
      '--columns "payment_method=Paid,customer_id=Customer code,amount=Order total (net)"',
    );
    // A wrong example would be typed.
    await fails(
      load("parent_id,when,items,id\n1,2020-01-01,3,4\n"),
      "customer_id=NAME,ordered_at=NAME,amount=NAME",
    );
    for (const text of [
      "Sales report\n\ncustomer_id,date,amount\n",
      "Sales report,,\n,,\ncustomer_id,date,amount\n",
      "customer_id^date^amount\n1^2020-01-01^3\n",
    ])
      await fails(
        load(text),
        "names too few columns: ",
        "Remove the lines above it, or replace the delimiter",
      );
    await fails(
      load("customer_id,date,amount,amount\n1,2020-01-01,3,3\n"),
      "several columns named amount",
      "its own name",
    );
    await fails(
      load("customer_id,date,revenue,total\n1,2020-01-01,3,3\n"),
      "several columns that can be amount: revenue, total",
      "--columns amount=revenue or --columns amount=total",
    );
  });

  it("takes names that are less certain when there is no better one", async () => {
    const summary = await load("email,created_at,order_total\na@b.example,2020-01-01,3\n");
    assert.deepEqual(summary.columns, {
      customer_id: "email",
      ordered_at: "created_at",
      amount: "order_total",
    });
    const better = await load(
      "email,customer,created_at,date,total,order_total\na@b.example,1,2020-01-09,2020-01-01,3,4\n",
    );
    assert.deepEqual(better.columns, { customer_id: "customer", ordered_at: "date", amount: "total" });
  });

  it("recognizes names in other languages, and with signs", async () => {
    const headers = [
      ["Bestellnummer", "Kunde", "Bestelldatum", "Gesamtbetrag"],
      ["Nº de commande", "Client", "Date de commande", "Montant TTC (€)"],
      ["Bestell-Nr.", "Kunden-Nr.", "Belegdatum", "Betrag (€)"],
      ["N° commande", "N° client", "Date commande", "Montant"],
      ["Nº pedido", "Nº cliente", "Fecha pedido", "Importe"],
      ["Nr zamówienia", "Klient", "Data zamówienia", "Kwota"],
      ["Sipariş No", "Müşteri", "Tarih", "Tutar"],
      ["注文番号", "顧客ID", "注文日", "金額"],
      ["[order_id]", "\u200bcustomer_id", "'date'", "Total ($)"],
    ];
    for (const header of headers) {
      const { columns } = await load(`${header.join(";")}\n1;2;2020-01-03;4,50\n`);
      assert.deepEqual(Object.values(columns), header);
    }
    await fails(load("customer_id,date,Total %\n1,2020-01-01,3\n"), "no column for amount");
  });

  it("recognizes names with a currency when there is no other", async () => {
    for (const name of [
      "Total (EUR)",
      "amount_usd",
      "Betrag CHF",
      "Betrag in €",
      "Total\n(GBP)",
      "Total price - INR",
    ]) {
      const { columns } = await load(`customer_id;date;"${name}"\n1;2020-01-03;4.50\n`);
      assert.equal(columns.amount, name);
    }
    assert.equal(
      (await load("customer_id,date,total_usd,total\n1,2020-01-03,4,5\n")).columns.amount,
      "total",
    );
    await fails(
      load("customer_id,date,amount_eur,amount_usd\n1,2020-01-03,4,5\n"),
      "--columns amount=amount_eur or --columns amount=amount_usd",
    );
    await fails(load("customer_id,date,stotal\n1,2020-01-03,4\n"), "no column for amount");
  });

  it("follows --columns, and describes what is wrong in it", async () => {
    const csv = "client,date,price,total,other\n1,2020-01-01,3,6,2021-01-01\n";
    const given = { customer_id: "Client", amount: "total", ordered_at: "other" };
    assert.deepEqual((await load(csv, { columns: given })).columns, {
      customer_id: "client",
      amount: "total",
      ordered_at: "other",
    });
    assert.deepEqual(await table("ordered_at, amount"), [["2021-01-01 00:00:00+00", 6]]);
    // A given column is no candidate for the others.
    const { columns } = await load(csv, { columns: { customer_id: "client", payment_method: "total" } });
    assert.equal(columns.amount, "price");
    await fails(
      load(csv, { columns: { custmer_id: "client" } }),
      "no column custmer_id",
      "Did you mean customer_id?",
    );
    await fails(
      load(csv, { columns: { amount: "prize" } }),
      "no column prize",
      "--columns amount=price",
      "client, date",
    );
    await fails(
      load(csv, { columns: { amount: "total", quantity: "Total" } }),
      "total to both amount and quantity",
    );
  });

  it("names columns with commas so that the option works when it is typed", async () => {
    const csv = 'customer_id,date,"Total, net"\n1,2020-01-01,3\n';
    await fails(load(csv), '--columns "amount=Total, net"');
    const { columns } = ordersOf({ columns: "customer_id=customer_id,amount=Total, net" });
    assert.deepEqual(columns, { customer_id: "customer_id", amount: "Total, net" });
    await load(csv, { columns: columns! });
    assert.deepEqual(await table("amount"), [[3]]);
    await fails(
      load("customer_id,date,Total of all $\n1,2020-01-01,3\n"),
      "--columns 'amount=Total of all $'",
    );
  });

  it("requires unique names only of the columns that it reads", async () => {
    await load("note,customer_id,date,amount,note\nx,1,2020-01-01,3,y\n");
    assert.deepEqual(await table("customer_id, amount"), [["1", 3]]);
  });

  it("fails when the first line is an order", async () => {
    const csv = "O1,C1,2024-01-01 13:23:09,50.77\nO2,C2,2024-01-03 11:03:39,30.91\n";
    const columns = { customer_id: "C1", ordered_at: "2024-01-01 13:23:09", amount: "50.77" };
    await fails(load(csv, { columns }), "looks like an order", "Add a line with the names");
  });

  it("drops all kinds of blanks around ids, and .0 from whole ids", async () => {
    await load(
      "customer_id,date,amount\nC1,2020-01-01,3\n\u200bC1\t,2020-01-01,3\n\u00a0C1.0,2020-01-01,3\n",
    );
    assert.deepEqual((await table("customer_id")).flat(), ["C1", "C1", "C1.0"]);
    // What makes a spreadsheet keep an id as text.
    await load(`customer_id,date,amount\n"=""007""",2020-01-01,3\n'007,2020-01-01,3\n=7,2020-01-01,3\n`);
    assert.deepEqual((await table("customer_id")).flat(), ["007", "'007", "=7"]);
    await load(
      "email,date,amount\nA@b.example,2020-01-01,3\na@B.example,2020-01-01,3\nE\u0301,2020-01-01,3\nÉ,2020-01-01,3\n",
    );
    assert.deepEqual((await table("customer_id")).flat(), ["a@b.example", "a@b.example", "É", "É"]);
    const whole =
      "order_id,customer_id,date,amount\n1.0,17850.0,2020-01-01,3\n2,nan,2020-01-01,3\n3,17850,2020-01-01,3\n";
    await load(whole);
    assert.deepEqual(await table("order_id, customer_id"), [
      ["1", "17850"],
      ["2", "nan"],
      ["3", "17850"],
    ]);
  });

  it("reads objects in objects, and leaves lists of lines that are not asked for", async () => {
    const order = (customer: object | null) =>
      JSON.stringify({
        date: "2020-01-01",
        items: [{ sku: "x", price: 7 }],
        order: [1],
        totalPriceSet: { shopMoney: { amount: "12.5", currencyCode: "USD" } },
        customer,
      });
    const json = `${order({ id: "C1", address: { city: "x" } })}\n${order(null)}\n`;
    const amount = "totalPriceSet.shopMoney.amount";
    const { columns } = await load(json, { columns: { amount } });
    const currency = "totalPriceSet.shopMoney.currencyCode";
    assert.deepEqual(columns, { customer_id: "customer.id", ordered_at: "date", amount, currency });
    assert.deepEqual(await table("customer_id, amount"), [
      ["C1", 12.5],
      [null, 12.5],
    ]);
    await fails(
      load(json, { columns: { amount, quantity: "items" } }),
      "Column items",
      "several values in each row",
    );
  });

  it("reads the fields of a STRUCT as columns, and no lists", async () => {
    const order = "'2020-01-01' AS date, 3 AS amount";
    const struct = await parquet(`SELECT {'id': 'C1', 'orders_count': 7} AS customer, ${order}`);
    const { columns } = await loadOrders(connection, { file: struct });
    assert.equal(columns.customer_id, "customer.id");
    assert.deepEqual(await table("customer_id"), [["C1"]]);
    await fails(
      loadOrders(connection, { file: await parquet(`SELECT ['C1'] AS customer, ${order}`) }),
      "Column customer",
      "several values in each row (VARCHAR[])",
    );
  });

  it("multiplies a unit price by the quantity, unless there is an amount", async () => {
    const { warnings } = await load("customer,date,price,qty\n1,2020-01-01,0.1,3\n2,2020-01-01,2,x\n");
    assert.deepEqual((await table("amount")).flat(), [0.3, null]);
    assert.match(warnings.join(), /The amount is price times qty.*--columns amount=price/);
    // A return with a negative price and a negative quantity.
    await load("customer,date,price,qty\n1,2020-01-01,-2,-3\n1,2020-01-01,-2,3\n1,2020-01-01,2,-3\n");
    assert.deepEqual((await table("amount")).flat(), [-6, -6, -6]);
    await load("customer,date,price,qty\n1,2020-01-01,0.1,3\n", { columns: { amount: "price" } });
    assert.deepEqual((await table("amount")).flat(), [0.1]);
    await load("customer,date,price,qty,total\n1,2020-01-01,0.1,3,9\n");
    assert.deepEqual((await table("amount")).flat(), [9]);
    await load("customer,date,price\n1,2020-01-01,0.1\n");
    assert.deepEqual((await table("amount")).flat(), [0.1]);
  });

  const lines: Record<string, [string[], unknown[][], RegExp]> = {
    "adds up lines of one order": [
      ["1,a,2020-01-01,2,x", "1,a,2020-01-01,3,y", "2,a,2020-01-01,4,x"],
      [
        ["1", "a", 5],
        ["2", "a", 4],
      ],
      /^Orders with several rows of different amounts: 1\. The amounts are added up\. If the rows are versions of an order, keep only the last one\.$/,
    ],
    "adds up equal amounts, too, in a file with lines": [
      ["1,a,2020-01-01,2,x", "1,a,2020-01-01,3,y", "2,a,2020-01-01,4,x", "2,a,2020-01-01,4,y"],
      [
        ["1", "a", 5],
        ["2", "a", 8],
      ],
      /several rows of the same amount: 1\. The amounts are added up/,
    ],
    "counts the total of an order once when all its rows repeat it": [
      ["1,a,2020-01-01,5,x", "1,a,2020-01-01,5,y", "2,a,2020-01-01,4,x"],
      [
        ["1", "a", 5],
        ["2", "a", 4],
      ],
      /^Orders with several rows of the same amount: 1\. The amount counts once.* give --lines: they are added up\.$/,
    ],
    "counts equal rows once": [
      ["1,a,2020-01-01,5,x", "2,a,2020-01-01,4,x", "1,a,2020-01-01,5,x"],
      [
        ["1", "a", 5],
        ["2", "a", 4],
      ],
      /^Rows that are equal to another row in all columns: 1\. They count once\.$/,
    ],
    "counts equal lines once": [
      ["1,a,2020-01-01,2,x", "1,a,2020-01-01,3,y", "1,a,2020-01-01,2,x"],
      [["1", "a", 5]],
      /added up\. If .*\.\nRows that are equal to another row in all columns: 1\. They count once\.$/,
    ],
    "keeps other customers and days of one order id": [
      ["1,a,2020-01-01,5,x", "1,b,2020-01-01,5,x", "1,a,2020-01-02,5,x"],
      [
        ["1", "a", 5],
        ["1", "b", 5],
        ["1", "a", 5],
      ],
      /^$/,
    ],
    "completes rows of an order from its other rows": [
      ["1,a,2020-01-01,5,x", "1,,,,y", "2,,2020-01-01,4,x"],
      [
        ["1", "a", 5],
        ["2", null, 4],
      ],
      /^$/,
    ],
    "has no amount for an order with a line that is not a number": [
      ["1,a,2020-01-01,5,x", "1,a,2020-01-01,?,y"],
      [["1", "a", null]],
      /^Amounts of column amount that can't be read: 1, for example \?\. These rows are set aside\.$/,
    ],
    "keeps rows without order id apart": [
      [",a,2020-01-01,5,x", ",a,2020-01-01,6,x", ",,2020-01-01,7,x"],
      [
        [null, "a", 5],
        [null, "a", 6],
        [null, null, 7],
      ],
      /^$/,
    ],
  };
  for (const [title, [given, expected, warning]] of Object.entries(lines)) {
    it(title, async () => {
      const { warnings } = await load(["order_id,customer_id,date,amount,item", ...given].join("\n"));
      assert.deepEqual(await table("order_id, customer_id, amount"), expected);
      assert.match(warnings.join("\n"), warning);
    });
  }

  it("adds up lines of equal amounts when it is asked to", async () => {
    const text = "order_id,customer_id,date,amount,item\n1,a,2020-01-01,5,x\n1,a,2020-01-01,5,y\n";
    const { warnings } = await load(text, { lines: true });
    assert.deepEqual(await table("amount"), [[10]]);
    assert.deepEqual(warnings, ["Orders with several rows of the same amount: 1. The amounts are added up."]);
  });

  it("warns of equal rows without order ids, and counts them", async () => {
    const { warnings } = await load("customer_id,date,amount\na,2020-01-01,3\na,2020-01-01,3\n");
    assert.equal((await table()).length, 2);
    assert.match(
      warnings.join(),
      /equal to another row in all columns: 1\..* they count as orders.*remove them/,
    );
  });

  it("warns of totals that rows without order ids may repeat", async () => {
    const csv =
      "bon,customer_id,date,total,sku\n1,a,2024-01-01 10:00,11,x\n1,a,2024-01-01 10:00,11,y\n2,b,2024-01-02,7,x\n";
    assert.match(
      (await load(csv)).warnings.join("\n"),
      /^Rows with the customer, time and amount of another row, which differ in other columns: 1\. .*added up\..*--columns order_id=NAME\.$/,
    );
    await load(csv, { columns: { order_id: "bon" } });
    assert.deepEqual((await table("amount")).flat(), [11, 7]);
    assert.deepEqual((await load(csv, { lines: true })).warnings, []);
    // Few are chance: someone buys the same again.
    const others = Array.from({ length: 100 }, (_, i) => `${i},c${i % 50},2024-02-01,${i},z\n`).join("");
    assert.deepEqual((await load(csv + others)).warnings, []);
  });

  it("adds up invoice lines of unit price times quantity", async () => {
    const { columns, warnings } = await load(
      [
        "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "1,A,2,1/13/2024 13:23,2.5,7,UK",
        "1,B,1,1/13/2024 13:23,5,7,UK",
        "C2,A,-2,1/14/2024 13:23,2.5,7,UK",
      ].join("\n"),
    );
    assert.equal(columns.unit_price, "UnitPrice");
    assert.deepEqual(await table("order_id, customer_id, amount, quantity"), [
      ["1", "7", 10, "3"],
      ["C2", "7", -5, "-2"],
    ]);
    assert.match(warnings.join("\n"), /several rows of the same amount: 1\. The amounts are added up/);
  });

  const exports: Record<string, [string, string, unknown[][]]> = {
    "UCI Online Retail": [
      "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
      "536365,85123A,X,6,12/1/2010 8:26,2.55,17850,United Kingdom\nC536379,D,Discount,-1,12/13/2010 9:41,27.5,14527,United Kingdom",
      [
        ["536365", "17850", "2010-12-01 08:26:00+00", 15.3],
        ["C536379", "14527", "2010-12-13 09:41:00+00", -27.5],
      ],
    ],
    "UCI Online Retail (II)": [
      "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country",
      "489434,85048,X,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom",
      [["489434", "13085", "2009-12-01 07:45:00+00", 83.4]],
    ],
    "Shopify orders": [
      "Name,Email,Financial Status,Currency,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price",
      "#1,a@b.example,paid,EUR,9.5,2024-01-01 13:23:09 -0500,1,X,4\n#1,a@b.example,,,,2024-01-01 13:23:09 -0500,1,Y,5.5",
      [["#1", "a@b.example", "2024-01-01 18:23:09+00", 9.5]],
    ],
    "WooCommerce orders": [
      "Order Number,Order Status,Order Date,Email (Billing),Order Total Amount,Customer User",
      "7,Completed,2024-01-01 13:23,a@b.example,9.5,0",
      [["7", "a@b.example", "2024-01-01 13:23:00+00", 9.5]],
    ],
    "Magento orders": [
      "ID,Purchase Point,Purchase Date,Bill-to Name,Grand Total (Base),Grand Total (Purchased),Status,Customer Email,Customer Name",
      '000001,Main,"Jan 1, 2024 1:23:09 PM",X,9.5,9.5,Complete,a@b.example,X',
      [["000001", "a@b.example", "2024-01-01 13:23:09+00", 9.5]],
    ],
    "Stripe payments": [
      "id,Description,Seller Message,Created (UTC),Amount,Amount Refunded,Currency,Converted Amount,Converted Amount Refunded,Fee,Converted Currency,Status,Customer ID,Customer Email",
      'ch_1,X,ok,2024-01-01 13:23,"1,20","0,00",usd,"1,10","0,00","0,1",eur,Paid,cus_1,a@b.example',
      [["ch_1", "cus_1", "2024-01-01 13:23:00+00", 1.1]],
    ],
    "Stripe charges of the API": [
      "id,object,amount,amount_refunded,currency,created,customer,status",
      "ch_1,charge,1999,0,usd,1704115389,cus_1,succeeded\nch_2,charge,500,0,jpy,1704115389,cus_1,succeeded\nch_3,charge,5120,0,kwd,1704115389,cus_1,succeeded",
      [
        ["ch_1", "cus_1", "2024-01-01 13:23:09+00", 19.99],
        ["ch_2", "cus_1", "2024-01-01 13:23:09+00", 500],
        ["ch_3", "cus_1", "2024-01-01 13:23:09+00", 5.12],
      ],
    ],
    "Stripe payment intents of the API": [
      "id,object,amount,amount_received,currency,created,customer,status",
      "pi_1,payment_intent,1999,1999,usd,1704115389,cus_1,succeeded",
      [["pi_1", "cus_1", "2024-01-01 13:23:09+00", 19.99]],
    ],
    "Stripe invoices of the API": [
      "id,object,amount_due,amount_paid,total,currency,created,customer,status",
      "in_1,invoice,1999,1500,1999,usd,1704115389,cus_1,paid",
      [["in_1", "cus_1", "2024-01-01 13:23:09+00", 15]],
    ],
    "Stripe checkout sessions of the API": [
      "id,object,amount_subtotal,amount_total,currency,created,customer,status",
      "cs_1,checkout.session,1899,1999,usd,1704115389,cus_1,complete",
      [["cs_1", "cus_1", "2024-01-01 13:23:09+00", 19.99]],
    ],
    "Razorpay payments of the API": [
      "id,entity,amount,currency,status,order_id,amount_refunded,email,created_at",
      "pay_1,payment,199900,INR,captured,o1,0,a@b.example,1704115389",
      [["pay_1", "a@b.example", "2024-01-01 13:23:09+00", 1999]],
    ],
    "Stripe balance": [
      "balance_transaction_id,created_utc,created,currency,gross,fee,net,reporting_category,customer_email",
      "txn_1,2024-01-01 13:23:09,2024-01-01 08:23:09,usd,1999,30,1969,charge,a@b.example",
      [["txn_1", "a@b.example", "2024-01-01 13:23:09+00", 1999]],
    ],
    "Square transactions": [
      "Date,Time,Gross Sales,Net Sales,Total Collected,Transaction ID,Event Type,Customer ID,Customer Name",
      '01/31/2024,13:23:09,$1.00,$1.00,"$1,002.50",T1,Payment,C1,Ann',
      [["T1", "C1", "2024-01-31 00:00:00+00", 1002.5]],
    ],
    "PayPal activity": [
      "Date,Time,Name,Type,Status,Currency,Gross,Fee,Net,From Email Address,To Email Address,Transaction ID",
      '01/31/2024,13:23:09,Ann,Payment,Completed,USD,"1,002.50",-1,"1,001.50",A@b.example,s@b.example,T1',
      [["T1", "a@b.example", "2024-01-31 00:00:00+00", 1002.5]],
    ],
    "PayPal activity (German)": [
      "Datum,Uhrzeit,Name,Typ,Status,Währung,Brutto,Gebühr,Netto,Absender E-Mail-Adresse,Transaktionscode",
      '31.01.2024,13:23:09,Ann,Zahlung,Abgeschlossen,EUR,"1.002,50","-1,00","1.001,50",a@b.example,T1',
      [["T1", "a@b.example", "2024-01-31 00:00:00+00", 1002.5]],
    ],
    "Etsy orders": [
      "Sale Date,Order ID,Buyer User ID,Full Name,Order Value,Order Total,Order Net,Buyer",
      "01/31/24,7,ann,Ann,9,9.5,8,ann",
      [["7", "ann", "2024-01-31 00:00:00+00", 9.5]],
    ],
    "Amazon orders": [
      "order-id\tpurchase-date\tbuyer-email\tsku\tquantity-purchased\tquantity\titem-price",
      "1-2\t2024-01-01T13:23:09+00:00\ta@m.example\tx\t2\t2\t5\n1-2\t2024-01-01T13:23:09+00:00\ta@m.example\ty\t2\t2\t5",
      [["1-2", "a@m.example", "2024-01-01 13:23:09+00", 10]],
    ],
    "Olist orders": [
      "order_id,customer_id,order_status,order_purchase_timestamp,payment_sequential,payment_type,payment_value,customer_unique_id",
      "o1,c1,delivered,2017-10-02 10:56:33,1,voucher,18.12,u1\no1,c1,delivered,2017-10-02 10:56:33,2,credit_card,20.00,u1",
      [["o1", "u1", "2017-10-02 10:56:33+00", 38.12]],
    ],
  };
  for (const [name, [header, rows, expected]] of Object.entries(exports)) {
    it(`recognizes an export of ${name}`, async () => {
      const summary = await load(`${header}\n${rows}\n`);
      assert.deepEqual(await table(), expected);
      assert.match(
        describeOrders(summary),
        new RegExp(`read as ${name.replace(/ \(.*/, "")} \\(.*customer_id is `),
      );
    });
  }

  it("reads amounts in cents by the name of their column, unless one has a fraction", async () => {
    const cents =
      "customer_id,date,total_cents,currency,refunded_amount\n1,2020-01-01,1250,EUR,2\n1,2020-01-02,900,JPY,0\n";
    const columns = { amount: "total_cents" };
    const { warnings } = await load(cents, { columns, refunds: "net" });
    assert.deepEqual((await table("amount")).flat(), [12.5, -2, 900]);
    assert.match(warnings[0]!, /column total_cents are read as the smallest unit .* the largest is 900\.00/);
    const fraction = await load(cents.replace("1250", "12.5"), { columns });
    assert.deepEqual((await table("amount")).flat(), [12.5, 900]);
    assert.doesNotMatch(fraction.warnings.join(), /smallest unit/);
    for (const name of ["amountInCents", "price_minor", "centAmount", "AMOUNT_CENTS", "Betrag (Cent)"]) {
      await load(`customer_id,date,${name}\n1,2020-01-01,1250\n`, { columns: { amount: name } });
      assert.deepEqual(await table("amount"), [[12.5]], name);
    }
    await load("customer_id,date,percentage\n1,2020-01-01,1250\n", { columns: { amount: "percentage" } });
    assert.deepEqual(await table("amount"), [[1250]]);
    const square = {
      created_at: "2024-01-01T13:23:09Z",
      customer_id: "C1",
      amount_money: { amount: 1250, currency: "USD" },
    };
    assert.equal((await load(JSON.stringify(square))).format, "Square payments of the API");
    assert.deepEqual(await table("amount"), [[12.5]]);
  });

  it("reads CDNOW's own layout", async () => {
    await load(" 00001 19970101  1   11.77\n 00002 19970112 12   77.00\n");
    assert.deepEqual(await table("customer_id, ordered_at, amount, quantity"), [
      ["00001", "1997-01-01 00:00:00+00", 11.77, "1"],
      ["00002", "1997-01-12 00:00:00+00", 77, "12"],
    ]);
    await load(" 00004 0001 19970101  2   29.33\r\n 00004 0001 19970118  2   29.73\r\n");
    assert.deepEqual(await table("customer_id, amount"), [
      ["00004", 29.33],
      ["00004", 29.73],
    ]);
  });

  it("reads JSON lines and a JSON array, plain and gzipped, with times as they are written", async () => {
    const orders = [
      { id: 1, customer: { id: "C1" }, date: "2024-01-01T22:00:00-05:00", total: 12.5, "a,b": null },
      { id: 2, customer: { id: "C2" }, date: "2024-01-03T01:00:00+02:00", total: 7 },
    ];
    const lines = orders.map((order) => JSON.stringify(order)).join("\n");
    const columns = { order_id: "id" };
    for (const content of [lines, JSON.stringify(orders, null, 2), gzipSync(lines)]) {
      await load(content, { columns });
      assert.deepEqual(await table(), [
        ["1", "C1", "2024-01-02 03:00:00+00", 12.5],
        ["2", "C2", "2024-01-02 23:00:00+00", 7],
      ]);
    }
    await fails(load('{"customer": 1, "date"'), "can't be read as a table");
    await fails(load(JSON.stringify({ data: orders, has_more: false })), "one JSON object", "by jq .data ");
    for (const content of ["[]", "{}", `${JSON.stringify(orders)}\n${JSON.stringify(orders)}\n`])
      await fails(load(content), "JSON, but not with an object for each order", "one array of objects");
  });

  it("keeps long numbers of JSON as ids", async () => {
    const order = (id: string) =>
      `{"customer": {"id": ${id}}, "date": "2020-01-01", "total": 1.10, "n": ${id}}`;
    const json = `${order("98765432109876500001")}\n${order("98765432109876500002")}\n${order("7.0")}\n`;
    await load(json, { columns: { order_id: "n" } });
    assert.deepEqual(await table("order_id, customer_id, amount"), [
      ["98765432109876500001", "98765432109876500001", 1.1],
      ["98765432109876500002", "98765432109876500002", 1.1],
      ["7", "7", 1.1],
    ]);
  });

  it("takes the delimiter of Excel's first line sep=", async () => {
    await load("sep=;\r\ncustomer,date,x;date;amount\r\n1;2020-01-01;3,5\r\n", {
      columns: { customer_id: "customer,date,x" },
    });
    assert.deepEqual(await table("customer_id, amount"), [["1", 3.5]]);
  });

  it("reads rows with the values of --where only, and shows the values when no row has them", async () => {
    const csv =
      "order_id,customer_id,date,amount,Financial Status,Land\n1,a,2020-01-01,4,Paid,DE\n2,b,2020-01-02,3,refunded,DE\n3,c,2020-01-03,5,paid ,FR\n4,d,2020-01-04,6,,FR\n";
    const where = (...conditions: string[]) => ordersOf({ where: conditions }).where!;
    const ids = async () => (await table("order_id")).flat();
    const { warnings } = await load(csv, { where: where("financial status=paid") });
    assert.deepEqual(await ids(), ["1", "3"]);
    assert.deepEqual(warnings, ["Rows that --where leaves out (Financial Status is paid in the others): 2."]);
    await load(csv, { where: where("Financial Status=paid", "financial status=refunded", "Land=DE") });
    assert.deepEqual(await ids(), ["1", "2"]);
    await fails(
      load(csv, { where: where("Financial Status=payed") }),
      "No row of",
      "Financial Status is payed",
      "Financial Status has: Paid, paid, refunded.",
    );
    await fails(load(csv, { where: where("Financial State=paid") }), '--where "Financial Status=paid"');
    await fails(load(csv, { where: where("Land=") }), "Land is blank", "Land has: DE, FR.");
    assert.throws(() => where("paid"), /--where paid: it is not a column and a value/);
  });

  it("warns of several statuses and currencies, with figures and a filter that works", async () => {
    const csv =
      'customer_id,date,amount,Order Status,Currency\na,2020-01-01,40,completed,EUR\nb,2020-01-02,3,cancelled,EUR\nc,2020-01-03,50,completed,"USD"\n';
    const { warnings } = await load(csv);
    assert.deepEqual(warnings, [
      'The orders have several statuses: completed 2 (90.00), cancelled 1 (3.00). All count as orders. To keep one: --where "Order Status=completed".',
      "The orders have several currencies: EUR 2 (43.00), USD 1 (50.00). Their amounts are added up without conversion. To keep one: --where Currency=EUR.",
    ]);
    const where = ordersOf({ where: ["Order Status=completed", "Currency=EUR"] }).where!;
    assert.deepEqual((await load(csv, { where })).warnings.length, 1);
    assert.deepEqual((await table("customer_id")).flat(), ["a"]);
    const inAmounts = await load(amounts("12.50 USD", "€ 7.5", "9.5 USD"));
    assert.match(
      inAmounts.warnings.join(),
      /several currencies: USD 2 \(22\.00\), € 1 \(7\.50\)\. .*conversion\.$/,
    );
    assert.deepEqual((await load(amounts("1e-3", "2E-3", "7.5"))).warnings, []);
    const object = (currency: string) =>
      `{"customer":"a","date":"2020-01-01","currency":"EUR","total":{"shop":{"amount":"3.5","currencyCode":"${currency}"}}}\n`;
    const { warnings: inObjects } = await load(object("EUR") + object("USD"), {
      columns: { amount: "total.shop.amount" },
    });
    assert.match(
      inObjects.join("\n"),
      /several currencies: EUR 1 .* USD 1 .*--where total\.shop\.currencyCode=EUR/,
    );
  });

  it("warns of each column with statuses, also of flags and of times, with a filter that works", async () => {
    const csv =
      "order_id,customer_id,date,amount,payment_status,Estado,refunded,is_test,Cancelled at,deleted_at\n1,a,2020-01-01,40,paid,enviado,No,0,,NULL\n2,b,2020-01-02,3,paid,cancelado,No,0,2020-01-03 10:00,NULL\n3,c,2020-01-03,50,paid,enviado,Yes,1,,2020-01-09\n";
    const { warnings } = await load(csv);
    assert.deepEqual(warnings, [
      "The orders have several statuses: enviado 2 (90.00), cancelado 1 (3.00). All count as orders. To keep one: --where Estado=enviado.",
      "The orders have several statuses: No 2 (43.00), Yes 1 (50.00). All count as orders. To keep one: --where refunded=No.",
      "The orders have several statuses: 0 2 (43.00), 1 1 (50.00). All count as orders. To keep one: --where is_test=0.",
      'Orders with a time in column Cancelled at: 1 (3.00). They count as orders. To leave them out: --where "Cancelled at=".',
      "Orders with a time in column deleted_at: 1 (50.00). They count as orders. To leave them out: --where deleted_at=NULL.",
    ]);
    const filters = ordersOf({ where: ["Cancelled at=", "deleted_at=NULL"] }).where!;
    const filtered = await load(csv, { where: filters });
    assert.deepEqual(filtered.warnings, [
      "Rows that --where leaves out (Cancelled at is blank and deleted_at is NULL in the others): 2.",
    ]);
    assert.deepEqual((await table("order_id")).flat(), ["1"]);
    // The states of a country are no statuses.
    const states = Array.from({ length: 21 }, (_, i) => `a,2020-01-01,${i},s${i}`).join("\n");
    assert.deepEqual((await load(`customer_id,date,amount,state\n${states}\n`)).warnings, []);
  });

  it("subtracts refunds of a column as orders of negative amount, or shows them", async () => {
    const csv =
      "order_id,customer_id,date,amount,Refunded Amount\n1,a,2020-01-01,40,0.00\n2,b,2020-01-02,30,30\n3,c,2020-01-03,50,-5.5\n";
    assert.deepEqual((await load(csv)).warnings, [
      "Refunds in column Refunded Amount: 35.50 of 2 orders. They are not subtracted. To subtract them: --refunds net.",
    ]);
    assert.equal((await table()).length, 3);
    const one =
      "order_id,customer_id,date,amount,Refunded Amount\n1,a,2020-01-01,40,0\n2,b,2020-01-02,30,1\n";
    await load(one, { refunds: "net" });
    assert.deepEqual((await table("amount")).flat(), [40, 30, -1]);
    assert.match((await load(csv, { refunds: "net" })).warnings.join(), /They are subtracted\.$/);
    assert.deepEqual((await table("order_id, customer_id, amount")).sort(), [
      ["1", "a", 40],
      ["2", "b", -30],
      ["2", "b", 30],
      ["3", "c", -5.5],
      ["3", "c", 50],
    ]);
    await load(csv.replaceAll(/^[^,]*,/gm, ""), { refunds: "net" });
    assert.equal((await table()).length, 5, "without order ids, too");
  });

  it("warns of rounded ids, of quantities that it can't read, and of days in two orders", async () => {
    const rounded =
      "order_id,customer_id,date,amount\n1,1.23E+12,2020-01-01,3\n2,1.23E+12,2020-01-02,4\n3,1E5,2020-01-02,4\n";
    assert.match(
      (await load(rounded)).warnings.join(),
      /^Ids of column customer_id that a program wrote as rounded numbers: 2, for example 1\.23E\+12\./,
    );
    const float = await parquet("SELECT 1e17::DOUBLE AS customer, DATE '2020-01-01' AS date, 3 AS amount");
    assert.match((await loadOrders(connection, { file: float })).warnings.join(), /rounded numbers: 1,/);
    const items = "customer,date,price,items\na,2020-01-01,3,2\nb,2020-01-01,3,shoes\nc,2020-01-01,3,\n";
    assert.match(
      (await load(items)).warnings.join("\n"),
      /Quantities of column items that can't be read: 2, for example (shoes|a blank)\..*--columns amount=price/,
    );
    const days = ["12/31/2020", "12/30/2020", "1/2/2020", "31/12/2020", "soon"];
    assert.match(
      (await load(dates(...days))).warnings.join("\n"),
      /can't be read: 2, .*\nOf these dates, 1 are in the format %d\/%m\/%Y\..*exchanged/,
    );
  });

  it("warns of what it can't read, of other time zones and of customers that are orders", async () => {
    const odd = await load(`${dates("2020-01-02", "soon")}2;2020-01-02;?\n`);
    assert.match(odd.warnings[0]!, /^Dates of column date that can't be read: 1, for example soon\./);
    assert.match(odd.warnings[1]!, /^Amounts of column amount that can't be read: 1, for example \?\./);
    const west = dates("2020-01-02 17:00:00 -0800", "2020-01-03T10:00:00-08:00");
    const [zone] = (await load(west)).warnings;
    assert.match(zone!, /another zone than UTC .* another day there: 1 of 2\..*--shop-time-zone/);
    assert.deepEqual((await load(west, { timeZone: "America/Los_Angeles" })).warnings, []);
    assert.match((await load(dates("2020-01-02 23:00:00 EST"))).warnings[0]!, /another day there: 1 of 1\./);
    assert.deepEqual((await load(dates("2020-01-02 23:00:00 UTC"), { timeZone: "Asia/Tokyo" })).warnings, []);
    assert.deepEqual((await load(dates("2020-01-02T23:00:00Z"), { timeZone: "Asia/Tokyo" })).warnings, []);
    const few = Array.from({ length: 101 }, (_, i) => `o${i},c${i % 2},2020-01-01,${i + 1}`);
    const staff = await load(["order_id,customer_id,date,amount", ...few].join("\n"));
    assert.match(
      staff.warnings.join(),
      /^The 101 orders have only 2 customers\. .*--columns customer_id=NAME\.$/,
    );
    assert.deepEqual(
      (await load(["order_id,customer_id,date,amount", ...few.slice(1)].join("\n"))).warnings,
      [],
    );
    const rows = Array.from({ length: 100 }, (_, i) => `o${i},c${i},2020-01-01,${i}`);
    const own = await load(["order_id,customer_id,date,amount", ...rows].join("\n"));
    assert.match(
      own.warnings.join(),
      /^Each of the 100 orders has a customer of its own.*--columns customer_id=/,
    );
  });

  it("does not let a date in the future or before 1971 move the first and last day, and warns", async () => {
    const days = dates("2062-01-01", "2020-01-02", "2020-03-04", "1970-01-01", "1900-01-01");
    const { first_order_on, last_order_on, warnings } = await load(days);
    assert.deepEqual([first_order_on, last_order_on], ["2020-01-02", "2020-03-04"]);
    assert.match(warnings.join("\n"), /dated after today: 1\..*\n.* before 1971.*: 2\./);
    await fails(load(dates("2062-01-01", "1970-01-01")), "no date from 1971 to today");
    const late = await load(dates("2020-01-02", "2020-03-04", "2021-03-06", "2021-03-06"));
    assert.equal(late.last_order_on, "2020-03-04");
    assert.match(late.warnings[0]!, /^The last orders are of 2021-03-06, 367 days after .*--run-date/);
    assert.equal((await load(dates("2020-01-02", "2020-03-04", "2021-03-05"))).last_order_on, "2021-03-05");
  });

  it("warns of names, of customers that are nobody, and of columns with the kind of a sale", async () => {
    const sales =
      "customer,date,total,Sale Type\nAnn B. Lee,2020-01-01,3,Sale\nZoë O'Hara,2020-01-01,4,Return\nWalk-in Customer,2020-01-01,5,Sale\n";
    const { warnings } = await load(sales);
    const text = warnings.join("\n");
    assert.match(
      text,
      /^Rows of the customer Walk-in Customer and the like: 1\. .*--guests "Walk-in Customer"\.$/m,
    );
    assert.match(text, /customers of column customer are names, like .* Two persons of one name/);
    assert.match(text, /several statuses: Sale 2 \(8\.00\), Return 1 \(4\.00\)\. .*--where "Sale Type=Sale"/);
    const german = "Kunde;Belegart;Datum;Betrag\n7;Rechnung;05.01.2024;50,00\n7;Gutschrift;16.01.2024;5,00\n";
    assert.match(
      (await load(german)).warnings.join(),
      /several statuses: Gutschrift 1 \(5\.00\), Rechnung 1/,
    );
    for (const test of [
      "test@shop.example",
      "QA+1@shop.example",
      "Test Customer",
      "a@example.com",
      "test2",
      "Grand Total",
      "Ann Total",
      "Summe",
    ])
      assert.match(
        (await load(`customer,date,total\n${test},2020-01-01,3\n`)).warnings.join(),
        RegExp(`customer ${RegExp.escape(test.includes("@") ? test.toLowerCase() : test)} and the like: 1`),
      );
    const { warnings: none } = await load(
      "customer,date,total\nTestino 1,2020-01-01,3\nTotally Ltd 1,2020-01-01,3\ncontest@b.example,2020-01-01,3\nC 1,2020-01-01,3\nann@b.example,2020-01-01,3\n",
    );
    assert.deepEqual(none, []);
  });

  it("warns of guests with an e-mail address, and of many orders of nothing", async () => {
    const csv =
      "order_id,customer_id,email_opt_in,Email (Billing),date,amount\n1,7,1,a@b.example,2020-01-01,4\n2,,1,c@d.example,2020-01-02,0\n3,0,1,e@f.example,2020-01-02,3\n4,\\N,1,,2020-01-02,0.00\n";
    assert.deepEqual((await load(csv)).warnings, [
      'Orders without a customer in column customer_id, or with 0: 3 of 4. If guests give an e-mail address, read it as the customer: --columns "customer_id=Email (Billing)".',
      "Orders of amount 0: 2 of 4. They count as purchases. If they are samples, replacements or cancelled, remove them from the file.",
    ]);
    const { warnings } = await load(csv.replaceAll(/,0(\.00)?\n/g, ",5\n"), {
      columns: { customer_id: "Email (Billing)" },
    });
    assert.deepEqual(warnings, []);
    // Few are gifts.
    const one = Array.from({ length: 20 }, (_, i) => `c${i},2020-01-01,${i}\n`).join("");
    assert.deepEqual((await load(`customer_id,date,amount\n${one}`)).warnings, []);
  });

  it("leaves out guests", async () => {
    const csv = "customer_id,date,amount\na,2020-01-01,4\n0,2020-01-02,3\n";
    const { warnings, last_order_on } = await load(csv, { guests: ["0", "-"] });
    assert.deepEqual(await table("customer_id, amount"), [["a", 4]]);
    assert.equal(last_order_on, "2020-01-02", "their orders show when the log ends");
    assert.match(warnings.join(), /guests \(customer 0, -\) that are left out: 1\./);
  });

  it("fails without dates, and leaves the old table", async () => {
    await load(amounts("42"));
    await fails(
      load(dates("soon", "later")),
      "Column date",
      "no date in a known format (for example",
      "--date-format",
    );
    await fails(load(dates("", " ")), "all are blank");
    await fails(
      load(dates("2020-01-02"), { dateFormat: "%d.%m.%Y" }),
      "from 1971 to today in the format %d.%m.%Y",
      "2020-01-02",
    );
    await fails(load(dates("2020-01-02 99:99")), "in the format ISO 8601");
    await fails(load(dates("2020-01-02"), { dateFormat: "%Q" }), "%Q is not a date format");
    assert.deepEqual(await table("amount"), [[42]]);
    assert.deepEqual(await query("SELECT table_name FROM duckdb_tables()"), [["orders"]]);
  });

  it("fails when the table can't be stored", async () => {
    mkdirSync(join(folder, "locked"));
    const file = given(amounts("1"));
    const path = join(folder, "locked", "w.duckdb");
    const writer = await DuckDBInstance.create(path);
    writer.closeSync();
    const readOnly = await DuckDBInstance.create(path, { access_mode: "READ_ONLY" });
    const reader = await readOnly.connect();
    await assert.rejects(loadOrders(reader, { file }), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.status, 503);
      assert.match(formatError(error), /can't be stored: .*read-only/);
      return true;
    });
    reader.closeSync();
    readOnly.closeSync();
  });
});
