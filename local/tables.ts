import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDbWarehouse } from "../adapters/duckdb.ts";
import { createLogger } from "../contracts/log.ts";
import { runSettings } from "../contracts/run.ts";
import { routines } from "../jobs/clv/routines.ts";
import { compile } from "../jobs/sql-runner/dataform.ts";
import { sqlParameters } from "../jobs/sql-runner/parameters.ts";
import { runActions } from "../jobs/sql-runner/runner.ts";
import { sqlDir } from "./edition.ts";

/** DuckDB's type of a column to BigQuery's. */
const TYPES: Readonly<Record<string, string>> = {
  BIGINT: "INT64",
  BOOLEAN: "BOOL",
  DATE: "DATE",
  DOUBLE: "FLOAT64",
  HUGEINT: "INT64",
  INTEGER: "INT64",
  TIMESTAMP: "TIMESTAMP", // without a zone, which DuckDB keeps in UTC
  "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
  VARCHAR: "STRING",
};

/**
 * The tables of the SQL project that hold data, for the stack that declares them: what Dataform says of them, and the
 * columns and types that they have after a run without orders.
 */
export async function describeTables(): Promise<object[]> {
  const folder = mkdtempSync(join(tmpdir(), "tables-"));
  const warehouse = await DuckDbWarehouse.open(join(folder, "warehouse.duckdb"), { routines });
  try {
    await warehouse.withConnection((connection) =>
      connection.run(
        "CREATE SCHEMA raw; CREATE TABLE raw.orders (order_id VARCHAR, customer_id VARCHAR, ordered_at TIMESTAMPTZ, amount DOUBLE)",
      ),
    );
    const { actions } = compile(sqlDir, { project: warehouse.project });
    const parameters = sqlParameters({ ...runSettings.parse({}), run_date: "2024-01-01", model_id: "" });
    await runActions(warehouse, sqlDir, actions, parameters, createLogger({ component: "tables" }, "silent"));
    const described = await warehouse.withConnection((connection) =>
      connection.runAndReadAll(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns ORDER BY ordinal_position",
      ),
    );
    const columns = described.getRows().map((row) => row.map(String)) as [string, string, string, string][];
    return actions
      .filter(({ materialization }) => materialization !== "view")
      .map(({ target, description, partitionBy, clusterBy, columns: descriptions }) => ({
        dataset: target.dataset,
        name: target.name,
        description,
        ...(partitionBy === undefined ? {} : { partitionBy }),
        clusterBy,
        columns: columns
          .filter(([dataset, table]) => dataset === target.dataset && table === target.name)
          .map(([, , name, type]) => ({
            name,
            type: typeOf(type),
            description: descriptions[name] ?? "",
          })),
      }))
      .sort((one, other) => (`${one.dataset}.${one.name}` < `${other.dataset}.${other.name}` ? -1 : 1));
  } finally {
    await warehouse.close();
    rmSync(folder, { recursive: true });
  }
}

function typeOf(type: string): string {
  const found = TYPES[type];
  if (found === undefined) throw new Error(`There is no BigQuery type for DuckDB's ${type}.`);
  return found;
}

/** npm run tables: writes sql/tables.json anew. */
if (import.meta.main) {
  const file = join(sqlDir, "tables.json");
  const text = `${JSON.stringify(await describeTables(), null, 2)}\n`;
  const isNew = readFileSync(file, { encoding: "utf8", flag: "a+" }) !== text;
  writeFileSync(file, text);
  process.stdout.write(`${file} ${isNew ? "is new" : "was up to date"}.\n`);
}
