import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { formatError, UserError } from "../../lib/user-error.ts";
import { loadOrders, type OrdersOptions, type OrdersSummary } from "./load.ts";

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
  const refused = async (loading: Promise<unknown>, ...parts: (string | RegExp)[]): Promise<void> => {
    const error = await loading.then(
      () => assert.fail("loaded"),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof UserError, formatError(error));
    assert.equal(error.status, 400);
    assert.ok(error.remedy);
    const told = formatError(error).replaceAll(folder, "");
    for (const part of parts) {
      if (typeof part === "string") assert.ok(told.includes(part), told);
      else assert.match(told, part);
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

  it("loads the same orders, however a shop writes them", async () => {
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
      customer_id: fc.stringMatching(/^[0A-Za-zäé;,"'#|][ -~]{0,8}[0-9]$/),
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
      // DuckDB, as POSIX, takes two digits of the year for 1969 to 2068
      dateFormat: fc.constantFrom(...Object.keys(dateWriters)),
      columns: fc.shuffledSubarray(Object.keys(spellings), { minLength: 6 }),
      spelling: fc.nat(11),
    });
    const property = fc.asyncProperty(fc.array(order, { maxLength: 30 }), layout, async (others, shape) => {
      // An order that tells the format of the dates and of the amounts
      const [clue] = fc.sample(order, { numRuns: 1, seed: 1 });
      const orders = [...others, { ...clue!, day: { y: 2001, m: 2, d: 25 }, cents: 1234 }];
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
    await fc.assert(property, { numRuns: 150 });
  });

  it("keeps every row and makes NULL of what it can't convert", async () => {
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
  ];
  for (const [value, format, time] of times) {
    it(`reads the time ${value}`, async () => {
      assert.equal((await load(dates(value))).date_format, format);
      assert.deepEqual(await table("ordered_at"), [[`2020-01-02 ${time}+00`]]);
    });
  }

  it("tells day from month by the data", async () => {
    assert.equal((await load(dates("1/2/2020 8:26 PM", "12/13/2020 8:26 AM"))).date_format, "%m/%d/%Y");
    assert.deepEqual(await table("ordered_at"), [["2020-01-02 20:26:00+00"], ["2020-12-13 08:26:00+00"]]);
    assert.equal((await load(dates("1/2/2020", "13/12/2020"))).date_format, "%d/%m/%Y");
    assert.equal((await load(dates("2/2/2020", "3/3/2020"))).last_order_on, "2020-03-03");
    await refused(
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

  it("takes the format of most dates, and the rest for none", async () => {
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
  ];
  for (const [values, decimal, expected] of numbers) {
    it(`reads the amounts ${values.join(" and ")}`, async () => {
      assert.equal((await load(amounts(...values))).decimal, decimal);
      assert.deepEqual((await table("amount")).flat(), expected);
    });
  }

  it("asks for the decimal sign when a number can be two", async () => {
    await refused(load(amounts("1,234", "5")), "ambiguous: 1,234", "--decimal . or --decimal ,");
    await refused(load(amounts("1.234")), "ambiguous: 1.234");
    await load(amounts("1,234"), { decimal: "," });
    assert.deepEqual(await table("amount"), [[1.234]]);
    await load(amounts("1,234"), { decimal: "." });
    assert.deepEqual(await table("amount"), [[1234]]);
    await refused(load(amounts("a", "b")), "Column amount", "for example a", "--columns amount=NAME");
    await refused(load(amounts("", " ")), "all are blank");
  });

  it("reads Parquet with types of its own", async () => {
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

  it("reads Latin-1", async () => {
    await load(Buffer.from("Käufer,date,amount\nMüller,2020-01-01,3\n", "latin1"), {
      columns: { customer_id: "Käufer" },
    });
    assert.deepEqual(await table("customer_id"), [["Müller"]]);
    // Windows has the euro sign where Latin-1 has none, which DuckDB refuses
    const windows = Buffer.from(`${amounts("1.50")}ü;2020-01-01;\x802.50\n`, "latin1");
    await refused(load(windows), "not latin-1 encoded", "again as CSV in UTF-8");
    // Where only a late row tells
    await load(
      Buffer.from(`${amounts("1.5")}${"2;2020-01-01;2.5\n".repeat(50_000)}é;2020-01-01;3\n`, "latin1"),
    );
    assert.deepEqual(await query("SELECT count(*) FROM raw.orders WHERE customer_id = 'é'"), [["1"]]);
  });

  it("goes by the content, whatever the name", async () => {
    for (const name of ["it's [1]*.csv", "orders.parquet", 'a "b".gz']) {
      await loadOrders(connection, { file: given(amounts("1"), name) });
      assert.deepEqual(await table("amount"), [[1]]);
    }
    // A name that is a pattern stands for itself alone
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

  it("says what is wrong with a file", async () => {
    const loadFile = (file: string): Promise<unknown> => loadOrders(connection, { file });
    await refused(loadFile(join(folder, "none.csv")), "There is no file /none.csv", "Check the path");
    await refused(loadFile(folder), "is a folder");
    symlinkSync("loop.csv", join(folder, "loop.csv"));
    await refused(loadFile(join(folder, "loop.csv")), "can't be read: ELOOP");
    await refused(loadFile("/dev/null"), "not a regular file");
    await refused(load(""), "is empty");
    await refused(load(gzipSync("")), "is empty");
    await refused(load("\n\n"), "first line", "is empty");
    await refused(load("customer_id,date,amount\n"), "no orders");
    await refused(load(Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")), "binary file", "CSV");
    await refused(load(Uint8Array.from({ length: 999 }, (_, i) => (i * 197) % 256)), "binary file");
    const zipped = gzipSync(amounts(...Array.from({ length: 5000 }, (_, i) => String(i))));
    await refused(load(zipped.subarray(0, 5000)), "incomplete gzip file", "again");
    await refused(load(zipped.with(zipped.length - 6, zipped.at(-6)! ^ 1)), "damaged");
    const whole = readFileSync(await parquet("SELECT range AS customer_id FROM range(9999)"));
    await refused(load(whole.subarray(0, 500)), "can't be read as a table", "export it again");
    await refused(
      load(`${amounts("1")}2;2020-01-01;1;234\n`),
      "can't be read",
      "Line: 3",
      "2;2020-01-01;1;234",
    );
    await refused(load(`${amounts("1")}2;2020-01-01;"1\n3;2020-01-01;4\n`), "Line: 3", "unterminated quote");
  });

  it("says which column is missing and what to type", async () => {
    await refused(
      load("Cust Num,when,amount\n1,2020-01-01,3\n"),
      "no column for customer_id, ordered_at",
      "Cust Num, when, amount",
      '--columns "customer_id=Cust Num,ordered_at=when"',
    );
    await refused(load("just text\nand more\n"), "ordered_at=NAME");
    await refused(
      load("customer_id,date,amount,amount\n1,2020-01-01,3,3\n"),
      "several columns named amount",
      "a name of its own",
    );
    await refused(
      load("customer_id,date,price,total\n1,2020-01-01,3,3\n"),
      "several columns that can be amount: price, total",
      "--columns amount=price or --columns amount=total",
    );
  });

  it("follows --columns, and says what is wrong in them", async () => {
    const csv = "client,date,price,total,other\n1,2020-01-01,3,6,2021-01-01\n";
    const told = { customer_id: "Client", amount: "total", ordered_at: "other" };
    assert.deepEqual((await load(csv, { columns: told })).columns, {
      customer_id: "client",
      amount: "total",
      ordered_at: "other",
    });
    assert.deepEqual(await table("ordered_at, amount"), [["2021-01-01 00:00:00+00", 6]]);
    // What is told is out of the question for the others
    assert.equal(
      (await load(csv, { columns: { customer_id: "client", quantity: "total" } })).columns.amount,
      "price",
    );
    await refused(
      load(csv, { columns: { custmer_id: "client" } }),
      "no column custmer_id",
      "Did you mean customer_id?",
    );
    await refused(
      load(csv, { columns: { amount: "prize" } }),
      "no column prize",
      "--columns amount=price",
      "client, date",
    );
    await refused(
      load(csv, { columns: { amount: "total", quantity: "Total" } }),
      "total to both amount and quantity",
    );
  });

  it("says when there are no dates, and leaves the old table as it was", async () => {
    await load(amounts("42"));
    await refused(
      load(dates("soon", "later")),
      "Column date",
      "no date in a known format (for example",
      "--date-format",
    );
    await refused(load(dates("", " ")), "all are blank");
    await refused(
      load(dates("2020-01-02"), { dateFormat: "%d.%m.%Y" }),
      "in the format %d.%m.%Y",
      "2020-01-02",
    );
    await refused(load(dates("2020-01-02 99:99")), "in the format ISO 8601");
    await refused(load(dates("2020-01-02"), { dateFormat: "%Q" }), "%Q is not a date format");
    assert.deepEqual(await table("amount"), [[42]]);
    assert.deepEqual(await query("SELECT table_name FROM duckdb_tables()"), [["orders"]]);
  });

  it("says when the table can't be stored", async () => {
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
