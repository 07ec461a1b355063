import type { SqlChecker } from "../checker.ts";
import { type ColumnLineage, columnLineage } from "../column-lineage.ts";
import type { Action, Graph } from "../dataform.ts";
import { translate } from "../googlesql-to-duckdb.ts";
import { fullNameOf, nameOf } from "../query.ts";
import { UserError } from "../user-error.ts";

/** A table of the project with its lineage. Names of tables are dataset.name. */
export interface LineageTable {
  readonly name: string;
  readonly kind: "source" | Action["materialization"];
  readonly description: string;
  readonly file: string;
  /** The tables that it reads. */
  readonly inputs: readonly string[];
  /** The assertions about it. */
  readonly checks: readonly string[];
  readonly columns: readonly LineageColumn[];
  /** The query in both dialects. A source has none. */
  readonly googlesql?: string;
  readonly duckdb?: string;
}

export interface LineageColumn extends ColumnLineage {
  readonly description: string;
  /** The columns of sources and append tables that it depends on, as table.column. */
  readonly sources: readonly string[];
}

/**
 * Sources and models with the lineage of their columns. A model that can't be analyzed has no columns.
 * @throws UserError with all places where a query is not valid.
 */
export async function lineageTables(graph: Graph, checker: SqlChecker): Promise<LineageTable[]> {
  const { analyses, problems } = await checker.check(graph);
  if (problems.length > 0) throw new UserError(problems.join("\n"));
  const { Dialect, format } = await import("@polyglot-sql/sdk");
  const names = new Map(
    [...graph.sources, ...graph.actions].map(({ target }) => [fullNameOf(target), nameOf(target)]),
  );
  const checksOf = (name: string): string[] =>
    graph.actions.flatMap(({ kind, target, dependencies }) =>
      kind === "assertion" && dependencies.some((each) => nameOf(each) === name) ? [target.name] : [],
    );
  const sources = graph.sources.map(({ target, description, file, columns }): LineageTable => {
    const name = nameOf(target);
    const own = columns.map((column) => ({ ...column, inputs: [], sources: [] }));
    return { name, kind: "source", description, file, inputs: [], checks: checksOf(name), columns: own };
  });
  const models = graph.actions
    .filter(({ kind }) => kind === "model")
    .map(async (action): Promise<LineageTable> => {
      const { target, query, description, file } = action;
      const analysis = analyses.get(action);
      const lineage = analysis === undefined ? [] : columnLineage(query, analysis);
      // Without a translation the page shows GoogleSQL only.
      const duckdb = await translate(query, checker.config.parameters ?? {}).catch(() => undefined);
      return {
        name: nameOf(target),
        kind: action.materialization,
        description,
        file,
        inputs: action.dependencies.map(nameOf),
        checks: checksOf(nameOf(target)),
        columns: lineage.map((column) => ({
          ...column,
          description: action.columns[column.name] ?? "",
          sources: [],
          inputs: column.inputs.map((input) => ({ ...input, table: names.get(input.table) ?? input.table })),
        })),
        googlesql: query.trim(),
        ...(duckdb === undefined ? {} : { duckdb: format(duckdb, Dialect.DuckDB).sql?.[0] ?? duckdb }),
      };
    });
  return withSources([...sources, ...(await Promise.all(models))]);
}

function withSources(tables: readonly LineageTable[]): LineageTable[] {
  const known = new Map(tables.map((table) => [table.name, table]));
  // Jobs write append tables: their columns come from no other table.
  const isSource = (name: string): boolean => ["source", "append", undefined].includes(known.get(name)?.kind);
  const sourcesOf = (table: string, name: string): string[] => {
    if (isSource(table)) return [`${table}.${name}`];
    const column = known.get(table)?.columns.find((each) => each.name === name);
    return (column?.inputs ?? []).flatMap((input) => sourcesOf(input.table, input.column));
  };
  return tables.map((table) => ({
    ...table,
    columns: table.columns.map((column) => ({
      ...column,
      sources: isSource(table.name) ? [] : [...new Set(sourcesOf(table.name, column.name))],
    })),
  }));
}
