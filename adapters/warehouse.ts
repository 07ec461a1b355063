import { fileURLToPath } from "node:url";
import type { Routine, Warehouse } from "../contracts/warehouse.ts";
import { UserError } from "../lib/user-error.ts";

export interface WarehouseOptions {
  /** What SQL may call where the warehouse has no functions of its own; BigQuery has those that the stack deploys. */
  readonly routines?: readonly Routine[];
  /** What the queries are for: labels of BigQuery's jobs. */
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Opens the warehouse that a URL names: duckdb:///path/of/warehouse.duckdb or
 * bigquery://project/location?maximum_bytes_billed=N. Throws a UserError when the URL names none or it can't be opened.
 */
export async function openWarehouse(url: string, options: WarehouseOptions = {}): Promise<Warehouse> {
  if (url.startsWith("duckdb:")) {
    const { DuckDbWarehouse } = await import("./duckdb.ts");
    return await DuckDbWarehouse.open(fileURLToPath(url.replace(/^duckdb:/, "file:")), options);
  }
  if (url.startsWith("bigquery:")) {
    const { BigQueryWarehouse } = await import("./bigquery.ts");
    return new BigQueryWarehouse(url, options);
  }
  throw new UserError(
    `WAREHOUSE_URL is ${url || "not set"}; allowed are duckdb:///path/of/warehouse.duckdb and bigquery://project/location.`,
  );
}
