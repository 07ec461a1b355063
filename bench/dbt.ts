/** The models and assertions of the step features as a project of dbt, for dbt-duckdb: the same SQL, run by another tool. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance, quotedString } from "@duckdb/node-api";
import { translate } from "dataform-check/googlesql-to-duckdb";
import { runSettings } from "../contracts/run.ts";
import { sqlParameters } from "../jobs/sql-runner/parameters.ts";
import { actionsOfStep, compileToRun } from "../jobs/sql-runner/runner.ts";
import { sqlDir } from "../lib/project.ts";

const PROJECT = `name: bench
profile: bench
flags:
  send_anonymous_usage_stats: false
`;
const profile = (folder: string): string => `bench:
  target: local
  outputs:
    local:
      type: duckdb
      path: ${JSON.stringify(join(folder, "dbt.duckdb"))}
      threads: 4
      settings:
        TimeZone: UTC
        memory_limit: 3GB
`;

/** Writes the project into a folder. Its order log is a Parquet or CSV file with the columns of raw.orders. */
export async function writeDbtProject(
  folder: string,
  orders: string,
  runDate: string,
  holdoutWeeks: number,
): Promise<void> {
  const graph = compileToRun(sqlDir, { project: "bench" });
  const actions = actionsOfStep(graph, "features").filter(
    ({ materialization }) => materialization !== "append",
  );
  const run = { ...runSettings.parse({ holdout_weeks: holdoutWeeks }), run_date: runDate, model_id: "" };
  const parameters = sqlParameters(run);
  for (const name of ["models", "tests"]) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, "dbt_project.yml"), PROJECT);
  writeFileSync(join(folder, "profiles.yml"), profile(folder));
  writeFileSync(
    join(folder, "models/orders.sql"),
    `{{ config(materialized='table') }}
SELECT order_id::VARCHAR AS order_id, customer_id::VARCHAR AS customer_id, ordered_at::TIMESTAMPTZ AS ordered_at, amount::DOUBLE AS amount
FROM ${quotedString(orders)}`,
  );
  for (const { kind, target, query, materialization, tags } of actions) {
    const sql = (await translate(query, parameters))
      .replace(/\$(\w+)/g, (_, name: string) => quotedString(String(parameters[name]!.value)))
      .replace(/"\w+"\."\w+"\."(\w+)"/g, "{{ ref('$1') }}");
    const config =
      kind === "model"
        ? `materialized='${materialization === "view" ? "view" : "table"}'`
        : `severity='${tags.includes("warning") ? "warn" : "error"}'`;
    const file = join(folder, kind === "model" ? "models" : "tests", `${target.name}.sql`);
    writeFileSync(file, `{{ config(${config}) }}\n${sql}`);
  }
}

/** Fails unless dbt's customer_features are those of the warehouse, row for row. */
export async function compareFeatures(folder: string, warehouse: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(
    `ATTACH ${quotedString(join(folder, "dbt.duckdb"))} AS dbt (READ_ONLY); ATTACH ${quotedString(warehouse)} AS ours (READ_ONLY)`,
  );
  const [one, other] = ["dbt.main.customer_features", "ours.rfm.customer_features"].map(
    (table) => `SELECT * FROM ${table}`,
  );
  const counts = await connection.runAndReadAll(
    `SELECT (SELECT count(*) FROM (${one})) AS rows, (SELECT count(*) FROM (${one} EXCEPT ${other})) + (SELECT count(*) FROM (${other} EXCEPT ${one})) AS differ`,
  );
  const [rows, differ] = counts.getRows()[0]!.map(Number);
  if (!(rows! > 0 && differ === 0))
    throw new Error(`${differ} of ${rows} rows of dbt's customer_features differ.`);
}
