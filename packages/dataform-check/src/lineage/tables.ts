import { UserError } from "../../../../lib/user-error.ts";
import { catalogOf, nameOf, PARAMETERS, type SqlChecker } from "../checker.ts";
import { type ColumnLineage, columnLineage } from "../column-lineage.ts";
import type { Action, Graph } from "../dataform.ts";
import { translate } from "../googlesql-to-duckdb.ts";

/** A table of the project as lineage shows it; tables are named dataset.name. */
export interface LineageTable {
  readonly name: string;
  /** `source`: a table of others. Else how the model is kept. */
  readonly kind: "source" | Action["materialization"];
  readonly description: string;
  readonly file: string;
  /** Tables that it is made of. */
  readonly inputs: readonly string[];
  /** Assertions about it. */
  readonly checks: readonly string[];
  readonly columns: readonly LineageColumn[];
  /** The query in both dialects; a source has none. */
  readonly googlesql?: string;
  readonly duckdb?: string;
}

export interface LineageColumn extends ColumnLineage {
  readonly description: string;
  /** Columns of sources and logs that it is made of in the end, as table.column. */
  readonly sources: readonly string[];
}

/**
 * Sources and models, each with its columns and what they are made of. Throws a UserError with all places where a query is
 * wrong.
 */
export async function lineageTables(graph: Graph, checker: SqlChecker): Promise<LineageTable[]> {
  const layOut = await duckdbFormatter();
  const { columns, problems } = await checker.check(graph);
  if (problems.length > 0) throw new UserError(problems.join("\n"));
  const names = new Map(
    [...graph.sources, ...graph.actions].map(({ target }) => [
      `${target.project}.${target.dataset}.${target.name}`,
      nameOf(target),
    ]),
  );
  const checksOf = (name: string): string[] =>
    graph.actions.flatMap(({ kind, target, dependencies }) =>
      kind === "assertion" && dependencies.some((each) => nameOf(each) === name) ? [target.name] : [],
    );
  const sources = graph.sources.map(
    (source): LineageTable => ({
      name: nameOf(source.target),
      kind: "source",
      description: source.description,
      file: source.file,
      inputs: [],
      checks: checksOf(nameOf(source.target)),
      columns: source.columns.map((column) => ({ ...column, inputs: [], sources: [] })),
    }),
  );
  const models = graph.actions
    .filter(({ kind }) => kind === "model")
    .map(async (action): Promise<LineageTable> => {
      const name = nameOf(action.target);
      const catalog = catalogOf(action, graph, columns);
      const lineage = columnLineage(
        action.query,
        await checker.analyzer.analyze(action.query, catalog, PARAMETERS),
      );
      const translated = await translate(action.query, PARAMETERS);
      return {
        name,
        kind: action.materialization,
        description: action.description,
        file: action.file,
        inputs: action.dependencies.map(nameOf),
        checks: checksOf(name),
        columns: lineage.map((column) => ({
          ...column,
          description: action.columns[column.name] ?? "",
          sources: [],
          inputs: column.inputs.map((input) => ({ ...input, table: names.get(input.table) ?? input.table })),
        })),
        googlesql: action.query.trim(),
        duckdb: layOut(translated),
      };
    });
  return withSources([...sources, ...(await Promise.all(models))]);
}

function withSources(tables: readonly LineageTable[]): LineageTable[] {
  const known = new Map(tables.map((table) => [table.name, table]));
  const sourcesOf = (table: string, name: string): string[] => {
    const column = known.get(table)?.columns.find((each) => each.name === name);
    // What jobs write into a log is of no table.
    if (["source", "log"].includes(known.get(table)?.kind ?? "")) return [`${table}.${name}`];
    return (column?.inputs ?? []).flatMap((input) => sourcesOf(input.table, input.column));
  };
  return tables.map((table) => ({
    ...table,
    columns: table.columns.map((column) => ({
      ...column,
      sources: ["source", "log"].includes(table.kind) ? [] : [...new Set(sourcesOf(table.name, column.name))],
    })),
  }));
}

/** Lays DuckDB's SQL out for people; what neither formatter can read stays as it is. */
async function duckdbFormatter(): Promise<(sql: string) => string> {
  const polyglot = await import("@polyglot-sql/sdk");
  const { format } = await import("sql-formatter");
  return (sql) => {
    const { sql: formatted } = polyglot.format(sql, polyglot.Dialect.DuckDB);
    if (formatted?.[0] !== undefined) return formatted[0];
    try {
      return format(sql, { language: "duckdb", paramTypes: { named: ["$"] } });
    } catch {
      return sql;
    }
  };
}
