import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDbWarehouse } from "../adapters/duckdb.ts";

/**
 * Opens a DuckDB warehouse in a new folder before the tests of the block. After them both are removed. Returns the folder.
 */
export function temporaryWarehouse(
  onOpen: (warehouse: DuckDbWarehouse) => void,
  options: Parameters<typeof DuckDbWarehouse.open>[1] = {},
): string {
  const folder = mkdtempSync(join(tmpdir(), "warehouse-"));
  let warehouse: DuckDbWarehouse;
  before(async () => {
    warehouse = await DuckDbWarehouse.open(join(folder, "warehouse.duckdb"), options);
    onOpen(warehouse);
  });
  after(async () => {
    await warehouse.close();
    rmSync(folder, { recursive: true });
  });
  return folder;
}

/** An order: order id, customer id, time, amount. */
type Order = readonly [string | null, string | null, string | null, number | null];

/** Replaces the orders of a warehouse. */
export function writeOrders(warehouse: DuckDbWarehouse, orders: readonly Order[]): Promise<unknown> {
  const literal = (value: string | number | null): string => (value === null ? "NULL" : `'${value}'`);
  const rows = orders.map((order) => `(${order.map(literal).join(", ")})`);
  return warehouse.withConnection((connection) =>
    connection.run(
      `CREATE SCHEMA IF NOT EXISTS raw;
       CREATE OR REPLACE TABLE raw.orders (order_id VARCHAR, customer_id VARCHAR, ordered_at TIMESTAMPTZ, amount DOUBLE);
       ${rows.length === 0 ? "" : `INSERT INTO raw.orders VALUES ${rows.join(", ")}`}`,
    ),
  );
}
