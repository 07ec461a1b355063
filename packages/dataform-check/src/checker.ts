import { join } from "node:path";
import type { Config } from "./config.ts";
import { correlatedSubqueryError } from "./correlated-subqueries.ts";
import type { Action, Graph } from "./dataform.ts";
import { FunctionRules } from "./functions.ts";
import { type Analysis, type Catalog, GoogleSqlAnalyzer } from "./googlesql-analyzer.ts";
import { isType } from "./googlesql-values.ts";
import { joinError } from "./joins.ts";
import { type Column, fullNameOf, nameOf, QueryError } from "./query.ts";
import { nodesOf, placeOf } from "./resolved-tree.ts";
import { describeQueryError } from "./source-position.ts";
import { tokensOf } from "./sqlx-tokens.ts";
import { UserError } from "./user-error.ts";

/** Columns of tables, by project.dataset.name. */
export type Columns = ReadonlyMap<string, readonly Column[]>;

/** The result of the analysis of a project. */
export interface Checked {
  /** Of sources with types and of valid models and assertions. */
  readonly columns: Columns;
  readonly analyses: ReadonlyMap<Action, Analysis>;
  /** A text for each query that is not valid: file, line and column, the error, the line and a caret. */
  readonly problems: readonly string[];
  /** Actions whose query or inputs are not those of the check before. */
  readonly changed: readonly Action[];
  /** Actions that read a table whose columns are not known. Only their syntax is checked. */
  readonly notAnalysed: readonly { readonly action: Action; readonly why: string }[];
}

/** An analysis, the text of an error, or why the query can't be analysed. */
type Result = { readonly analysis?: Analysis; readonly problem?: string; readonly why?: string };

/** Checks a project with GoogleSQL's analyzer. A repeated check analyses only what changed. */
export class SqlChecker {
  readonly analyzer: GoogleSqlAnalyzer;
  readonly config: Config;
  readonly #projectDir: string;
  readonly #rules: FunctionRules | undefined;
  readonly #known = new Map<string, { readonly text: string; readonly result: Result }>();

  private constructor(
    projectDir: string,
    config: Config,
    analyzer: GoogleSqlAnalyzer,
    rules: FunctionRules | undefined,
  ) {
    this.#projectDir = projectDir;
    this.config = config;
    this.analyzer = analyzer;
    this.#rules = rules;
  }

  /** @throws UserError when there is no analyzer for this platform. */
  static async start(projectDir: string, config: Config): Promise<SqlChecker> {
    const analyzer = await GoogleSqlAnalyzer.start();
    const rules = config.duckdb ? await FunctionRules.load(analyzer) : undefined;
    return new SqlChecker(projectDir, config, analyzer, rules);
  }

  /** Runs the work with a checker and stops the checker. */
  static async with<T>(
    projectDir: string,
    config: Config,
    work: (checker: SqlChecker) => Promise<T>,
  ): Promise<T> {
    const checker = await SqlChecker.start(projectDir, config);
    try {
      return await work(checker);
    } finally {
      await checker.close();
    }
  }

  /** @throws UserError that names a source with types for some columns only. */
  async check(graph: Graph): Promise<Checked> {
    const columns = new Map<string, readonly Column[]>();
    const unknown = new Map(
      graph.opaque.map(({ target, why }) => [fullNameOf(target), `${nameOf(target)} ${why}`]),
    );
    for (const source of graph.sources) {
      const typed = typedColumns(source, this.config);
      if (typed.length > 0) columns.set(fullNameOf(source.target), typed);
      else
        unknown.set(
          fullNameOf(source.target),
          `the source ${nameOf(source.target)} declares no column types (${source.file})`,
        );
    }
    const changed: Action[] = [];
    const byName = new Map(graph.actions.map((action) => [fullNameOf(action.target), action]));
    const results = new Map<Action, Promise<Result>>();
    const resultOf = (action: Action): Promise<Result> => {
      const result = results.get(action) ?? afterInputs(action);
      results.set(action, result);
      return result;
    };
    const afterInputs = async (action: Action): Promise<Result> => {
      const inputs = action.dependencies.map(fullNameOf);
      await Promise.all(inputs.flatMap((name) => byName.get(name) ?? []).map(resultOf));
      const missing = inputs.find((name) => !columns.has(name));
      const why = missing === undefined ? undefined : unknown.get(missing)!;
      const catalog = catalogOf(action, graph, columns, this.config);
      const text = JSON.stringify([action.query, why ?? catalog.tables]);
      const result = await this.#once(action, text, changed, () =>
        why === undefined ? this.#analyze(action, catalog) : this.#parse(action, why),
      );
      const name = fullNameOf(action.target);
      if (result.analysis !== undefined) columns.set(name, result.analysis.columns);
      else unknown.set(name, result.why ?? `${nameOf(action.target)} is not valid`);
      return result;
    };
    const done = await Promise.all(
      graph.actions.map(async (action) => [action, await resultOf(action)] as const),
    );
    return {
      columns,
      changed,
      analyses: new Map(done.flatMap(([action, { analysis }]) => (analysis ? [[action, analysis]] : []))),
      problems: done.flatMap(([, { problem }]) => problem ?? []),
      notAnalysed: done.flatMap(([action, { why }]) => (why === undefined ? [] : [{ action, why }])),
    };
  }

  async close(): Promise<void> {
    await this.analyzer.close();
  }

  async #analyze(action: Action, catalog: Catalog): Promise<Result> {
    const analysis = await this.analyzer.analyze(action.query, catalog, this.config.parameters);
    const error =
      (action.kind === "model" ? namesError(analysis) : undefined) ??
      viewParameterError(action, analysis) ??
      joinError(action.query, analysis.statement) ??
      correlatedSubqueryError(action.query, analysis.statement) ??
      this.#rules?.errorIn(action.query, analysis);
    if (error !== undefined) throw error;
    return { analysis };
  }

  /** Checks only the syntax of a query that reads a table without columns. */
  async #parse({ query }: Action, why: string): Promise<Result> {
    await this.analyzer.parse(query);
    return { why };
  }

  async #once(action: Action, text: string, changed: Action[], work: () => Promise<Result>): Promise<Result> {
    const key = fullNameOf(action.target);
    const known = this.#known.get(key);
    if (known?.text === text) return known.result;
    changed.push(action);
    const result = await work().catch((error): Result => {
      if (!(error instanceof QueryError)) throw error;
      const [, table] = /^Table not found: ([^;]+)/.exec(error.message) ?? [];
      if (table !== undefined) return { why: `the table ${table} is not declared` };
      if (tokensOf(action.query).some((token) => token.text === "|>"))
        return { why: `${nameOf(action.target)} uses pipe syntax, which the analyzer does not know` };
      return { problem: describeQueryError(this.#projectDir, action, error) };
    });
    this.#known.set(key, { text, result });
    return result;
  }
}

