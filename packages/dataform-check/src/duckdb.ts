import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBScalarFunction,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
  quotedIdentifier as quote,
  quotedString,
} from "@duckdb/node-api";
import type { Table } from "./googlesql-analyzer.ts";
import { DUCKDB_TYPES, parametersOf, translate, withoutText } from "./googlesql-to-duckdb.ts";
import {
  fullNameOf,
  type Parameters,
  positionOf,
  QueryError,
  type Routine,
  type Row,
  type Target,
} from "./query.ts";

/** The table in a DuckDB query. */
export const duckDbPathOf = ({ project, dataset, name }: Target): string =>
  [project, dataset, name].map(quote).join(".");

/** The values of the parameters that a query uses. */
export const bindingsOf = (sql: string, parameters: Parameters): Record<string, DuckDBValue> =>
  Object.fromEntries([...parametersOf(sql)].map((name) => [name, parameters[name]?.value ?? null]));

/** Integers and decimals as numbers, dates as YYYY-MM-DD, timestamps as ISO 8601 in UTC. */
export function toPlain(value: DuckDBValue): unknown {
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value;
  // The text of a timestamp with time zone is in the time zone of this process.
  const utc = value instanceof DuckDBTimestampTZValue ? new DuckDBTimestampValue(value.micros) : value;
  const text = utc.toString();
  const timestamp = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)$/.exec(text);
  if (timestamp) return `${timestamp[1]}T${timestamp[2]}Z`;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

/** Rows of a query in DuckDB's dialect. */
export async function readRows(
  connection: DuckDBConnection,
  sql: string,
  values?: Record<string, DuckDBValue>,
): Promise<Row[]> {
  return (await connection.runAndReadAll(sql, values)).convertRowObjects(toPlain) as Row[];
}

/** Makes routines callable as schema.name() in all connections. The schema must exist. */
export async function createRoutines(
  connection: DuckDBConnection,
  routines: readonly Routine[],
  schema: string,
): Promise<void> {
  for (const routine of routines) {
    connection.registerScalarFunction(scalarFunction(routine));
    const names = routine.parameters.map(({ name }) => quote(name)).join(", ");
    const name = quote(routine.name);
    await connection.run(`CREATE OR REPLACE MACRO ${schema}.${name}(${names}) AS ${name}(${names})`);
  }
}

function scalarFunction({ name, parameters, call }: Routine): DuckDBScalarFunction {
  // One array for all rows: an array a row takes longer than most routines.
  const values = parameters.map(() => Number.NaN);
  return DuckDBScalarFunction.create({
    name,
    parameterTypes: parameters.map(() => DOUBLE),
    returnType: DOUBLE,
    specialHandling: true,
    mainFunction: (_, input, output) => {
      const { rowCount } = input;
      const columns = parameters.map((_, index) => input.getColumnVector(index));
      for (let row = 0; row < rowCount; row += 1) {
        let hasNull = false;
        for (let i = 0; i < columns.length; i += 1) {
          const value = columns[i]!.getItem(row) as number | null;
          if (value === null) hasNull = true;
          else values[i] = value;
        }
        output.setItem(row, hasNull ? null : call(...values));
      }
      output.flush();
    },
  });
}

/** DuckDB's places are in the translated query. The name of what it did not find gives the place in the query as written. */
export function duckDbError(sql: string, error: unknown): QueryError {
  const message = (error as Error).message.split("\n\nLINE ")[0]!.trim();
  const named = /(?:column named|column|named|function with name|Table with name) "?(\w+)"?/i.exec(
    message,
  )?.[1];
  const offset = named === undefined ? -1 : withoutText(sql).search(new RegExp(`\\b${named}\\b`, "i"));
  return new QueryError(message, offset < 0 ? undefined : positionOf(sql, offset), error);
}

/** A DuckDB in memory that runs GoogleSQL queries on small tables, for tests. */
export class TestDuckDb {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  /** `home` is the project and dataset that the queries call the routines in. */
  static async open(
    routines: readonly Routine[] = [],
    home: { project: string; dataset: string } = { project: "p", dataset: "d" },
  ): Promise<TestDuckDb> {
    const instance = await DuckDBInstance.create();
    const duckdb = new TestDuckDb(instance, await instance.connect());
    await duckdb.#connection.run("SET GLOBAL TimeZone = 'UTC'");
    await duckdb.#createSchema(home);
    await createRoutines(duckdb.#connection, routines, `${quote(home.project)}.${quote(home.dataset)}`);
    return duckdb;
  }

  /** Replaces tables. */
  async fill(tables: readonly Table[]): Promise<void> {
    for (const { target, columns, rows = [] } of tables) {
      await this.#createSchema(target);
      const types = columns.map(({ name, type }) => {
        if (DUCKDB_TYPES[type] !== undefined) return `${quote(name)} ${DUCKDB_TYPES[type]}`;
        throw new QueryError(`Column ${name} of ${fullNameOf(target)} is ${type}, which tests can't fill.`);
      });
      const values = rows.map((row) => `(${columns.map(({ name }) => literal(row[name])).join(", ")})`);
      await this.#connection.run(`CREATE OR REPLACE TABLE ${duckDbPathOf(target)} (${types.join(", ")})`);
      if (values.length > 0)
        await this.#connection.run(`INSERT INTO ${duckDbPathOf(target)} VALUES ${values.join(", ")}`);
    }
  }

  /** @throws QueryError */
  async query(sql: string, parameters: Parameters = {}): Promise<Row[]> {
    const translated = await translate(sql, parameters);
    return await readRows(this.#connection, translated, bindingsOf(sql, parameters)).catch((error) => {
      throw duckDbError(sql, error);
    });
  }

  close(): void {
    this.#instance.closeSync();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #createSchema({ project, dataset }: { project: string; dataset: string }): Promise<void> {
    await this.#connection.run(
      `ATTACH IF NOT EXISTS ':memory:' AS ${quote(project)}; CREATE SCHEMA IF NOT EXISTS ${quote(project)}.${quote(dataset)}`,
    );
  }
}

const literal = (value: unknown): string =>
  value === null || value === undefined ? "NULL" : quotedString(String(value));
