import { createHash } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { Problem } from "../contracts/problem.ts";
import { openLocalWarehouse, projectDir } from "./edition.ts";
import { loadOrders, type OrdersOptions, type OrdersSummary } from "./orders.ts";

/** The log that runs when none is given, and the run date of the papers. */
export const CDNOW = { file: join(projectDir, "data", "cdnow.csv.gz"), runDate: "1997-10-01" };

/** Each log has a warehouse of its own unless told: a model of one shop is no champion of another's. */
export function dataDirOf(dataDir: string | undefined, file: string): string {
  if (dataDir?.trim() === "")
    throw new Problem("--data-dir is blank.", { remedy: "Give a folder, or leave it out." });
  if (dataDir !== undefined) return resolve(dataDir);
  const name = basename(file)
    .split(".")[0]!
    .replaceAll(/[^\w-]/g, "_");
  const path = createHash("sha256").update(resolve(file)).digest("hex").slice(0, 8);
  return resolve(".data", resolve(file) === CDNOW.file ? name : `${name}-${path}`);
}

/** Reads the log into raw.orders of the embedded warehouse. */
export async function readOrders(dataDir: string, options: OrdersOptions): Promise<OrdersSummary> {
  const warehouse = await openLocalWarehouse(dataDir);
  try {
    return await warehouse.withConnection((connection) => loadOrders(connection, options));
  } finally {
    await warehouse.close();
  }
}
