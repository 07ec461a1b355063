import { availableParallelism } from "node:os";
import { PGraph, PGraphError } from "p-graph";
import { type Parameters, QueryError, type Target, type Warehouse } from "../../contracts/warehouse.ts";
import type { Logger } from "../../lib/log.ts";
import { UserError } from "../../lib/user-error.ts";
import type { Action, Graph } from "../../packages/dataform-check/src/dataform.ts";
import { describeQueryError } from "./source-position.ts";

/** An assertion that was checked. */
export interface Check {
  readonly check_name: string;
  readonly severity: "error" | "warning";
  readonly failed_rows: number;
  readonly description: string;
}

/** What running a part of the project did. */
export interface Result {
  readonly rows: Record<string, number>;
  bytesBilled: number;
  readonly checks: Check[];
  /** A sentence for each assertion that does not hold, with the rows that break it. */
  readonly warnings: string[];
  readonly failures: string[];
}

const key = ({ project, dataset, name }: Target): string => `${project}.${dataset}.${name}`;

/**
 * Makes the models in dependency order, independent ones in parallel, and then checks the assertions among the actions.
 * Actions that others outside depend on, or that depend on others outside, are taken as they are.
 * Throws a UserError with file, line and column when the warehouse refuses a query. Assertions that do not hold are in
 * the result: the caller keeps it before it fails.
 */
export async function runActions(
  warehouse: Warehouse,
  projectDir: string,
  actions: readonly Action[],
  parameters: Parameters,
  log: Logger,
): Promise<Result> {
  const result: Result = { rows: {}, bytesBilled: 0, checks: [], warnings: [], failures: [] };
  const models = actions.filter(({ kind }) => kind === "model");
  const assertions = actions
    .filter(({ kind }) => kind === "assertion")
    // A line of its own, so that the query has the same columns alone and inside another one.
    .map((assertion) => ({ ...assertion, query: `\n${assertion.query}\n` }));

  await inOrder(models, async (model) => {
    const startedAt = performance.now();
    const outcome = await explained(projectDir, model, () => warehouse.materialize(model, parameters));
    const name = `${model.target.dataset}.${model.target.name}`;
    if (model.materialization === "table" || model.materialization === "partition")
      result.rows[name] = outcome.rows;
    result.bytesBilled += outcome.bytesBilled;
    log.debug(
      { table: name, rows: outcome.rows, ms: Math.round(performance.now() - startedAt) },
      `made ${name}`,
    );
  });
  await inOrder(assertions, async (assertion) => {
    const check = await explained(projectDir, assertion, () =>
      checkAssertion(warehouse, assertion, parameters),
    );
    result.checks.push(check.check);
    if (check.sentence === undefined) return;
    (check.check.severity === "error" ? result.failures : result.warnings).push(check.sentence);
  });
  return result;
}

/** The actions of a step: those that have its tag. */
export const actionsOfStep = (graph: Graph, step: string): Action[] =>
  graph.actions.filter(({ tags }) => tags.includes(step));

async function inOrder(actions: readonly Action[], run: (action: Action) => Promise<void>): Promise<void> {
  const nodes = Object.fromEntries(actions.map((action) => [key(action.target), { run: () => run(action) }]));
  const edges = actions.flatMap((action) =>
    action.dependencies
      .map(key)
      .filter((dependency) => dependency in nodes)
      .map((dependency): [string, string] => [dependency, key(action.target)]),
  );
  try {
    await new PGraph(nodes, edges).run({ concurrency: Math.max(4, availableParallelism()), continue: true });
  } catch (error) {
    throw error instanceof PGraphError ? error.taskErrors[0] : error;
  }
}

async function explained<T>(projectDir: string, action: Action, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    throw new UserError(describeQueryError(projectDir, action, error), { cause: error });
  }
}

async function checkAssertion(
  warehouse: Warehouse,
  assertion: Action,
  parameters: Parameters,
): Promise<{ check: Check; sentence: string | undefined }> {
  const [counted] = await warehouse.query(
    `SELECT COUNT(*) AS failed_rows FROM (${assertion.query})`,
    parameters,
  );
  const check: Check = {
    check_name: assertion.target.name,
    severity: assertion.tags.includes("warning") ? "warning" : "error",
    failed_rows: Number(counted?.failed_rows),
    description: assertion.description,
  };
  if (check.failed_rows === 0) return { check, sentence: undefined };
  const rows = await warehouse.query(`SELECT * FROM (${assertion.query}) LIMIT 3`, parameters);
  const more = check.failed_rows > rows.length ? ` and ${check.failed_rows - rows.length} more` : "";
  const sentence = `${check.check_name} does not hold: ${check.description} Instead: ${rows
    .map((row) => JSON.stringify(row))
    .join(", ")}${more}`;
  return { check, sentence };
}