/** The tables that an action reads, and the routines. */
export function catalogOf(
  action: Action,
  { home }: Graph,
  columns: Columns,
  { routines = [] }: Config,
): Catalog {
  return {
    tables: action.dependencies.map((target) => ({ target, columns: columns.get(fullNameOf(target)) ?? [] })),
    routines,
    home,
  };
}

/** The columns of a source with their types; none when the source declares no types. */
function typedColumns({ target, columns }: Graph["sources"][number], { sources = {} }: Config): Column[] {
  const configured = sources[fullNameOf(target)];
  const all =
    configured === undefined
      ? columns.map(({ name, type }) => ({ name, type }))
      : Object.entries(configured).map(([name, type]) => ({ name, type }));
  const untyped = all.filter(({ type }) => !isType(type));
  if (untyped.length === 0) return all;
  if (untyped.length === all.length && configured === undefined) return [];
  const { name, type } = untyped[0]!;
  const given = type === "" ? "" : `: ${JSON.stringify(type)} is not a GoogleSQL type`;
  throw new UserError(`Column ${name} of the source ${nameOf(target)} has no type${given}.`, {
    remedy: `Add the type in the declaration: ${name}: { description: "…", tags: ["STRING"] }.`,
  });
}

/** BigQuery: "You can't reference query parameters in views" (https://cloud.google.com/bigquery/docs/views). */
function viewParameterError({ kind, materialization, query }: Action, { statement }: Analysis) {
  if (kind === "assertion" || materialization !== "view") return undefined;
  const [, used] = [...nodesOf(statement)].find(([field]) => field === "resolved_parameter_node") ?? [];
  if (used === undefined) return undefined;
  return new QueryError(
    `BigQuery refuses the parameter @${used.name} in a view. Make the model a table or incremental, or filter where the view is read (view-parameter)`,
    placeOf(query, used),
  );
}

/** The columns of a table need different names. There is no place for the error: a missing name has no text. */
function namesError({ columns }: Analysis): QueryError | undefined {
  const names = columns.map(({ name }) => name.toLowerCase());
  const unnamed = names.findIndex((name) => name === "" || name.startsWith("$"));
  if (unnamed >= 0) return new QueryError(`Column ${unnamed + 1} has no name. Write … AS name.`);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  return twice === undefined ? undefined : new QueryError(`Two columns have the name ${twice}.`);
}

/** The tables that hold data, with what the project says about them and their columns: the content of tables.json. */
export function tablesOf({ actions }: Graph, { columns }: Checked): object[] {
  return actions
    .filter(({ kind, materialization }) => kind === "model" && materialization !== "view")
    .map(({ target, description, partitionBy, clusterBy, columns: descriptions }) => ({
      dataset: target.dataset,
      name: target.name,
      description,
      ...(partitionBy === undefined ? {} : { partitionBy }),
      clusterBy,
      columns: (columns.get(fullNameOf(target)) ?? []).map(({ name, type }) => ({
        name,
        type,
        description: descriptions[name] ?? "",
      })),
    }))
    .sort((one, other) => (`${one.dataset}.${one.name}` < `${other.dataset}.${other.name}` ? -1 : 1));
}

export const tablesFile = (projectDir: string): string => join(projectDir, "tables.json");
