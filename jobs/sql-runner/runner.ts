import { availableParallelism } from "node:os";
import { type Action, compile, type Graph, type Overrides } from "dataform-check/dataform";
import { fullNameOf, nameOf } from "dataform-check/query";
import { describeQueryError } from "dataform-check/source-position";
import { PGraph, PGraphError } from "p-graph";
import { type Parameters, QueryError, type Row, type Warehouse } from "../../contracts/warehouse.ts";
import type { Logger } from "../../lib/log.ts";
import { UserError } from "../../lib/user-error.ts";

/** The result of an assertion, a row of ops.checks without the run. */
export interface AssertionResult {
  readonly check_name: string;
  readonly severity: "error" | "warning";
  readonly failed_rows: number;
  readonly description: string;
}

/** The result of running a part of the project. */
export interface Result {
  readonly rows: Record<string, number>;
  bytesBilled: number;
  readonly checks: AssertionResult[];
  /** A sentence for each assertion that fails, with rows that break it. */
  readonly warnings: string[];
  readonly failures: string[];
}

/**
 * Compiles a project to run it.
 * @throws UserError when it does not compile, or has actions that this runner can't run.
 */
export function compileToRun(projectDir: string, overrides: Overrides): Graph {
  const graph = compile(projectDir, overrides);
  if (graph.ignored.length > 0)
    throw new UserError(graph.ignored.join("\n"), {
      remedy: "Write one SELECT per file, without operations.",
    });
  return graph;
}

/**
 * Creates the models and checks the assertions in the order of their dependencies, independent ones in parallel.
 * Dependencies outside of these actions are ignored. Failed assertions are in the result.
 * @throws UserError with file, line and column when the warehouse refuses a query.
 */
export async function runActions(
  warehouse: Warehouse,
  projectDir: string,
  actions: readonly Action[],
  parameters: Parameters,
  log: Logger,
): Promise<Result> {
  const result: Result = { rows: {}, bytesBilled: 0, checks: [], warnings: [], failures: [] };
  const create = async (model: Action): Promise<void> => {
    const startedAt = performance.now();
    const outcome = await withPlace(projectDir, model, () => warehouse.materialize(model, parameters));
    const name = nameOf(model.target);
    if (model.materialization === "table" || model.materialization === "partition")
      result.rows[name] = outcome.rows;
    result.bytesBilled += outcome.bytesBilled;
    log.debug(
      { table: name, rows: outcome.rows, ms: Math.round(performance.now() - startedAt) },
      `created ${name}`,
    );
  };
  const check = async (action: Action): Promise<void> => {
    // On its own line the query has the same positions alone and inside another query.
    const assertion = { ...action, query: `\n${action.query}\n` };
    const { check, sentence } = await withPlace(projectDir, assertion, () =>
      checkAssertion(warehouse, assertion, parameters),
    );
    result.checks.push(check);
    if (sentence === undefined) return;
    (check.severity === "error" ? result.failures : result.warnings).push(sentence);
  };
  await inOrder(actions, (action) => (action.kind === "model" ? create(action) : check(action)));
  return result;
}

/** The actions that have the step's tag. */
export const actionsOfStep = (graph: Graph, step: string): Action[] =>
  graph.actions.filter(({ tags }) => tags.includes(step));

async function inOrder(actions: readonly Action[], run: (action: Action) => Promise<void>): Promise<void> {
  const nodes = Object.fromEntries(
    actions.map((action) => [fullNameOf(action.target), { run: () => run(action) }]),
  );
  const edges = actions.flatMap((action) =>
    action.dependencies
      .map(fullNameOf)
      .filter((dependency) => dependency in nodes)
      .map((dependency): [string, string] => [dependency, fullNameOf(action.target)]),
  );
  try {
    await new PGraph(nodes, edges).run({ concurrency: Math.max(4, availableParallelism()), continue: true });
  } catch (error) {
    throw error instanceof PGraphError ? error.taskErrors[0] : error;
  }
}

async function withPlace<T>(projectDir: string, action: Action, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    throw new UserError(describeQueryError(projectDir, action, error), { cause: error });
  }
}

/** A row for people: "customer_id 12, purchases 173". */
const textOf = (row: Row): string =>
  Object.entries(row)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

async function checkAssertion(
  warehouse: Warehouse,
  assertion: Action,
  parameters: Parameters,
): Promise<{ check: AssertionResult; sentence: string | undefined }> {
  const [counted] = await warehouse.query(
    `SELECT COUNT(*) AS failed_rows FROM (${assertion.query})`,
    parameters,
  );
  const check: AssertionResult = {
    check_name: assertion.target.name,
    severity: assertion.tags.includes("warning") ? "warning" : "error",
    failed_rows: Number(counted?.failed_rows),
    description: assertion.description,
  };
  if (check.failed_rows === 0) return { check, sentence: undefined };
  const rows = await warehouse.query(`SELECT * FROM (${assertion.query}) LIMIT 3`, parameters);
  const more = check.failed_rows > rows.length ? [`and ${check.failed_rows - rows.length} more`] : [];
  const found = [...rows.map(textOf), ...more].join("; ");
  const sentence = `${check.check_name} does not hold: ${check.description} Found: ${found}.`;
  return { check, sentence };
}
