import { fileURLToPath } from "node:url";
import type { Warehouse } from "../contracts/warehouse.ts";
import { UserError } from "../lib/user-error.ts";

export interface WarehouseOptions {
  /** Labels of BigQuery's jobs: what the queries are for. */
  readonly labels?: Readonly<Record<string, string>>;
  /** How long to wait for another process that has DuckDB's file open, in milliseconds. @default as DuckDbOptions */
  readonly lockTimeout?: number;
}

/**
 * Opens the warehouse of a URL: duckdb:///path/of/warehouse.duckdb?routines=MODULE or
 * bigquery://project/location?maximum_bytes_billed=N. DuckDB loads the functions that SQL can call from the module, a
 * file: URL; in BigQuery the stack deploys them.
 * @throws UserError when the URL is not one of these or the warehouse can't be opened.
 */
export async function openWarehouse(url: string, options: WarehouseOptions = {}): Promise<Warehouse> {
  if (url.startsWith("duckdb:")) {
    const { DuckDbWarehouse } = await import("./duckdb.ts");
    const file = new URL(url.replace(/^duckdb:/, "file:"));
    const module = file.searchParams.get("routines");
    const { routines = [] } = module === null ? {} : await import(module);
    const { lockTimeout } = options;
    return await DuckDbWarehouse.open(fileURLToPath(file), { routines, ...(lockTimeout && { lockTimeout }) });
  }
  if (url.startsWith("bigquery:")) {
    const { BigQueryWarehouse } = await import("./bigquery.ts");
    return new BigQueryWarehouse(url, options);
  }
  throw new UserError(
    `WAREHOUSE_URL is ${url || "not set"}; allowed are duckdb:///path/of/warehouse.duckdb and bigquery://project/location.`,
  );
}
