import { mkdirSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBValue,
  quotedString as literal,
  quotedIdentifier as quote,
} from "@duckdb/node-api";
import {
  bindingsOf,
  createRoutines,
  duckDbError,
  duckDbPathOf as pathOf,
  readRows,
  toPlain,
} from "dataform-check/duckdb";
import { translate } from "dataform-check/googlesql-to-duckdb";
import pRetry from "p-retry";
import {
  pathOf as googleSqlPathOf,
  type Model,
  type Outcome,
  type Parameters,
  type ParquetFiles,
  QueryError,
  type Routine,
  type Row,
  type Target,
  type Warehouse,
} from "../contracts/warehouse.ts";
import { NumberColumn, valuesOf } from "../lib/number-column.ts";
import { cacheDir } from "../lib/project.ts";
import { UserError } from "../lib/user-error.ts";

export interface DuckDbOptions {
  /** Functions that SQL can call, in the dataset rfm. @default none */
  readonly routines?: readonly Routine[];
  /** How long to wait for another process that has the file open, in milliseconds. @default 120000 */
  readonly lockTimeout?: number;
}

/**
 * Of texts and of numbers with a fraction. A run of five million orders takes a quarter less time without them, and its file
 * is twice as large.
 */
const SLOW_COMPRESSION = "dictionary,fsst,dict_fsst,zstd,alp,alprd,chimp,patas";

/** Queries in DuckDB's dialect, for all warehouses: the translator takes a second to load. */
const TRANSLATIONS = join(cacheDir, "translations");

/** The warehouse in a DuckDB file. One process at a time can have it open; the others wait. */
export class DuckDbWarehouse implements Warehouse {
  readonly project: string;
  readonly #instance: DuckDBInstance;
  readonly #datasets = new Map<string, Promise<unknown>>();

  private constructor(instance: DuckDBInstance, project: string) {
    this.#instance = instance;
    this.project = project;
  }

  /** @throws UserError when the file can't be opened, or another process has it open for the whole lock timeout. */
  static async open(path: string, options: DuckDbOptions = {}): Promise<DuckDbWarehouse> {
    const instance = await openFile(path, options.lockTimeout ?? 120_000);
    const connection = await instance.connect();
    try {
      const [row] = await readRows(connection, "SELECT current_database() AS project");
      await connection.run(
        `SET GLOBAL TimeZone = 'UTC'; SET GLOBAL disabled_compression_methods = '${SLOW_COMPRESSION}';
         CREATE SCHEMA IF NOT EXISTS rfm`,
      );
      await createRoutines(connection, options.routines ?? [], "rfm");
      return new DuckDbWarehouse(instance, String(row?.project));
    } finally {
      connection.closeSync();
    }
  }

