import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import Table from "cli-table3";
import { CORE_SCHEMA, load } from "js-yaml";
import { z } from "zod";
import { DuckDbWarehouse } from "../../../adapters/duckdb.ts";
import type { Parameters, Row } from "../../../contracts/warehouse.ts";
import { pathOf } from "../../../contracts/warehouse.ts";
import { routines } from "../../../jobs/clv/routines.ts";
import { parse, UserError } from "../../../lib/user-error.ts";
import { catalogOf, nameOf, PARAMETERS } from "./checker.ts";
import type { Action, Graph } from "./dataform.ts";
import type { GoogleSqlAnalyzer, Table as SqlTable } from "./googlesql-analyzer.ts";
import { DUCKDB_TYPES } from "./googlesql-to-duckdb.ts";
import type { Column } from "./googlesql-values.ts";

// A number may be .nan or .inf too.
const number = z.custom<number>(
  (value) => typeof value === "number",
  "must be a text, number, true, false or null",
);
const rows = z.array(z.record(z.string(), z.union([z.string(), number, z.boolean(), z.null()])));
const unitTests = z
  .array(
    z.strictObject({
      name: z.string().min(1).describe("What is true of the model."),
      parameters: z
        .record(z.string(), z.union([z.string(), z.number()]))
        .default({})
        .describe("The query's parameters that are not the settings' defaults; run_date is 2024-01-01."),
      given: z
        .record(z.string(), rows)
        .default({})
        .describe("Rows of the tables that it reads; others are empty."),
      expect: rows.describe("All its rows in any order, in the columns that any of them names."),
    }),
  )
  .min(1);

/** A unit test of a model or assertion. */
export interface UnitTest extends z.output<typeof unitTests.element> {
  readonly file: string;
  readonly action: Action;
}

/** The unit tests of a project: model.test.yaml anywhere below its definitions. Throws a UserError that names a wrong file. */
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
        remedy: "Name the file as its model: model.test.yaml.",
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

/** Tables in a DuckDB of their own, for the time of the work. */
export async function withDuckDb<T>(work: (warehouse: DuckDbWarehouse) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "sql-check-"));
  const warehouse = await DuckDbWarehouse.open(join(folder, "warehouse.duckdb"), { routines });
  try {
    return await work(warehouse);
  } finally {
    await warehouse.close();
    rmSync(folder, { recursive: true });
  }
}

/** Makes tables anew with their rows. */
export async function fillTables(warehouse: DuckDbWarehouse, tables: readonly SqlTable[]): Promise<void> {
  const statements = tables.flatMap(({ target, columns, rows = [] }) => {
    const path = pathOf(target).replaceAll("`", '"');
    const structure = columns.map(({ name, type }) => `"${name}" ${DUCKDB_TYPES[type]}`).join(", ");
    const values = rows.map((row) => `(${columns.map(({ name }) => literal(row[name])).join(", ")})`);
    return [
      `CREATE SCHEMA IF NOT EXISTS "${target.dataset}"`,
      `CREATE OR REPLACE TABLE ${path} (${structure})`,
      ...(values.length === 0 ? [] : [`INSERT INTO ${path} VALUES ${values.join(", ")}`]),
    ];
  });
  await warehouse.withConnection((connection) =>
    connection.run(["BEGIN", ...statements, "COMMIT"].join(";")),
  );
}

const literal = (value: unknown): string =>
  value === null || value === undefined ? "NULL" : `'${String(value).replaceAll("'", "''")}'`;

/**
 * Runs a unit test in both readers: in DuckDB, and in GoogleSQL's reference evaluator if the model calls no routine,
 * which are JavaScript. Answers a text for each difference. Throws a UserError that names a
 * table or column that the model does not read.
 */
