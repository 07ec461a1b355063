import type { DuckDBConnection } from "@duckdb/node-api";
import { quote } from "./duckdb.ts";
import { nameOf, type Target } from "./query.ts";
import { TOLERANCE } from "./row-comparison.ts";

/** How the rows of a table differ from its snapshot. */
export interface RowDiff {
  readonly table: string;
  /** Columns that identify a row. Without any, a changed row counts as removed and added. */
  readonly key: readonly string[];
  readonly before: number;
  readonly after: number;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly columns: readonly {
    readonly column: string;
    readonly rows: number;
    readonly examples: readonly { readonly key: string; readonly before: unknown; readonly after: unknown }[];
  }[];
}

const tablePath = ({ dataset, name }: Target): string => `${quote(dataset)}.${quote(name)}`;
const snapshotOf = (target: Target): string => `__before.${quote(nameOf(target))}`;

async function read(connection: DuckDBConnection, sql: string): Promise<Record<string, unknown>[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJson();
}

/** Names and DuckDB types of a table's columns; none without the table. */
async function describeTable(connection: DuckDBConnection, path: string): Promise<Map<string, string>> {
  const rows = await read(connection, `DESCRIBE ${path}`).catch(() => []);
  return new Map(rows.map((row) => [String(row.column_name), String(row.column_type)]));
}

/** Copies a table or view, if there is one. */
export async function snapshot(connection: DuckDBConnection, target: Target): Promise<void> {
  await connection.run("CREATE SCHEMA IF NOT EXISTS __before");
  if ((await describeTable(connection, tablePath(target))).size === 0) return;
  await connection.run(`CREATE OR REPLACE TABLE ${snapshotOf(target)} AS FROM ${tablePath(target)}`);
}

/**
 * Compares a table with its snapshot, in the columns that have the same type in both. Without a snapshot all rows are
 * new. `partition` is a condition that selects the rows to compare. Rows are paired by the first key found: the likely
 * key (partition and cluster columns), the likely key and one more column, then more and more columns. Floats that differ
 * by less than the share `tolerance` are equal.
 */
export async function rowDiff(
  connection: DuckDBConnection,
  target: Target,
  likelyKey: readonly string[],
  partition = "TRUE",
  tolerance = TOLERANCE,
): Promise<RowDiff> {
  const was = await describeTable(connection, snapshotOf(target));
  const is = await describeTable(connection, tablePath(target));
  if (was.size === 0) {
    const [row] = await read(
      connection,
      `SELECT COUNT(*) AS rows FROM ${tablePath(target)} WHERE ${partition}`,
    );
    const after = Number(row?.rows);
    const none = { key: [], before: 0, removed: 0, changed: 0, columns: [] };
    return { table: nameOf(target), ...none, after, added: after };
  }
  const common = [...is.keys()].filter((name) => was.get(name) === is.get(name));
  const side = (path: string): string => `(SELECT * FROM ${path} WHERE ${partition})`;
  const [before, after] = [side(snapshotOf(target)), side(tablePath(target))];

  const names = (columns: readonly string[]): string => columns.map(quote).join(", ");
  const isKey = async (columns: readonly string[]): Promise<boolean> => {
    const distinct = (from: string): string =>
      `(SELECT COUNT(*) FROM ${from}) = (SELECT COUNT(*) FROM (SELECT DISTINCT ${names(columns)} FROM ${from}))`;
    const [row] = await read(connection, `SELECT ${distinct(before)} AND ${distinct(after)} AS is_key`);
    return row?.is_key === true;
  };
  const likely = likelyKey.filter((name) => common.includes(name));
  const others = common.filter((name) => !likely.includes(name));
  const candidates = [
    ...(likely.length > 0 ? [likely] : []),
    ...others.map((name) => [...likely, name]),
    ...others.map((_, index) => [...likely, ...others.slice(0, index + 1)]),
  ].filter((columns) => columns.length < common.length);
  let key: string[] = [];
  for (const candidate of candidates) {
    if (!(await isKey(candidate))) continue;
    key = candidate;
    break;
  }

  const [counts] = await read(
    connection,
    `SELECT (SELECT COUNT(*) FROM ${before}) AS before, (SELECT COUNT(*) FROM ${after}) AS after`,
  );
  const table = nameOf(target);
  const rows = { table, key, before: Number(counts?.before), after: Number(counts?.after) };
  if (key.length === 0) {
    const missing = async (from: string, other: string): Promise<number> => {
      const sql = `SELECT COUNT(*) AS rows FROM (SELECT ${names(common)} FROM ${from} EXCEPT ALL SELECT ${names(common)} FROM ${other})`;
      return Number((await read(connection, sql))[0]?.rows);
    };
    const [added, removed] = [await missing(after, before), await missing(before, after)];
    return { ...rows, added, removed, changed: 0, columns: [] };
  }
  const differs = (name: string): string => {
    const [b, a] = [`b.${quote(name)}`, `a.${quote(name)}`];
    const close = /^(DOUBLE|FLOAT)$/.test(is.get(name)!)
      ? `AND NOT COALESCE(ABS(${a} - ${b}) <= ${tolerance} * GREATEST(ABS(${a}), ABS(${b})), FALSE)`
      : "";
    return `(${a} IS DISTINCT FROM ${b} ${close})`;
  };
  const same = key.map((name) => `a.${quote(name)} IS NOT DISTINCT FROM b.${quote(name)}`).join(" AND ");
  const pairs = `(SELECT *, TRUE AS __there FROM ${before}) AS b FULL JOIN (SELECT *, TRUE AS __there FROM ${after}) AS a ON ${same}`;
  const both = "(a.__there AND b.__there)";
  const values = common.filter((name) => !key.includes(name));
  const [found = {}] = await read(
    connection,
    `SELECT COUNT(*) FILTER (b.__there IS NULL) AS added, COUNT(*) FILTER (a.__there IS NULL) AS removed,
       COUNT(*) FILTER (${both} AND (${["FALSE", ...values.map(differs)].join(" OR ")})) AS changed
       ${values.map((name, index) => `, COUNT(*) FILTER (${both} AND ${differs(name)}) AS c${index}`).join("")}
     FROM ${pairs}`,
  );
  const columns = [];
  for (const [index, column] of values.entries()) {
    const changed = Number(found[`c${index}`]);
    if (changed === 0) continue;
    const shown = key.map((name) => `CAST(b.${quote(name)} AS VARCHAR)`).join(", ");
    const examples = await read(
      connection,
      `SELECT CONCAT_WS(', ', ${shown}) AS key, b.${quote(column)} AS before, a.${quote(column)} AS after
       FROM ${pairs} WHERE ${both} AND ${differs(column)} ORDER BY ${key.map((name) => `b.${quote(name)}`).join(", ")} LIMIT 3`,
    );
    columns.push({
      column,
      rows: changed,
      examples: examples as { key: string; before: unknown; after: unknown }[],
    });
  }
  const [added, removed, changed] = [found.added, found.removed, found.changed].map(Number);
  return { ...rows, added: added!, removed: removed!, changed: changed!, columns };
}
