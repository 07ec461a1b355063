import { type DuckDBConnection, quotedIdentifier as quote } from "@duckdb/node-api";
import { readRows } from "./duckdb.ts";
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

/** Names and DuckDB types of a table's columns; none without the table. */
async function describeTable(connection: DuckDBConnection, path: string): Promise<Map<string, string>> {
  const rows = await readRows(connection, `DESCRIBE ${path}`).catch(() => []);
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
  const [old, current] = [snapshotOf(target), tablePath(target)];
  await connection.run(
    `CREATE SCHEMA IF NOT EXISTS __before; CREATE TABLE IF NOT EXISTS ${old} AS FROM ${current} LIMIT 0`,
  );
  const was = await describeTable(connection, old);
  const is = await describeTable(connection, current);
  const common = [...is.keys()].filter((name) => was.get(name) === is.get(name));
  const names = (columns: readonly string[]): string => columns.map(quote).join(", ");

  const likely = likelyKey.filter((name) => common.includes(name));
  const others = common.filter((name) => !likely.includes(name));
  const candidates = [
    likely,
    ...others.map((name) => [...likely, name]),
    ...others.map((_, index) => [...likely, ...others.slice(0, index + 1)]),
  ].filter((columns) => columns.length > 0 && columns.length < common.length);
  let key: string[] = [];
  for (const candidate of candidates) {
    const isUnique = (path: string): string =>
      `(SELECT COUNT(*) = COUNT(DISTINCT (${names(candidate)})) FROM ${path} WHERE ${partition})`;
    const [row] = await readRows(connection, `SELECT ${isUnique(old)} AND ${isUnique(current)} AS is_key`);
    if (row?.is_key !== true) continue;
    key = candidate;
    break;
  }

  // Without a key, rows are paired by all columns, and equal rows by their number.
  const paired = key.length === 0 ? common : key;
  const side = (path: string): string =>
    `(SELECT *, ROW_NUMBER() OVER (PARTITION BY ${names(paired)}) AS __copy FROM ${path} WHERE ${partition})`;
  const same = [...paired, "__copy"].map((name) => `a.${quote(name)} IS NOT DISTINCT FROM b.${quote(name)}`);
  const pairs = `${side(old)} AS b FULL JOIN ${side(current)} AS a ON ${same.join(" AND ")}`;
  const differs = (name: string): string => {
    const [b, a] = [`b.${quote(name)}`, `a.${quote(name)}`];
    const close = /^(DOUBLE|FLOAT)$/.test(is.get(name)!)
      ? `AND NOT COALESCE(ABS(${a} - ${b}) <= ${tolerance} * GREATEST(ABS(${a}), ABS(${b})), FALSE)`
      : "";
    return `(a.__copy = b.__copy AND ${a} IS DISTINCT FROM ${b} ${close})`;
  };
  const values = common.filter((name) => !paired.includes(name));
  const [found = {}] = (await readRows(
    connection,
    `SELECT COUNT(b.__copy) AS before, COUNT(a.__copy) AS after,
       COUNT(*) FILTER (b.__copy IS NULL) AS added, COUNT(*) FILTER (a.__copy IS NULL) AS removed,
       COUNT(*) FILTER (${["FALSE", ...values.map(differs)].join(" OR ")}) AS changed
       ${values.map((name, index) => `, COUNT(*) FILTER (${differs(name)}) AS c${index}`).join("")}
     FROM ${pairs}`,
  )) as Record<string, number>[];
  const columns: RowDiff["columns"][number][] = [];
  for (const [index, column] of values.entries()) {
    const rows = found[`c${index}`]!;
    if (rows === 0) continue;
    const examples = await readRows(
      connection,
      `SELECT CONCAT_WS(', ', ${key.map((name) => `CAST(b.${quote(name)} AS VARCHAR)`).join(", ")}) AS key,
         b.${quote(column)} AS before, a.${quote(column)} AS after
       FROM ${pairs} WHERE ${differs(column)} ORDER BY ${key.map((name) => `b.${quote(name)}`).join(", ")} LIMIT 3`,
    );
    columns.push({ column, rows, examples: examples as { key: string; before: unknown; after: unknown }[] });
  }
  const { before, after, added, removed, changed } = found as Record<keyof RowDiff, number>;
  return { table: nameOf(target), key, before, after, added, removed, changed, columns };
}
