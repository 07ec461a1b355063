import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { CORE_SCHEMA, load } from "js-yaml";
import { z } from "zod";
import { type Columns, catalogOf, type SqlChecker } from "./checker.ts";
import type { Config } from "./config.ts";
import type { Action, Graph } from "./dataform.ts";
import type { TestDuckDb } from "./duckdb.ts";
import { type Column, fullNameOf } from "./query.ts";
import { compareRows } from "./row-comparison.ts";
import { parse, UserError } from "./user-error.ts";

// A number may also be .nan or .inf.
const number = z.custom<number>(
  (value) => typeof value === "number",
  "must be text, a number, true, false or null",
);
const rows = z.array(z.record(z.string(), z.union([z.string(), number, z.boolean(), z.null()])));
const unitTests = z
  .array(
    z.strictObject({
      name: z.string().min(1),
      parameters: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
      given: z.record(z.string(), rows).default({}),
      expect: rows,
    }),
  )
  .min(1);

/**
 * A unit test of a model or assertion. `parameters`: values that differ from the configuration. `given`: rows of the
 * tables that it reads; other tables are empty. `expect`: all rows in any order, in the columns that any of them names.
 */
export interface UnitTest extends z.output<typeof unitTests.element> {
  readonly file: string;
  readonly action: Action;
}

/**
 * The unit tests of a project: the files model.test.yaml below definitions.
 * @throws UserError that names a file with a wrong field or without a model.
 */
export function unitTestsOf(projectDir: string, { actions }: Graph): UnitTest[] {
  const folder = join(projectDir, "definitions");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".test.yaml"),
  );
  return files.sort().flatMap((name) => {
    const file = join(folder, name);
    const model = basename(name, ".test.yaml");
    const action = actions.find(({ target }) => target.name === model);
    if (action === undefined)
      throw new UserError(`${file}: there is no model ${model}.`, {
        remedy: "Give the file the name of its model: model.test.yaml.",
      });
    return parse(unitTests, readYaml(file), file).map((test) => ({ ...test, file, action }));
  });
}

function readYaml(file: string): unknown {
  try {
    return load(readFileSync(file, "utf8"), { schema: CORE_SCHEMA });
  } catch (error) {
    throw new UserError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Runs a unit test in DuckDB and, if the query calls no routine, in GoogleSQL's reference evaluator, which runs no
 * JavaScript. Returns a text for each different result.
 * @throws UserError that names a table, column or parameter that the query does not have.
 */
export async function runUnitTest(
  test: UnitTest,
  graph: Graph,
  columns: Columns,
  { checker, duckdb }: { checker: SqlChecker; duckdb: TestDuckDb },
): Promise<string[]> {
  const { query, target } = test.action;
  const { config, analyzer } = checker;
  const catalog = catalogOf(test.action, graph, columns, config);
  const namesOf = (list: readonly Column[]): string[] => list.map(({ name }) => name);
  const output = namesOf(columns.get(fullNameOf(target)) ?? []);
  const where = `${test.file}: "${test.name}"`;
  const allow = (part: string, given: readonly string[], known: readonly string[]): void => {
    const unknown = given.find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw new UserError(`${where}: ${part} has ${unknown}; allowed are ${known.join(", ") || "none"}.`);
  };
  const tables = catalog.tables.map((table) => ({ ...table, rows: test.given[table.target.name] ?? [] }));
  const tableNames = tables.map(({ target }) => target.name);
  allow("given", Object.keys(test.given), tableNames);
  for (const { target, columns, rows } of tables)
    allow(`given ${target.name}`, rows.flatMap(Object.keys), namesOf(columns));
  allow("expect", test.expect.flatMap(Object.keys), output);
  allow("parameters", Object.keys(test.parameters), Object.keys(config.parameters ?? {}));
  const parameters = { ...config.parameters };
  for (const [name, value] of Object.entries(test.parameters))
    parameters[name] = { ...parameters[name]!, value };
  const wanted = test.expect.flatMap(Object.keys);
  const compared = wanted.length > 0 ? output.filter((name) => wanted.includes(name)) : output;

  await duckdb.fill(tables);
  const results = new Map([["DuckDB", await duckdb.query(query, parameters)]]);
  if (!callsRoutine(test.action, graph, config))
    results.set(
      "GoogleSQL's reference evaluator",
      await analyzer.evaluate(query, { ...catalog, tables }, parameters),
    );
  const byDifference = Map.groupBy(results.keys(), (reader) =>
    compareRows(test.expect, results.get(reader)!, compared),
  );
  return [...byDifference].flatMap(([difference, readers]) =>
    difference === undefined
      ? []
      : `${where} fails in ${readers.join(" and ")} (expected → actual):\n${difference}`,
  );
}

export const callsRoutine = ({ query }: Action, { home }: Graph, { routines = [] }: Config): boolean =>
  routines.some(({ name }) => query.includes(`\`${home.project}\`.\`${home.dataset}\`.${name}`));