  /** Runs the work on a new connection, in DuckDB's dialect. */
  async withConnection<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = await this.#instance.connect();
    try {
      return await work(connection);
    } finally {
      connection.closeSync();
    }
  }

  async materialize(model: Model, parameters: Parameters): Promise<Outcome> {
    const path = pathOf(model.target);
    const select = await translate(model.query, parameters, TRANSLATIONS);
    const values = bindingsOf(model.query, parameters);
    const condition = model.updatePartitionFilter ?? `\`${model.partitionBy ?? "run_date"}\` = @run_date`;
    const replaced =
      model.materialization === "partition"
        ? await translate(
            `DELETE FROM ${googleSqlPathOf(model.target)} WHERE ${condition}`,
            parameters,
            TRANSLATIONS,
          )
        : "";
    await this.#makeDataset(model.target.dataset);
    return await this.#transaction(model.query, async (connection) => {
      // DuckDB's literals are INTEGER and its sums HUGEINT. GoogleSQL's only integer is INT64.
      const columns = await readRows(connection, `DESCRIBE ${select}`, values);
      const wide = columns.filter((column) => /^(HUGEINT|INTEGER)$/.test(String(column.column_type)));
      const casts = wide.map(({ column_name }) => {
        const name = quote(String(column_name));
        return `CAST(${name} AS BIGINT) AS ${name}`;
      });
      const query = casts.length === 0 ? select : `SELECT * REPLACE (${casts.join(", ")}) FROM (${select})`;

      await dropOtherKind(connection, model);
      if (model.materialization === "view") {
        await connection.run(`CREATE OR REPLACE VIEW ${path} AS ${query}`);
        return { rows: 0, bytesBilled: 0 };
      }
      if (model.materialization === "table") {
        await connection.run(`CREATE OR REPLACE TABLE ${path} AS ${query}`, values);
      } else {
        await connection.run(
          `CREATE TABLE IF NOT EXISTS ${path} AS SELECT * FROM (${query}) LIMIT 0`,
          values,
        );
        await addColumns(connection, model.target, `SELECT * FROM (${query})`, values);
      }
      if (model.materialization === "append") return { rows: 0, bytesBilled: 0 };
      if (model.materialization === "partition") {
        await connection.run(replaced, bindingsOf(condition, parameters));
        const order = model.sorted ? ` ORDER BY ${model.clusterBy.map(quote).join(", ")}` : "";
        const inserted = await connection.run(`INSERT INTO ${path} BY NAME FROM (${query})${order}`, values);
        return { rows: inserted.rowsChanged, bytesBilled: 0 };
      }
      const [row] = await readRows(connection, `SELECT COUNT(*) AS rows FROM ${path}`);
      return { rows: Number(row?.rows), bytesBilled: 0 };
    });
  }

  async query(sql: string, parameters: Parameters = {}): Promise<Row[]> {
    return await Array.fromAsync(this.stream(sql, parameters));
  }

  async columns<Name extends string>(
    sql: string,
    names: readonly Name[],
    parameters: Parameters = {},
  ): Promise<Record<Name, Float64Array>> {
    const numbers = names.map((name) => `CAST(${quote(name)} AS DOUBLE)`).join(", ");
    const query = `SELECT ${numbers} FROM (${await translate(sql, parameters, TRANSLATIONS)})`;
    return await this.withConnection(async (connection) => {
      const columns = names.map((name) => new NumberColumn(name));
      try {
        const result = await connection.stream(query, bindingsOf(sql, parameters));
        for await (const chunk of result)
          for (const [index, column] of columns.entries()) {
            const vector = chunk.getColumnVector(index);
            for (let row = 0; row < vector.itemCount; row += 1) column.add(vector.getItem(row));
          }
      } catch (error) {
        throw duckDbError(sql, error);
      }
      return valuesOf(columns);
    });
  }

  async *stream(sql: string, parameters: Parameters = {}): AsyncGenerator<Row> {
    const translated = await translate(sql, parameters, TRANSLATIONS);
    const connection = await this.#instance.connect();
    try {
      const result = await connection.stream(translated, bindingsOf(sql, parameters));
      for await (const rows of result.yieldConvertedRowObjects(toPlain)) yield* rows as Row[];
    } catch (error) {
      throw duckDbError(sql, error);
    } finally {
      connection.closeSync();
    }
  }

  async replaceRows(
    target: Target,
    key: Readonly<Record<string, string>>,
    rows: readonly Row[],
  ): Promise<Outcome> {
    const path = pathOf(target);
    return await this.#transaction("", async (connection) => {
      const conditions = Object.keys(key).map((column) => `CAST(${quote(column)} AS VARCHAR) = $${column}`);
      await connection.run(`DELETE FROM ${path} WHERE ${conditions.join(" AND ")}`, { ...key });
      if (rows.length > 0) {
        // One JSON document with the types of the table, so that the statement does not grow with the rows.
        const columns = await readRows(connection, `DESCRIBE ${path}`);
        const structure = Object.fromEntries(columns.map((row) => [row.column_name, row.column_type]));
        const unknown = Object.keys(Object.assign({}, ...rows)).filter((column) => !(column in structure));
        if (unknown.length > 0)
          throw new UserError(`${target.dataset}.${target.name} has no column ${unknown.join(", ")}.`);
        const nulls = Object.fromEntries(Object.keys(structure).map((column) => [column, null]));
        await connection.run(
          `INSERT INTO ${path} BY NAME SELECT UNNEST(from_json_strict($rows::JSON, $structure), recursive := true)`,
          {
            rows: JSON.stringify(rows.map((row) => ({ ...nulls, ...row }))),
            structure: JSON.stringify([structure]),
          },
        );
      }
      return { rows: rows.length, bytesBilled: 0 };
    });
  }

  async exportParquet(sql: string, parameters: Parameters, folder: string): Promise<void> {
    const path = fileURLToPath(folder);
    mkdirSync(path, { recursive: true });
    const select = await translate(sql, parameters, TRANSLATIONS);
    const copy = `COPY (${select}) TO ${literal(join(path, "part-0.parquet"))} (FORMAT parquet)`;
    await this.withConnection((connection) => connection.run(copy, bindingsOf(sql, parameters)));
  }

  async replaceByParquet(target: Target, runDate: string, files: readonly ParquetFiles[]): Promise<Outcome> {
    const path = pathOf(target);
    return await this.#transaction("", async (connection) => {
      await connection.run(`DELETE FROM ${path} WHERE run_date = CAST($run_date AS DATE)`, {
        run_date: runDate,
      });
      let rows = 0;
      for (const { folder, columns, constants } of files) {
        const values = Object.entries({ run_date: runDate, ...constants }).map(
          ([name, value]) => `${literal(value)} AS ${quote(name)}`,
        );
        const select = [...columns.map(quote), ...values].join(", ");
        const glob = literal(join(fileURLToPath(folder), "*.parquet"));
        const inserted = await connection
          .run(`INSERT INTO ${path} BY NAME SELECT ${select} FROM read_parquet(${glob})`)
          .catch((error: Error) => {
            throw unreadable(target, folder, error);
          });
        rows += inserted.rowsChanged;
      }
      return { rows, bytesBilled: 0 };
    });
  }

  async close(): Promise<void> {
    this.#instance.closeSync();
  }

  /** Creates a dataset once, outside of the models' transactions, because those would conflict. */
  #makeDataset(dataset: string): Promise<unknown> {
    const made =
      this.#datasets.get(dataset) ??
      this.withConnection((connection) => connection.run(`CREATE SCHEMA IF NOT EXISTS ${quote(dataset)}`));
    this.#datasets.set(dataset, made);
    return made;
  }

  async #transaction<T>(sql: string, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    return await this.withConnection(async (connection) => {
      await connection.run("BEGIN");
      try {
        const result = await work(connection);
        await connection.run("COMMIT");
        return result;
      } catch (error) {
        await connection.run("ROLLBACK").catch(() => undefined);
        throw error instanceof UserError || error instanceof QueryError ? error : duckDbError(sql, error);
      }
    });
  }
}