export async function runUnitTest(
  test: UnitTest,
  graph: Graph,
  columns: ReadonlyMap<string, readonly Column[]>,
  readers: { warehouse: DuckDbWarehouse; analyzer: GoogleSqlAnalyzer },
): Promise<string[]> {
  const catalog = catalogOf(test.action, graph, columns);
  const known = catalog.tables.map(({ target }) => target.name);
  const output = (columns.get(nameOf(test.action.target)) ?? []).map(({ name }) => name);
  const where = `${test.file}: "${test.name}"`;
  refuse(where, "given", Object.keys(test.given), known);
  const tables = catalog.tables.map((table) => {
    const given = test.given[table.target.name] ?? [];
    refuse(
      where,
      `given ${table.target.name}`,
      given.flatMap(Object.keys),
      table.columns.map(({ name }) => name),
    );
    return { ...table, rows: given };
  });
  refuse(where, "expect", test.expect.flatMap(Object.keys), output);
  refuse(where, "parameters", Object.keys(test.parameters), Object.keys(PARAMETERS));
  const parameters: Parameters = Object.fromEntries(
    Object.entries(PARAMETERS).map(([name, { type, value }]) => [
      name,
      { type, value: test.parameters[name] ?? value },
    ]),
  );
  await fillTables(readers.warehouse, tables);
  const wanted = new Set(test.expect.flatMap(Object.keys));
  const compared = output.filter((name) => wanted.has(name));
  const { query } = test.action;
  const evaluate = (): Promise<Row[]> => readers.analyzer.evaluate(query, { ...catalog, tables }, parameters);
  const [duckdb, googlesql] = await Promise.all([
    readers.warehouse.query(query, parameters),
    callsRoutine(test.action, graph) ? undefined : evaluate(),
  ]);
  const results = [
    { reader: "DuckDB", rows: duckdb },
    ...(googlesql === undefined ? [] : [{ reader: "GoogleSQL's reference evaluator", rows: googlesql }]),
  ];
  const readersOf = new Map<string, string[]>();
  for (const { reader, rows } of results) {
    const difference = rowDiff(test.expect, rows, compared.length > 0 ? compared : output);
    if (difference !== undefined) readersOf.set(difference, [...(readersOf.get(difference) ?? []), reader]);
  }
  return [...readersOf].map(
    ([difference, names]) =>
      `${where} is not true in ${names.join(" and ")} (expected → actual):\n${difference}`,
  );
}

/** Whether a query calls a routine. */
export const callsRoutine = ({ query }: Action, { home }: Graph): boolean =>
  routines.some(({ name }) => query.includes(`\`${home.project}\`.\`${home.dataset}\`.${name}`));

function refuse(where: string, part: string, given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UserError(`${where}: ${part} names ${unknown}; allowed are ${known.join(", ") || "none"}.`);
}

/** Floats that differ by less than this share are equal: the readers may add them in another order. */
export const TOLERANCE = 1e-9;

function isEqual(one: unknown, other: unknown): boolean {
  if (typeof one !== "number" || typeof other !== "number") return (one ?? null) === (other ?? null);
  const greatest = Math.max(Math.abs(one), Math.abs(other));
  return (
    one === other ||
    Object.is(one, other) ||
    (greatest < Infinity && Math.abs(one - other) <= TOLERANCE * greatest)
  );
}

/** A table of the rows that differ, each beside the most similar one; undefined when the rows are equal in any order. */
export function rowDiff(
  expected: readonly Row[],
  actual: readonly Row[],
  columns: readonly string[],
): string | undefined {
  const differences = (one: Row, other: Row): number =>
    columns.filter((column) => !isEqual(one[column], other[column])).length;
  const left = [...actual];
  const missing = expected.filter((row) => {
    const found = left.findIndex((other) => differences(row, other) === 0);
    if (found >= 0) left.splice(found, 1);
    return found < 0;
  });
  if (missing.length === 0 && left.length === 0) return undefined;
  const show = (value: unknown): string => (typeof value === "string" ? value : String(value ?? null));
  const table = new Table({ head: ["", ...columns], style: { head: [], border: [], compact: true } });
  for (const row of missing) {
    const [nearest] = left.toSorted((one, other) => differences(row, one) - differences(row, other));
    if (nearest === undefined || differences(row, nearest) === columns.length) {
      table.push(["missing", ...columns.map((column) => show(row[column]))]);
      continue;
    }
    left.splice(left.indexOf(nearest), 1);
    const cells = columns.map((column) =>
      isEqual(row[column], nearest[column])
        ? show(row[column])
        : `${show(row[column])} → ${show(nearest[column])}`,
    );
    table.push(["differs", ...cells]);
  }
  for (const row of left) table.push(["too many", ...columns.map((column) => show(row[column]))]);
  return table.toString();
}
