import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { BigQueryJobs } from "../../adapters/bigquery-jobs.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import { pathOf, type Target, type Warehouse } from "../../contracts/warehouse.ts";
import { UserError } from "../../lib/user-error.ts";

/** True of every order: the table may require a filter on the column that it is partitioned by. */
export const ANY_ORDER = "(ordered_at IS NULL OR ordered_at IS NOT NULL)";
const OF_SAMPLE = `STARTS_WITH(order_id, "smoke-") AND ${ANY_ORDER}`;

export const ordersTable = ({ orders: { table, ...place } }: Deployment): string =>
  pathOf({ ...place, name: table });

export const removeOrders = (deployment: Deployment): string =>
  `DELETE FROM ${ordersTable(deployment)} WHERE ${OF_SAMPLE}`;

/** The number of orders, and the day after the last one, at the latest today. */
export async function countOrders(
  warehouse: Warehouse,
  deployment: Deployment,
): Promise<{ orders: number; next: string | null }> {
  const past = "IF(DATE(ordered_at) < CURRENT_DATE(), DATE(ordered_at), NULL)";
  const sql = `SELECT COUNT(*) AS orders, DATE_ADD(MAX(${past}), INTERVAL 1 DAY) AS next FROM ${ordersTable(deployment)} WHERE ${ANY_ORDER}`;
  const [row] = await warehouse.query(sql);
  return { orders: Number(row?.orders), next: (row?.next ?? null) as string | null };
}

/** @throws UserError if the orders table is in another project than the stack, and so not for a sample */
export function checkOwner({ orders: { project, dataset, table }, settings }: Deployment): void {
  if (project === settings.project) return;
  throw new UserError(`${project}.${dataset}.${table} is empty, and is not in the stack's project.`, {
    remedy: "Set ordersTable to a table that has orders, or to an empty one in the stack's project.",
  });
}

/** Loads the CDNOW log into the empty orders table. @throws UserError if BigQuery refuses it: then nothing is loaded */
export async function loadSample(
  warehouseUrl: string,
  { orders: { project, dataset, table }, settings }: Deployment,
  csvFile: string,
  folder: string,
): Promise<void> {
  const [, ...lines] = gunzipSync(readFileSync(csvFile)).toString().trimEnd().split("\n");
  const rows = lines.map((line) => {
    const [id, customer_id, day, , amount] = line.split(",");
    const ordered_at = `${day}T00:00:00Z`;
    return JSON.stringify({ order_id: `smoke-${id}`, customer_id, ordered_at, amount: Number(amount) });
  });
  const file = join(folder, "sample.jsonl");
  writeFileSync(file, rows.join("\n"));
  const { client } = new BigQueryJobs(warehouseUrl);
  const place = client.dataset(dataset, { projectId: project }).table(table);
  const [{ schema }] = await place.getMetadata();
  const [job] = await place.load(file, {
    schema,
    sourceFormat: "NEWLINE_DELIMITED_JSON",
    writeDisposition: "WRITE_EMPTY",
    location: settings.warehouse_location,
  });
  const error = job.status?.errorResult;
  if (error) throw new UserError(`BigQuery did not load the sample: ${error.message}`);
}

/**
 * Deletes the sample's orders, and what a run of its date wrote: its run date, and all rows of the tables that a run adds
 * orders to, which are only those of the sample. The next run reads the whole log.
 */
export async function removeSample(
  warehouse: Warehouse,
  deployment: Deployment,
  tables: readonly (Target & { readonly partitionColumn: string | undefined })[],
  runDate: string,
): Promise<void> {
  await warehouse.query(removeOrders(deployment));
  const parameters = { run_date: { type: "DATE", value: runDate } } as const;
  for (const table of tables) {
    const column = table.partitionColumn;
    const remove = `DELETE FROM ${pathOf(table)} WHERE`;
    if (column === "run_date") await warehouse.query(`${remove} run_date = @run_date`, parameters);
    else if (column === undefined) await warehouse.query(`${remove} TRUE`);
    // All rows. The table requires a filter by which BigQuery can leave out partitions.
    else await warehouse.query(`${remove} ${column} >= '0001-01-01' OR ${column} IS NULL`);
  }
}
