import { fileURLToPath } from "node:url";
import { Problem } from "../contracts/problem.ts";
import type { Routine, Warehouse } from "../contracts/warehouse.ts";

/**
 * Opens the warehouse that a URL names: duckdb:///path/of/warehouse.duckdb. Routines are what SQL may call where the
 * warehouse has no functions of its own. Throws a Problem when the URL names no warehouse or it can't be opened.
 */
export async function openWarehouse(url: string, routines: readonly Routine[] = []): Promise<Warehouse> {
  if (url.startsWith("duckdb:")) {
    const { DuckDbWarehouse } = await import("./duckdb.ts");
    return await DuckDbWarehouse.open(fileURLToPath(url.replace(/^duckdb:/, "file:")), { routines });
  }
  throw new Problem(`WAREHOUSE_URL is ${url || "not set"}; allowed is duckdb:///path/of/warehouse.duckdb.`);
}
