import type { Model } from "dataform-check/dataform";
import type { Parameters, Row, Target } from "dataform-check/query";

export type { Materialization, Model } from "dataform-check/dataform";
export {
  type Parameter,
  type Parameters,
  pathOf,
  QueryError,
  type Routine,
  type Row,
  type Target,
} from "dataform-check/query";

/** How BigQuery partitions a table by a model's partitionBy: a date column, or DATE_TRUNC(column, MONTH). */
export function timePartitioning(partitionBy: string): { type: "DAY" | "MONTH"; field: string } {
  const month = /^DATE_TRUNC\((\w+), MONTH\)$/.exec(partitionBy)?.[1];
  return month === undefined ? { type: "DAY", field: partitionBy } : { type: "MONTH", field: month };
}

/** What a statement did. */
export interface Outcome {
  readonly rows: number;
  readonly bytesBilled: number;
}

/**
 * Where the tables are. Queries are GoogleSQL with named parameters such as @run_date. Dates come back as YYYY-MM-DD,
 * timestamps as ISO 8601 in UTC, numbers as numbers (above 2^53 the nearest). An invalid query throws QueryError.
 */
export interface Warehouse {
  /** Project (BigQuery) or database (DuckDB) of tables that name none. */
  readonly project: string;
  /**
   * Creates or replaces the view, the table, the partition of parameter run_date or the rows of the model's
   * updatePartitionFilter, or creates the append table; atomically.
   */
  materialize(model: Model, parameters: Parameters): Promise<Outcome>;
  query(sql: string, parameters?: Parameters): Promise<Row[]>;
  /**
   * These columns of the result, which must be numbers; null becomes NaN. For millions of rows: it makes no object for each row.
   */
  columns<Name extends string>(
    sql: string,
    names: readonly Name[],
    parameters?: Parameters,
  ): Promise<Record<Name, Float64Array>>;
  /** The same row by row, for results that do not fit in memory. */
  stream(sql: string, parameters?: Parameters): AsyncIterable<Row>;
  /**
   * Atomically replaces the rows of an append table that have the key's values. Numbers that are not finite become null.
   * Throws, and changes nothing, when the table lacks a column or a value does not have the type of its column.
   */
  replaceRows(target: Target, key: Readonly<Record<string, string>>, rows: readonly Row[]): Promise<Outcome>;
  /** Writes the rows of a query into a folder, a file: or gs: URL, as Parquet files. An ORDER BY orders the rows. */
  exportParquet(sql: string, parameters: Parameters, folder: string): Promise<void>;
  /**
   * Atomically replaces a run date of an append table by the rows of Parquet files.
   * @throws UserError or QueryError when a folder has no files, or the files lack a column or have another type in it
   */
  replaceByParquet(target: Target, runDate: string, files: readonly ParquetFiles[]): Promise<Outcome>;
  close(): Promise<void>;
}

/** The Parquet files of a folder, a file: or gs: URL. */
export interface ParquetFiles {
  readonly folder: string;
  /** The columns to take. Others are ignored. */
  readonly columns: readonly string[];
  /** Values of more columns of the table, the same for all rows. */
  readonly constants: Readonly<Record<string, string>>;
}
