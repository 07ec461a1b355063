import type { BigQuery, TableField } from "@google-cloud/bigquery";
import { BigQueryJobs } from "../../adapters/bigquery-jobs.ts";
import { bundleRoutines } from "../../components/routine-bundle.ts";
import { defaultMartsDataset, planTables } from "../../components/warehouse.ts";
import { routines } from "../../jobs/clv/routines.ts";
import type { BigQueryEmulator } from "./bigquery.ts";

/** The jobs' BigQuery client, for an emulator. */
export const bigQueryClient = ({
  project,
  endpoint,
}: Pick<BigQueryEmulator, "project" | "endpoint">): BigQuery =>
  new BigQueryJobs(`bigquery://${project}/EU?endpoint=${endpoint}`).client;

/**
 * Creates in a BigQuery emulator what the stack and the shop create in BigQuery: datasets, tables, the model's
 * functions, and raw.orders from a CSV file with the columns order_id, customer_id, ordered_at and amount. The tables
 * require no partition filter, because the emulator does not find the filter of a MERGE.
 */
export async function prepareWarehouse(emulator: BigQueryEmulator, ordersCsv: string): Promise<void> {
  const client = bigQueryClient(emulator);
  for (const dataset of ["raw", "rfm", "ops", defaultMartsDataset()]) await client.createDataset(dataset);
  for (const { dataset, name, columns, partitionBy, clusterBy } of planTables())
    await client.dataset(dataset === "marketing" ? defaultMartsDataset() : dataset).createTable(name, {
      schema: { fields: columns.map((column): TableField => ({ ...column })) },
      ...(partitionBy === undefined ? {} : { timePartitioning: { type: "DAY", field: partitionBy } }),
      ...(clusterBy.length === 0 ? {} : { clustering: { fields: clusterBy } }),
    });
  const bodies = bundleRoutines(new URL("../../jobs/clv/routines.ts", import.meta.url), routines);
  for (const { name, parameters, returns } of routines) {
    const typed = parameters.map((parameter) => `${parameter.name} ${parameter.type}`).join(", ");
    await client.query(
      `CREATE FUNCTION rfm.${name}(${typed}) RETURNS ${returns} LANGUAGE js AS ${JSON.stringify(bodies[name])}`,
    );
  }
  const [job] = await client
    .dataset("raw")
    .table("orders")
    .load(ordersCsv, {
      sourceFormat: "CSV",
      skipLeadingRows: 1,
      schema: {
        fields: [
          { name: "order_id", type: "STRING" },
          { name: "customer_id", type: "STRING" },
          { name: "ordered_at", type: "TIMESTAMP" },
          { name: "amount", type: "FLOAT64" },
        ],
      },
    });
  if (job.status?.errorResult)
    throw new Error(`The orders cannot be loaded: ${job.status.errorResult.message}`);
}
