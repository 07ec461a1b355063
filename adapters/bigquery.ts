import type { TableField, TableMetadata } from "@google-cloud/bigquery";
import {
  type Model,
  type Outcome,
  type Parameter,
  type Parameters,
  type ParquetFiles,
  pathOf,
  type Row,
  type Target,
  timePartitioning,
  type Warehouse,
} from "../contracts/warehouse.ts";
import { mapValues } from "../lib/map-values.ts";
import { NumberColumn, valuesOf } from "../lib/number-column.ts";
import { UserError } from "../lib/user-error.ts";
import { BigQueryJobs, type BigQueryOptions } from "./bigquery-jobs.ts";

/** The warehouse in BigQuery. Rows are replaced by one MERGE, which is atomic. */
export class BigQueryWarehouse implements Warehouse {
  readonly project: string;
  readonly #jobs: BigQueryJobs;

  /**
   * Opens bigquery://project/location?maximum_bytes_billed=N.
   * @throws UserError when the URL does not have this form.
   */
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
    const limit = this.#jobs.maximumBytesBilled;
    if (limit !== undefined && bytes > limit)
      throw new UserError(
        `${model.target.dataset}.${model.target.name} would read ${bytes} bytes; allowed are ${limit}.`,
        { remedy: "Make the query read less, or raise the setting bytesBilledLimit." },
      );
    await this.#provideTable(model, fields);
    if (model.materialization === "append") return { rows: 0, bytesBilled: 0 };
    const { updatePartitionFilter: filter, partitionBy = "run_date" } = model;
    const partition = filter === undefined ? `${quote(partitionBy)} = @run_date` : `(${filter})`;
    const replaced = model.materialization === "partition" ? partition : "TRUE";
    const columns = fields.map(({ name }) => name!);
    return await this.#replace(path, replaced, columns, model.query, parameters);
  }

  async *stream(sql: string, parameters: Parameters = {}): AsyncGenerator<Row> {
    const { job } = await this.#jobs.run(sql, parameters);
    const rows = job.getQueryResultsStream();
    for await (const row of rows) yield toPlain(row) as Row;
  }

  async query(sql: string, parameters: Parameters = {}): Promise<Row[]> {
    return await Array.fromAsync(this.stream(sql, parameters));
  }

  async columns<Name extends string>(
    sql: string,
    names: readonly Name[],
    parameters: Parameters = {},
  ): Promise<Record<Name, Float64Array>> {
    const columns = names.map((name) => new NumberColumn(name));
    for await (const row of this.stream(sql, parameters))
      for (const column of columns) column.add(row[column.name]);
    return valuesOf(columns);
  }

  /** Bytes that a query would read. */
  async estimate(sql: string, parameters: Parameters = {}): Promise<number> {
    return (await this.#jobs.plan(sql, parameters)).bytes;
  }

  async replaceRows(
    target: Target,
    key: Readonly<Record<string, string>>,
    rows: readonly Row[],
  ): Promise<Outcome> {
    const fields = await this.#fields(target);
    const types = Object.fromEntries(fields.map(({ name, type }) => [name!, standardType(type!)]));
    for (const row of rows) checkRow(target, types, row);
    // The rows are one JSON parameter, so that the statement does not grow with them.
    const select = Object.entries(types).map(
      ([name, type]) => `CAST(JSON_VALUE(row, '$.${name}') AS ${type}) AS ${quote(name)}`,
    );
    const conditions = Object.keys(key).map((name) => `${quote(name)} = CAST(@${name} AS ${types[name]})`);
    const parameters = mapValues(
      { ...key, rows: JSON.stringify(rows) },
      (value) => ({ type: "STRING", value }) as const,
    );
    return await this.#replace(
      pathOf(target),
      conditions.join(" AND "),
      Object.keys(types),
      `SELECT ${select.join(", ")} FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS row`,
      parameters,
    );
  }

  async exportParquet(sql: string, parameters: Parameters, folder: string): Promise<void> {
    const options = `uri = '${folder}/*.parquet', format = 'PARQUET', overwrite = TRUE`;
    await this.#jobs.run(`EXPORT DATA OPTIONS (${options}) AS\n${sql}`, parameters, 1);
  }

  /** The result of a query on the files, as temporary external tables, becomes the partition: one atomic job. */
  async replaceByParquet(target: Target, runDate: string, files: readonly ParquetFiles[]): Promise<Outcome> {
    const fields = await this.#fields(target);
    const parameters: Record<string, Parameter> = {};
    const selects = files.map(({ columns, constants }, index) => {
      const values: Readonly<Record<string, string>> = { run_date: runDate, ...constants };
      for (const [name, value] of Object.entries(values))
        parameters[`${name}_${index}`] = { type: "STRING", value };
      // In the order of the table's columns, which is that of the result.
      const select = fields.map(({ name = "", type = "" }) => {
        const from = name in values ? `@${name}_${index}` : columns.includes(name) ? quote(name) : "NULL";
        return `CAST(${from} AS ${standardType(type)}) AS ${quote(name)}`;
      });
      return `SELECT ${select.join(", ")} FROM files_${index}`;
    });
    const { job, bytesBilled } = await this.#jobs.run(selects.join("\nUNION ALL\n"), parameters, 0, {
      destination: this.#table({ ...target, name: `${target.name}$${runDate.replaceAll("-", "")}` }),
      writeDisposition: "WRITE_TRUNCATE",
      tableDefinitions: Object.fromEntries(
        files.map(({ folder }, index) => [
          `files_${index}`,
          { sourceFormat: "PARQUET", sourceUris: [`${folder}/*.parquet`] },
        ]),
      ),
    });
    // A query reports no inserted rows.
    const [, , results] = await job.getQueryResults({ maxResults: 0, autoPaginate: false });
    return { rows: Number(results?.totalRows ?? 0), bytesBilled };
  }

  async close(): Promise<void> {}

  /** Replaces the rows for which the condition is true by those of the query, in one statement. */
  async #replace(
    path: string,
    condition: string,
    columns: readonly string[],
    query: string,
    parameters: Parameters,
  ): Promise<Outcome> {
    const names = columns.map(quote).join(", ");
    const merge = `MERGE ${path} USING (
${query}
) AS new_rows ON FALSE
WHEN NOT MATCHED BY SOURCE AND ${condition} THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (${names}) VALUES (${names})`;
    const { rows, bytesBilled } = await this.#jobs.run(merge, parameters, 1);
    return { rows, bytesBilled };
  }

  #table({ project, dataset, name }: Target) {
    return this.#jobs.client.dataset(dataset, { projectId: project }).table(name);
  }

  async #fields(target: Target): Promise<TableField[]> {
    const [metadata] = await this.#table(target).getMetadata();
    return (metadata as TableMetadata & { schema: { fields: TableField[] } }).schema.fields;
  }

  /** Makes the table with the query's columns, or adds the columns that are missing. */
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
          ...(partitionBy === undefined ? {} : { timePartitioning: timePartitioning(partitionBy) }),
          ...(clusterBy.length === 0 ? {} : { clustering: { fields: [...clusterBy] } }),
        })
        .catch((error) => {
          // Another run has just made it.
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
}

const quote = (name: string): string => `\`${name}\``;

/** The GoogleSQL name of a type; schemas of tables have the names of legacy SQL. */
const standardType = (type: string): string =>
  ({ FLOAT: "FLOAT64", INTEGER: "INT64", BOOLEAN: "BOOL" })[type] ?? type;

/** What typeof returns for a value of the type; "string" for all others. */
const TYPEOF: Readonly<Record<string, string>> = { BOOL: "boolean", FLOAT64: "number", INT64: "number" };

function checkRow({ dataset, name: table }: Target, types: Readonly<Record<string, string>>, row: Row): void {
  for (const [name, value] of Object.entries(row)) {
    const type = types[name];
    if (type === undefined) throw new UserError(`${dataset}.${table} has no column ${name}.`);
    if (value !== null && typeof value !== (TYPEOF[type] ?? "string"))
      throw new UserError(`${dataset}.${table}: column ${name} is ${type}; given: ${JSON.stringify(value)}.`);
  }
}

/** Integers and decimals as numbers, dates as YYYY-MM-DD, timestamps as ISO 8601. */
function toPlain(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(toPlain);
  // A decimal is an object of big.js.
  if ("toFixed" in value) return Number(value);
  // A date or a timestamp is an object of the client, a STRUCT is a plain one.
  if ("value" in value && value.constructor !== Object)
    return String(value.value).replace(/(\.\d*[1-9])0+Z$|\.0+Z$/, "$1Z");
  return mapValues(value as Row, toPlain);
}
