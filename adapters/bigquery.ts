import type { TableField, TableMetadata } from "@google-cloud/bigquery";
import {
  type Model,
  type Outcome,
  type Parameters,
  pathOf,
  type Row,
  type Target,
  type Warehouse,
} from "../contracts/warehouse.ts";
import { UserError } from "../lib/user-error.ts";
import { BigQueryJobs, type BigQueryOptions } from "./bigquery-jobs.ts";

/** The warehouse in BigQuery: rows are replaced by one MERGE, which does all of it or nothing. */
export class BigQueryWarehouse implements Warehouse {
  readonly project: string;
  readonly #jobs: BigQueryJobs;

  /** Opens bigquery://project/location?maximum_bytes_billed=N; throws a UserError when the URL is not like that. */
  constructor(url: string, options?: BigQueryOptions) {
    this.#jobs = new BigQueryJobs(url, options);
    this.project = this.#jobs.project;
  }

  async materialize(model: Model, parameters: Parameters): Promise<Outcome> {
    const path = pathOf(model.target);
    if (model.materialization === "view") {
      await this.#jobs.run(`CREATE OR REPLACE VIEW ${path} AS\n${model.query}`, {}, 1);
      return { rows: 0, bytesBilled: 0 };
    }
    const { fields, bytes } = await this.#jobs.plan(model.query, parameters);
    this.#checkEstimate(model.target, bytes);
    await this.#provideTable(model, fields);
    if (model.materialization === "append") return { rows: 0, bytesBilled: 0 };
    const replaced =
      model.materialization === "partition" ? `\`${model.partitionBy ?? "run_date"}\` = @run_date` : "TRUE";
    const columns = fields.map(({ name }) => name!);
    return await this.#replace(path, replaced, columns, model.query, parameters);
  }

  async *stream(sql: string, parameters: Parameters = {}): AsyncGenerator<Row> {
    const { job } = await this.#jobs.run(sql, parameters);
    const rows = job.getQueryResultsStream({ wrapIntegers: { integerTypeCastFunction: Number } });
    for await (const row of rows) yield toPlain(row) as Row;
  }

  async query(sql: string, parameters: Parameters = {}): Promise<Row[]> {
    return await Array.fromAsync(this.stream(sql, parameters));
  }

  /** Bytes that a query would read, by a dry run, which costs nothing. */
  async estimate(sql: string, parameters: Parameters = {}): Promise<number> {
    return (await this.#jobs.plan(sql, parameters)).bytes;
  }

  async replaceRows(
    target: Target,
    key: Readonly<Record<string, string>>,
    rows: readonly Row[],
  ): Promise<Outcome> {
    const [metadata] = await this.#table(target).getMetadata();
    const fields = (metadata as TableMetadata & { schema: { fields: TableField[] } }).schema.fields;
    const types = Object.fromEntries(fields.map(({ name, type }) => [name!, standardType(type!)]));
    for (const row of rows) checkRow(target, types, row);
    // One JSON document, typed by the table: a statement's work does not grow with the rows.
    const select = Object.entries(types).map(
      ([name, type]) => `CAST(JSON_VALUE(row, '$.${name}') AS ${type}) AS \`${name}\``,
    );
    const conditions = Object.keys(key).map((name) => `\`${name}\` = CAST(@${name} AS ${types[name]})`);
    const parameters = Object.fromEntries(
      Object.entries({ ...key, rows: JSON.stringify(rows) }).map(([name, value]) => [
        name,
        { type: "STRING", value } as const,
      ]),
    );
    return await this.#replace(
      pathOf(target),
      conditions.join(" AND "),
      Object.keys(types),
      `SELECT ${select.join(", ")} FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS row`,
      parameters,
    );
  }

  async close(): Promise<void> {}

