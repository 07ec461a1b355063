import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { CommanderError } from "commander";
import fc from "fast-check";
import { type RunSettings, runSettings } from "../contracts/run.ts";
import { UserError } from "../lib/user-error.ts";
import { loadOrders, type OrdersOptions } from "../local/orders/load.ts";
import { localCommand, runSettingsOf, withRunSettings } from "./command.ts";
import { dataDirOf, type OrdersArguments, ordersOf, withOrders } from "./orders-options.ts";

/** Texts that mean something to SQL, to a shell, to a path, to a format or to JavaScript. */
const TEXTS = [
  ...["", " ", "'", '"', "';DROP TABLE kept;--", "') FROM kept --", "\\", "\ufeff", "$1", "${x}", "{{x}}"],
  ...["../../etc/passwd", "/dev/null", "~", "*", "%Y-%m-%d", "%", "%q", "epoch", "excel", "ISO 8601", "UTC"],
  ...[
    "America/New_York",
    "Mars/Olympus",
    "-1",
    "0",
    "1e999",
    "NaN",
    "2024-02-30",
    "net",
    "on",
    "constructor",
  ],
  ...[
    "__proto__",
    "customer_id=status",
    "amount=total,amount=total",
    "__proto__=id",
    "toString=id",
    "status=",
    "=paid",
  ],
  ...[
    "id=1",
    "id='",
    "status=paid",
    "status='; DROP TABLE kept",
    ".",
    ",",
    "--help",
    "--",
    "-x",
    "é".repeat(3000),
  ],
];
const ORDERS = ["columns", "where", "date-format", "decimal", "guests"];
const SETTINGS = Object.keys(runSettings.shape).map((name) => name.replaceAll("_", "-"));

describe("the options of a command", () => {
  const folder = mkdtempSync(join(tmpdir(), "options-"));
  after(() => rmSync(folder, { recursive: true }));

  /** Parses the options of a command, like a shell gives them. */
  function read(...args: readonly string[]): { orders: OrdersOptions; settings: RunSettings } {
    const command = withRunSettings(withOrders(localCommand("start", "")))
      .exitOverride()
      .configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    command.parse(args, { from: "user" });
    const options = command.opts<OrdersArguments>();
    const orders = ordersOf(options);
    dataDirOf(options);
    return { orders, settings: runSettingsOf({ ...options }) };
  }

  for (const [args, message] of [
    [["--horizn", "3"], /unknown option '--horizn'/],
    [["--data-dir", ""], /--data-dir is blank/],
    [["--horizon-weeks", ""], /--horizon-weeks is blank/],
    [["--horizon-weeks", "0"], /--horizon-weeks: .*given: 0/],
    [["--horizon-weeks", "abc"], /--horizon-weeks: .*expected number/],
    [["--columns", "customer_id=a,customer_id=b"], /"customer_id=b" is there twice/],
    [["--orders", "a.csv", "--orders", "b.csv"], /A run reads one file\. Join the files first/],
  ] as const)
    it(`${args.join(" ")} is refused by name`, () => assert.throws(() => read(...args), message));

  it("--guests and --columns that are given again add to the first", () => {
    const { orders } = read(
      ...["--guests", "0", "--guests", "-,guest"],
      ...["--columns", "amount=Total", "--columns", "order_id=No"],
    );
    assert.deepEqual(orders.guests, ["0", "-", "guest"]);
    assert.deepEqual(orders.columns, { amount: "Total", order_id: "No" });
  });

  it("with any values are read, or refused by name; no value gets into SQL", async () => {
    const file = join(folder, "orders.csv");
    writeFileSync(
      file,
      "customer_id,date,total,status\n1,2024-01-02,3.5,paid\n2,2024-01-03,4,open\n1,2024-02-02,5,paid\n",
    );
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    await connection.run("CREATE TABLE kept AS SELECT 42 AS answer");
    const seen = { read: 0, refused: 0 };
    const attempt = async (given: readonly (readonly [string, string])[]): Promise<void> => {
      try {
        const { orders, settings } = read(...given.flatMap(([name, text]) => [`--${name}`, text]));
        const { shop_time_zone: timeZone, refunds } = settings;
        // The other options have no part in reading the orders.
        if (given.some(([name]) => [...ORDERS, "shop-time-zone", "refunds"].includes(name)))
          await loadOrders(connection, { ...orders, file, timeZone, refunds });
        seen.read += 1;
      } catch (error) {
        assert.ok(
          error instanceof UserError || error instanceof CommanderError,
          `${JSON.stringify(given)}: ${(error as Error).stack}`,
        );
        seen.refused += 1;
      }
      assert.deepEqual((await connection.runAndReadAll("FROM kept")).getRowsJson(), [[42]]);
    };
    for (const name of [...ORDERS, ...SETTINGS, "data-dir"])
      for (const text of TEXTS) await attempt([[name, text]]);
    const option = fc.tuple(
      fc.constantFrom(...ORDERS, ...SETTINGS, "data-dir"),
      fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
    );
    await fc.assert(fc.asyncProperty(fc.array(option, { minLength: 1, maxLength: 2 }), attempt), {
      numRuns: 100,
      seed: 7,
    });
    assert.ok(seen.read > 100 && seen.refused > 500, JSON.stringify(seen));
    connection.closeSync();
  });
});
