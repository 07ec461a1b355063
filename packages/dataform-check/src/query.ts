/** A query parameter: its GoogleSQL type and its value (dates as YYYY-MM-DD). */
export interface Parameter {
  readonly type: "DATE" | "FLOAT64" | "INT64" | "STRING";
  readonly value: string | number | null;
}
export type Parameters = Readonly<Record<string, Parameter>>;

/** A table or view. */
export interface Target {
  readonly project: string;
  readonly dataset: string;
  readonly name: string;
}

/** `dataset.name`, the name for people. */
export const nameOf = ({ dataset, name }: Target): string => `${dataset}.${name}`;

/** `project.dataset.name`, unique in a project. */
export const fullNameOf = (target: Target): string => `${target.project}.${nameOf(target)}`;

/** The table in a GoogleSQL query. */
export const pathOf = ({ project, dataset, name }: Target): string =>
  `\`${project}\`.\`${dataset}\`.\`${name}\``;

export type Row = Record<string, unknown>;

/** A column of a table or query, with its GoogleSQL type, for example ARRAY<STRUCT<day DATE, amount FLOAT64>>. */
export interface Column {
  readonly name: string;
  readonly type: string;
}

/** A function that SQL can call: plain JavaScript without Node's APIs. */
export interface Routine {
  readonly name: string;
  readonly parameters: readonly { readonly name: string; readonly type: "FLOAT64" }[];
  readonly returns: "FLOAT64";
  readonly description: string;
  readonly call: (...values: number[]) => number;
}

/** A place in a query; line and column start at 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A query that is not valid, with the place in the query where it is known. */
export class QueryError extends Error {
  readonly position: Position | undefined;

  constructor(message: string, position?: Position, cause?: unknown) {
    super(message, { cause });
    this.name = "QueryError";
    this.position = position;
  }
}

/** The position of an offset in a text. */
export function positionOf(text: string, offset: number): Position {
  const before = text.slice(0, Math.max(0, Math.min(offset, text.length)));
  return { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
}