/**
 * What DuckDB holds in memory before it writes to PATH.tmp: DUCKDB_MEMORY_LIMIT, or 3 GB and at most 80 % of the machine's
 * memory. Node.js needs some hundred MB more.
 */
function memoryLimit(): string {
  const machine = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  const given = process.env.DUCKDB_MEMORY_LIMIT;
  if (given === undefined) return `${Math.floor(Math.min(3e9, 0.8 * machine) / 1e6)}MB`;
  if (/^\d+(\.\d+)? ?[MG]i?B$/.test(given)) return given;
  throw new UserError(`DUCKDB_MEMORY_LIMIT is ${given || "empty"}.`, {
    remedy: "Give a number with MB, GB, MiB or GiB, for example DUCKDB_MEMORY_LIMIT=8GB, or unset it.",
  });
}

async function openFile(path: string, lockTimeout: number): Promise<DuckDBInstance> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return await pRetry(() => DuckDBInstance.create(path, { memory_limit: memoryLimit() }), {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 20,
      maxTimeout: 500,
      maxRetryTime: lockTimeout,
      shouldRetry: ({ error }) => error.message.includes("Could not set lock"),
    });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { message } = error as Error;
    const [reason, remedy] = message.includes("Could not set lock")
      ? ["another process has it open", "End that process or wait for it, then try again."]
      : [
          message.split("\n")[0],
          "Check that the folder is writable and has free space. If the file is damaged, move it away and run again.",
        ];
    throw new UserError(`The warehouse ${path} can't be opened: ${reason}.`, {
      status: 503,
      remedy,
      cause: error,
    });
  }
}

const unreadable = ({ dataset, name }: Target, folder: string, cause: Error): UserError =>
  new UserError(
    `The Parquet files in ${folder} do not fit ${dataset}.${name}: ${cause.message.split("\n")[0]}`,
    {
      remedy: "docs/own-model.md lists the columns of a candidate's predictions.",
      cause,
    },
  );

/** Drops the view of a model that is now a table, or the table of one that is now a view: DuckDB does not replace these. */
async function dropOtherKind(
  connection: DuckDBConnection,
  { target, materialization }: Model,
): Promise<void> {
  const kind = materialization === "view" ? "table" : "view";
  const found = await connection.runAndReadAll(
    `SELECT 1 FROM duckdb_${kind}s() WHERE database_name = $project AND schema_name = $dataset AND ${kind}_name = $name`,
    { ...target },
  );
  if (found.currentRowCount > 0) await connection.run(`DROP ${kind} ${pathOf(target)}`);
}

/** Adds the query's new columns to the table, so that an edited model takes effect at once. */
async function addColumns(
  connection: DuckDBConnection,
  target: Target,
  query: string,
  values: Record<string, DuckDBValue>,
): Promise<void> {
  const wanted = await readRows(connection, `DESCRIBE ${query}`, values);
  const columns = await readRows(connection, `DESCRIBE ${pathOf(target)}`);
  const present = new Map(columns.map((row) => [row.column_name, row.column_type]));
  for (const { column_name, column_type } of wanted) {
    const type = present.get(column_name);
    if (type === undefined) {
      await connection.run(
        `ALTER TABLE ${pathOf(target)} ADD COLUMN ${quote(String(column_name))} ${column_type}`,
      );
    } else if (type !== column_type) {
      throw new UserError(
        `Column ${column_name} of ${target.dataset}.${target.name} would change its type from ${type} to ${column_type}.`,
        { remedy: "Give the column another name, or move the data folder away to start with a new one." },
      );
    }
  }
}