  /** Replaces the rows that the condition holds for by those of the query, in one statement: wholly or not at all. */
  async #replace(
    path: string,
    condition: string,
    columns: readonly string[],
    query: string,
    parameters: Parameters,
  ): Promise<Outcome> {
    const names = columns.map((name) => `\`${name}\``).join(", ");
    const merge = `MERGE ${path} USING (
${query}
) AS new_rows ON FALSE
WHEN NOT MATCHED BY SOURCE AND ${condition} THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (${names}) VALUES (${names})`;
    const { statistics } = await this.#jobs.run(merge, parameters, 1);
    return { rows: statistics.dmlStats.insertedRowCount, bytesBilled: statistics.totalBytesBilled };
  }

  #table({ project, dataset, name }: Target) {
    return this.#jobs.client.dataset(dataset, { projectId: project }).table(name);
  }

  /** Makes the table as the query has it, or adds the columns that it has not yet, so that an edited model counts at once. */
  async #provideTable(
    { target, partitionBy, clusterBy }: Model,
    fields: readonly TableField[],
  ): Promise<void> {
    const table = this.#table(target);
    const found = await table.getMetadata().catch((error) => {
      if (error.code !== 404) throw error;
    });
    if (found === undefined) {
      await this.#jobs.client
        .dataset(target.dataset, { projectId: target.project })
        .createTable(target.name, {
          schema: { fields: [...fields] },
          ...(partitionBy === undefined ? {} : { timePartitioning: { type: "DAY", field: partitionBy } }),
          ...(clusterBy.length === 0 ? {} : { clustering: { fields: [...clusterBy] } }),
        })
        .catch((error) => {
          // Another run was faster.
          if (error.code !== 409) throw error;
        });
      return;
    }
    const present: TableField[] = found[0].schema.fields;
    const added = fields.filter(({ name, type }) => {
      const column = present.find((field) => field.name === name);
      if (column !== undefined && standardType(column.type!) !== standardType(type!))
        throw new UserError(
          `Column ${name} of ${target.dataset}.${target.name} would change its type from ${column.type} to ${type}.`,
          { remedy: "Give the column another name." },
        );
      return column === undefined;
    });
    if (added.length > 0) await table.setMetadata({ schema: { fields: [...present, ...added] } });
  }

  #checkEstimate({ dataset, name }: Target, bytes: number): void {
    const limit = this.#jobs.maximumBytesBilled;
    if (limit !== undefined && bytes > limit)
      throw new UserError(`${dataset}.${name} would read ${bytes} bytes; allowed are ${limit}.`, {
        remedy: "Find what it reads too much, or raise the setting bytesBilledLimit.",
      });
  }
}

/** GoogleSQL's names of the types that a table's schema has by its old ones. */
const standardType = (type: string): string =>
  ({ FLOAT: "FLOAT64", INTEGER: "INT64", BOOLEAN: "BOOL" })[type] ?? type;

const SCRIPT_TYPES: Readonly<Record<string, string>> = {
  BOOL: "boolean",
  FLOAT64: "number",
  INT64: "number",
};

function checkRow({ dataset, name: table }: Target, types: Readonly<Record<string, string>>, row: Row): void {
  for (const [name, value] of Object.entries(row)) {
    const type = types[name];
    if (type === undefined) throw new UserError(`${dataset}.${table} has no column ${name}.`);
    if (value !== null && typeof value !== (SCRIPT_TYPES[type] ?? "string"))
      throw new UserError(
        `${dataset}.${table}: ${JSON.stringify(value)} is no ${type}, as column ${name} has.`,
      );
  }
}

/** Integers and decimals as numbers, dates as YYYY-MM-DD, timestamps as ISO 8601. */
function toPlain(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(toPlain);
  // A decimal, as big.js has it.
  if ("toFixed" in value) return Number(value);
  // A date or timestamp, whose seconds have nine digits.
  if ("value" in value && typeof value.value === "string")
    return value.value.replace(/(\.\d*[1-9])0+Z$|\.0+Z$/, "$1Z");
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toPlain(inner)]));
}
