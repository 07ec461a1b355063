import { join } from "node:path";
import { runSettings } from "../../../contracts/run.ts";
import { QueryError, type Target } from "../../../contracts/warehouse.ts";
import { routines } from "../../../jobs/clv/routines.ts";
import { sqlParameters } from "../../../jobs/sql-runner/parameters.ts";
import { describeQueryError } from "../../../jobs/sql-runner/source-position.ts";
import { UserError } from "../../../lib/user-error.ts";
import type { Action, Graph } from "./dataform.ts";
import { FunctionRules } from "./functions.ts";
import { type Analysis, type Catalog, GoogleSqlAnalyzer } from "./googlesql-analyzer.ts";
import { type Column, typeMessage } from "./googlesql-values.ts";

export const nameOf = ({ dataset, name }: Target): string => `${dataset}.${name}`;

/** The parameters that every query of the project may use. */
export const PARAMETERS = sqlParameters({ ...runSettings.parse({}), run_date: "2024-01-01", model_id: "" });

/** What is known of a project that was checked. */
export interface Checked {
  /** Columns of the sources, models and assertions that are right, by dataset.name. */
  readonly columns: ReadonlyMap<string, readonly Column[]>;
  /** A text for each query that is wrong: file, line and column, what is wrong, the line and a caret. */
  readonly problems: readonly string[];
  /** Actions whose query or tables are not those of the check before. */
  readonly changed: readonly Action[];
  /** Actions that were not looked at, because a model that they read is wrong. */
  readonly waiting: readonly Action[];
}

/** Checks a project with GoogleSQL's analyzer, again and again: only what changed is analysed anew. */
export class SqlChecker {
  readonly analyzer: GoogleSqlAnalyzer;
  readonly #projectDir: string;
  readonly #known = new Map<string, { text: string; columns?: readonly Column[]; problem?: string }>();

  readonly #rules: FunctionRules;

  private constructor(analyzer: GoogleSqlAnalyzer, rules: FunctionRules, projectDir: string) {
    this.analyzer = analyzer;
    this.#rules = rules;
    this.#projectDir = projectDir;
  }

  /** Throws a UserError when there is no analyzer for this platform. */
  static async start(projectDir: string): Promise<SqlChecker> {
    const analyzer = await GoogleSqlAnalyzer.start();
    return new SqlChecker(analyzer, await FunctionRules.load(analyzer), projectDir);
  }

  /** Analyses every model and assertion in the order of their dependencies. Throws a UserError that names a source without types. */
  async check(graph: Graph): Promise<Checked> {
    const columns = new Map<string, readonly Column[]>(
      graph.sources.map((source) => {
        for (const { name, type } of source.columns) checkType(nameOf(source.target), name, type);
        return [nameOf(source.target), source.columns.map(({ name, type }) => ({ name, type }))];
      }),
    );
    const changed: Action[] = [];
    const problems: string[] = [];
    let waiting = graph.actions;
    for (let ready = waiting; ready.length > 0; ) {
      ready = waiting.filter(({ dependencies }) => dependencies.every((each) => columns.has(nameOf(each))));
      waiting = waiting.filter((action) => !ready.includes(action));
      const results = await Promise.all(ready.map((action) => this.#look(action, graph, columns, changed)));
      for (const [index, result] of results.entries()) {
        if (result.problem !== undefined) problems.push(result.problem);
        if (result.columns !== undefined) columns.set(nameOf(ready[index]!.target), result.columns);
      }
    }
    return { columns, problems, changed, waiting };
  }

  async close(): Promise<void> {
    await this.analyzer.close();
  }

  async #look(
    action: Action,
    graph: Graph,
    columns: ReadonlyMap<string, readonly Column[]>,
    changed: Action[],
  ): Promise<{ columns?: readonly Column[]; problem?: string }> {
    const catalog = catalogOf(action, graph, columns);
    const text = JSON.stringify([action.query, catalog.tables]);
    const key = nameOf(action.target);
    const known = this.#known.get(key);
    if (known?.text === text) return known;
    changed.push(action);
    const result = await this.analyzer
      .analyze(action.query, catalog, PARAMETERS)
      .then((analysis) => {
        const error =
          (action.kind === "model" ? namesError(analysis) : undefined) ??
          this.#rules.errorIn(action.query, analysis);
        if (error !== undefined) throw error;
        return { columns: analysis.columns };
      })
      .catch((error) => {
        if (!(error instanceof QueryError)) throw error;
        return { problem: describeQueryError(this.#projectDir, action, error) };
      });
    this.#known.set(key, { text, ...result });
    return result;
  }
}

/** The tables that an action reads, and the routines. */
export function catalogOf(
  action: Action,
  { home }: Graph,
  columns: ReadonlyMap<string, readonly Column[]>,
): Catalog {
  return {
    tables: action.dependencies.map((target) => ({ target, columns: columns.get(nameOf(target)) ?? [] })),
    routines,
    routinesDataset: home,
  };
}

/** A table's columns have names, each its own; the error has no place because a column without a name has no text for it. */
function namesError({ columns }: Analysis): QueryError | undefined {
  const names = columns.map(({ name }) => name.toLowerCase());
  const unnamed = names.findIndex((name) => name === "" || name.startsWith("$"));
  if (unnamed >= 0) return new QueryError(`Column ${unnamed + 1} has no name: write … AS name.`);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  return twice === undefined ? undefined : new QueryError(`Two columns have the name ${twice}.`);
}

function checkType(table: string, column: string, type: string): void {
  try {
    typeMessage(type);
  } catch (error) {
    throw new UserError(`Column ${column} of the source ${table} has no type: ${(error as Error).message}`, {
      remedy: `Give it in the declaration: ${column}: { description: "…", tags: ["STRING"] }.`,
    });
  }
}

/** The tables that hold data, for the stack that declares them: what Dataform says of them, and their columns. */
export function tablesOf({ actions }: Graph, { columns }: Checked): object[] {
  return actions
    .filter(({ kind, materialization }) => kind === "model" && materialization !== "view")
    .map(({ target, description, partitionBy, clusterBy, columns: descriptions }) => ({
      dataset: target.dataset,
      name: target.name,
      description,
      ...(partitionBy === undefined ? {} : { partitionBy }),
      clusterBy,
      columns: (columns.get(nameOf(target)) ?? []).map(({ name, type }) => ({
        name,
        type,
        description: descriptions[name] ?? "",
      })),
    }))
    .sort((one, other) => (`${one.dataset}.${one.name}` < `${other.dataset}.${other.name}` ? -1 : 1));
}

export const tablesFile = (projectDir: string): string => join(projectDir, "tables.json");
