import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBResultReader,
  DuckDBScalarFunction,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from "@duckdb/node-api";
import pRetry from "p-retry";
import {
  type Model,
  type Outcome,
  type Parameters,
  QueryError,
  type Routine,
  type Row,
  type Target,
  type Warehouse,
} from "../contracts/warehouse.ts";
import { UserError } from "../lib/user-error.ts";
import {
  parametersOf,
  positionOf,
  translate,
  withoutText,
} from "../packages/dataform-check/src/googlesql-to-duckdb.ts";

export interface DuckDbOptions {
  /** Functions that SQL can call, and the dataset that they are in. */
  readonly routines?: readonly Routine[];
  readonly routinesDataset?: string;
  /** How long to wait for another process that has the file, milliseconds. */
  readonly lockTimeout?: number;
}

/** The warehouse in a DuckDB file. Only one process at a time can have it open: the others wait for their turn. */
export class DuckDbWarehouse implements Warehouse {
  readonly project: string;
  readonly #instance: DuckDBInstance;
  readonly #translations: string;
  readonly #datasets = new Map<string, Promise<unknown>>();

  private constructor(instance: DuckDBInstance, project: string, translations: string) {
    this.#instance = instance;
    this.project = project;
    this.#translations = translations;
  }

  /** Throws a UserError when the file can't be opened or another process keeps it for longer than the lock timeout. */
  static async open(path: string, options: DuckDbOptions = {}): Promise<DuckDbWarehouse> {
    const instance = await openFile(path, options.lockTimeout ?? 120_000);
    const connection = await instance.connect();
    try {
      const { rows } = await read(connection, "SELECT current_database() AS project");
      const dataset = options.routinesDataset ?? "rfm";
      await connection.run(`SET GLOBAL TimeZone = 'UTC'; CREATE SCHEMA IF NOT EXISTS ${quote(dataset)}`);
      for (const routine of options.routines ?? []) {
        connection.registerScalarFunction(scalarFunction(routine));
        const names = routine.parameters.map(({ name }) => quote(name)).join(", ");
        await connection.run(
          `CREATE OR REPLACE MACRO ${quote(dataset)}.${quote(routine.name)}(${names}) AS ${quote(routine.name)}(${names})`,
        );
      }
      return new DuckDbWarehouse(instance, String(rows[0]?.project), join(dirname(path), "translations"));
    } finally {
      connection.closeSync();
    }
  }

  /** Runs the work on a connection of its own, in DuckDB's dialect: for what is of the embedded edition alone. */
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
    const select = await translate(model.query, parameters, this.#translations);
    const values = bindings(model.query, parameters);
    await this.#makeDataset(model.target.dataset);
    return await this.#transaction(model.query, async (connection) => {
      // DuckDB has INTEGER for literals and HUGEINT for sums; GoogleSQL's only integer is INT64.
      const columns = await read(connection, `DESCRIBE ${select}`, values);
      const wide = columns.rows.filter((column) => /^(HUGEINT|INTEGER)$/.test(String(column.column_type)));
      const casts = wide.map(({ column_name }) => {
        const name = quote(String(column_name));
        return `CAST(${name} AS BIGINT) AS ${name}`;
      });
      const query = casts.length === 0 ? select : `SELECT * REPLACE (${casts.join(", ")}) FROM (${select})`;

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
      if (model.materialization === "log") return { rows: 0, bytesBilled: 0 };
      if (model.materialization === "partition") {
        const date = quote(model.partitionBy ?? "run_date");
        await connection.run(`DELETE FROM ${path} WHERE ${date} = CAST($run_date AS DATE)`, {
          run_date: parameters.run_date?.value ?? null,
        });
        const inserted = await connection.run(`INSERT INTO ${path} BY NAME ${query}`, values);
        return { rows: inserted.rowsChanged, bytesBilled: 0 };
      }
      const { rows } = await read(connection, `SELECT COUNT(*) AS rows FROM ${path}`);
      return { rows: Number(rows[0]?.rows), bytesBilled: 0 };
    });
  }

  async query(sql: string, parameters: Parameters = {}): Promise<Row[]> {
    return await Array.fromAsync(this.stream(sql, parameters));
  }

  async *stream(sql: string, parameters: Parameters = {}): AsyncGenerator<Row> {
    const translated = await translate(sql, parameters, this.#translations);
    const connection = await this.#instance.connect();
    try {
      const result = await connection.stream(translated, bindings(sql, parameters));
      for await (const rows of result.yieldConvertedRowObjects(toPlain)) yield* rows as Row[];
    } catch (error) {
      throw queryError(sql, error);
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
        // One JSON document, typed by the table: a statement's work does not grow with the rows.
        const columns = (await read(connection, `DESCRIBE ${path}`)).rows;
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

  async close(): Promise<void> {
    this.#instance.closeSync();
  }

  /** Made once and outside of the models' transactions, which would collide in it. */
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
        throw queryError(sql, error);
      }
    });
  }
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const pathOf = ({ project, dataset, name }: Target): string => [project, dataset, name].map(quote).join(".");

