/** A query parameter: its GoogleSQL type and its value (dates as YYYY-MM-DD). */
export interface Parameter {
  readonly type: "DATE" | "FLOAT64" | "INT64" | "STRING";
  readonly value: string | number | null;
}
export type Parameters = Readonly<Record<string, Parameter>>;

/** A table or view: project, dataset, name. */
export interface Target {
  readonly project: string;
  readonly dataset: string;
  readonly name: string;
}
export const pathOf = (target: Target): string =>
  `\`${target.project}\`.\`${target.dataset}\`.\`${target.name}\``;

/** How a model is kept: `view`; `table`, made anew; `partition`, that of the run date replaced; `log`, made once, rows added by jobs. */
export type Materialization = "view" | "table" | "partition" | "log";

export interface Model {
  readonly target: Target;
  readonly materialization: Materialization;
  /** GoogleSQL, one SELECT. */
  readonly query: string;
  readonly partitionBy: string | undefined;
  readonly clusterBy: readonly string[];
}

/** A function that SQL can call by name in the dataset of the models: plain JavaScript without Node's APIs. */
export interface Routine {
  readonly name: string;
  readonly parameters: readonly { readonly name: string; readonly type: "FLOAT64" }[];
  readonly returns: "FLOAT64";
  readonly description: string;
  readonly call: (...values: number[]) => number;
}

export type Row = Record<string, unknown>;

/** What a statement did. */
export interface Outcome {
  readonly rows: number;
  readonly bytesBilled: number;
}

/**
 * Where the tables are. Queries are GoogleSQL with named parameters (@run_date); dates come back as YYYY-MM-DD,
 * timestamps as ISO 8601 in UTC, numbers as numbers (above 2^53 the nearest). Errors in a query are thrown as QueryError.
 */
export interface Warehouse {
  /** Project (BigQuery) or database (DuckDB) of tables that name none. */
  readonly project: string;
  /** Makes the view or table, replaces the partition of parameter run_date, or makes sure that the log is there; atomically. */
  materialize(model: Model, parameters: Parameters): Promise<Outcome>;
  query(sql: string, parameters?: Parameters): Promise<Row[]>;
  /** The same row by row, for more than fits in memory. */
  stream(sql: string, parameters?: Parameters): AsyncIterable<Row>;
  /**
   * Replaces, atomically, the rows of a log that have these values in these columns. Numbers that are not finite become
   * null. Throws, and changes nothing, when the log has no such column or a value is not of its column's type.
   */
  replaceRows(target: Target, key: Readonly<Record<string, string>>, rows: readonly Row[]): Promise<Outcome>;
  close(): Promise<void>;
}

/** A query that the warehouse refused, with the place in the query where it is known (both from 1). */
export class QueryError extends Error {
  readonly position: { readonly line: number; readonly column: number } | undefined;

  constructor(message: string, position?: { line: number; column: number }, cause?: unknown) {
    super(message, { cause });
    this.name = "QueryError";
    this.position = position;
  }
}
