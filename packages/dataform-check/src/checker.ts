import type { Config } from "./config.ts";
import { correlatedSubqueryError } from "./correlated-subqueries.ts";
import type { Action, Graph } from "./dataform.ts";
import { type FunctionCheck, functionCheck } from "./functions.ts";
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
  /** Actions whose query or inputs changed since the last check. */
  readonly changed: readonly Action[];
  /** Actions that read a table whose columns are not known. Only their syntax is checked. */
  readonly notAnalyzed: readonly { readonly action: Action; readonly why: string }[];
}

/** An analysis, the text of an error, or why the query can't be analyzed. */
type Result = { readonly analysis?: Analysis; readonly problem?: string; readonly why?: string };

/** Checks a project with GoogleSQL's analyzer. A repeated check analyzes only what changed. */
export class SqlChecker {
  readonly analyzer: GoogleSqlAnalyzer;
  readonly config: Config;
  readonly #projectDir: string;
  readonly #functionError: FunctionCheck | undefined;
  readonly #known = new Map<string, { readonly text: string; readonly result: Result }>();

  private constructor(
    projectDir: string,
    config: Config,
    analyzer: GoogleSqlAnalyzer,
    functionError: FunctionCheck | undefined,
  ) {
    this.#projectDir = projectDir;
    this.config = config;
    this.analyzer = analyzer;
    this.#functionError = functionError;
  }

  /** @throws UserError when there is no analyzer for this platform. */
  static async start(projectDir: string, config: Config): Promise<SqlChecker> {
    const analyzer = await GoogleSqlAnalyzer.start();
    return new SqlChecker(
      projectDir,
      config,
      analyzer,
      config.duckdb ? await functionCheck(analyzer) : undefined,
    );
  }

  /** Checks a project once. */
  static async check(projectDir: string, config: Config, graph: Graph): Promise<Checked> {
    await using checker = await SqlChecker.start(projectDir, config);
    return await checker.check(graph);
  }

  /** @throws UserError that names a source with types for some columns only. */
  async check(graph: Graph): Promise<Checked> {
    const columns = new Map<string, readonly Column[]>();
    /** Why the columns of a table are not known. */
    const unknown = new Map(
      graph.opaque.map(({ target, why }) => [fullNameOf(target), `${nameOf(target)} ${why}`]),
    );
    for (const source of graph.sources) {
      const { target, file } = source;
      const typed = typedColumns(source, this.config);
      if (typed.length > 0) columns.set(fullNameOf(target), typed);
      else unknown.set(fullNameOf(target), `the source ${nameOf(target)} declares no column types (${file})`);
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
      const name = fullNameOf(action.target);
      const inputs = action.dependencies.map(fullNameOf);
      await Promise.all(inputs.flatMap((input) => byName.get(input) ?? []).map(resultOf));
      const why = inputs.map((input) => unknown.get(input)).find((each) => each !== undefined);
      const catalog = catalogOf(action, graph, columns, this.config);
      const text = JSON.stringify([action.query, why ?? catalog.tables]);
      let { text: before, result } = this.#known.get(name) ?? {};
      if (result === undefined || before !== text) {
        changed.push(action);
        result = await this.#resultOf(action, catalog, why);
        this.#known.set(name, { text, result });
      }
      if (result.analysis !== undefined) columns.set(name, result.analysis.columns);
      else unknown.set(name, result.why ?? `${nameOf(action.target)} is not valid`);
      return result;
    };
    const done = await Promise.all(
      graph.actions.map(async (action) => ({ action, ...(await resultOf(action)) })),
    );
    return {
      columns,
      changed,
      analyses: new Map(done.flatMap(({ action, analysis }) => (analysis ? [[action, analysis]] : []))),
      problems: done.flatMap(({ problem }) => problem ?? []),
      notAnalyzed: done.flatMap(({ action, why }) => (why === undefined ? [] : { action, why })),
    };
  }

  async close(): Promise<void> {
    await this.analyzer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** `why`: the action reads a table without columns, so that only its syntax is checked. */
  async #resultOf(action: Action, catalog: Catalog, why?: string): Promise<Result> {
    const { query, kind } = action;
    try {
      if (why !== undefined) {
        await this.analyzer.parse(query);
        return { why };
      }
      const analysis = await this.analyzer.analyze(query, catalog, this.config.parameters);
      const error =
        (kind === "model" ? namesError(analysis) : undefined) ??
        viewParameterError(action, analysis) ??
        joinError(query, analysis.statement) ??
        correlatedSubqueryError(query, analysis.statement) ??
        this.#functionError?.(query, analysis);
      if (error !== undefined) throw error;
      return { analysis };
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      const [, table] = /^Table not found: ([^;]+)/.exec(error.message) ?? [];
      if (table !== undefined) return { why: `the table ${table} is not declared` };
      if (tokensOf(query).some((token) => token.text === "|>"))
        return { why: `${nameOf(action.target)} uses pipe syntax, which the analyzer does not know` };
      return { problem: describeQueryError(this.#projectDir, action, error) };
    }
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
  const [untyped] = all.filter(({ type }) => !isType(type));
  if (untyped === undefined) return all;
  if (configured === undefined && !all.some(({ type }) => isType(type))) return [];
  const { name, type } = untyped;
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