function bindings(sql: string, parameters: Parameters): Record<string, DuckDBValue> {
  return Object.fromEntries([...parametersOf(sql)].map((name) => [name, parameters[name]?.value ?? null]));
}

async function openFile(path: string, lockTimeout: number): Promise<DuckDBInstance> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return await pRetry(() => DuckDBInstance.create(path), {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 20,
      maxTimeout: 500,
      maxRetryTime: lockTimeout,
      shouldRetry: ({ error }) => error.message.includes("Could not set lock"),
    });
  } catch (error) {
    const { message } = error as Error;
    const [reason, remedy] = message.includes("Could not set lock")
      ? ["another process has it open", "End that process or wait for it, then try again."]
      : [
          message.split("\n")[0],
          "Check that the folder can be written and has space left; if the file is broken, move it away and run again.",
        ];
    throw new UserError(`The warehouse ${path} can't be opened: ${reason}.`, {
      status: 503,
      remedy: remedy!,
      cause: error,
    });
  }
}

/** Columns that a query has and the table has not yet are added to it, so that an edited model counts at once. */
async function addColumns(
  connection: DuckDBConnection,
  target: Target,
  query: string,
  values: Record<string, DuckDBValue>,
): Promise<void> {
  const wanted = (await read(connection, `DESCRIBE ${query}`, values)).rows;
  const present = new Map(
    (await read(connection, `DESCRIBE ${pathOf(target)}`)).rows.map((row) => [
      row.column_name,
      row.column_type,
    ]),
  );
  for (const { column_name, column_type } of wanted) {
    const type = present.get(column_name);
    if (type === undefined) {
      await connection.run(
        `ALTER TABLE ${pathOf(target)} ADD COLUMN ${quote(String(column_name))} ${column_type}`,
      );
    } else if (type !== column_type) {
      throw new UserError(
        `Column ${column_name} of ${target.dataset}.${target.name} would change its type from ${type} to ${column_type}.`,
        { remedy: "Give the column another name, or move the data folder away: a new one is made." },
      );
    }
  }
}

async function read(
  connection: DuckDBConnection,
  sql: string,
  values?: Record<string, DuckDBValue>,
): Promise<{ rows: Row[] }> {
  const reader: DuckDBResultReader = await connection.runAndReadAll(sql, values);
  return { rows: reader.convertRowObjects(toPlain) };
}

/** Integers and decimals as numbers, dates as YYYY-MM-DD, timestamps as ISO 8601. */
function toPlain(value: DuckDBValue): unknown {
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value;
  // By itself a timestamp with time zone tells the time in that of this process.
  const utc = value instanceof DuckDBTimestampTZValue ? new DuckDBTimestampValue(value.micros) : value;
  const text = utc.toString();
  const timestamp = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)$/.exec(text);
  if (timestamp) return `${timestamp[1]}T${timestamp[2]}Z`;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function scalarFunction({ name, parameters, call }: Routine): DuckDBScalarFunction {
  return DuckDBScalarFunction.create({
    name,
    parameterTypes: parameters.map(() => DOUBLE),
    returnType: DOUBLE,
    specialHandling: true,
    mainFunction: (_, input, output) => {
      const columns = parameters.map((_, index) => input.getColumnVector(index));
      for (let row = 0; row < input.rowCount; row += 1) {
        const values = columns.map((column) => column.getItem(row) as number | null);
        output.setItem(row, values.includes(null) ? null : call(...(values as number[])));
      }
      output.flush();
    },
  });
}

/** DuckDB speaks of its own text; where it names what it did not find, that is looked up in the query as written. */
function queryError(sql: string, error: unknown): unknown {
  if (error instanceof UserError || error instanceof QueryError) return error;
  const message = (error as Error).message.split("\n\nLINE ")[0]!.trim();
  const named = /(?:column named|column|named|function with name|Table with name) "?(\w+)"?/i.exec(
    message,
  )?.[1];
  const offset = named === undefined ? -1 : withoutText(sql).search(new RegExp(`\\b${named}\\b`, "i"));
  return new QueryError(message, offset < 0 ? undefined : positionOf(sql, offset), error);
}
