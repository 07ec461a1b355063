import { type DuckDBConnection, quotedString } from "@duckdb/node-api";
import { UserError } from "../../lib/user-error.ts";
import { argument, noColumn, positionOf } from "./columns.ts";

/** A row counts when its column has the value. */
export interface Condition {
  /** Name in the file. */
  readonly column: string;
  readonly value: string;
}

/** The values of one column, of which a row must have one. */
export interface Filter {
  readonly column: string;
  readonly position: number;
  readonly values: readonly string[];
}

/**
 * The conditions by column.
 * @throws UserError when the file has no such column.
 */
export function filtersOf(path: string, names: readonly string[], where: readonly Condition[]): Filter[] {
  const positions = where.map(({ column, value }) => {
    const position = positionOf(column, names);
    if (position >= 0) return { position, value };
    throw noColumn((name) => argument("--where", `${name}=${value}`), column, path, names);
  });
  return Object.values(Object.groupBy(positions, ({ position }) => position)).map((group = []) => {
    const { position } = group[0]!;
    return { column: names[position]!, position, values: group.map(({ value }) => value) };
  });
}

/** SQL condition on order_text, whose columns where0, where1, … are those of the filters: case and blanks do not count. */
export const keptBy = (filters: readonly Filter[]): string =>
  [
    "true",
    ...filters.map(
      ({ values }, index) =>
        `lower(coalesce(where${index}, '')) IN (${values.map((value) => quotedString(value.toLowerCase())).join()})`,
    ),
  ].join(" AND ");

/**
 * Deletes the rows that the filters leave out; returns the warning about it.
 * @throws UserError with the values that there are when no row is left.
 */
export async function removeOthers(
  connection: DuckDBConnection,
  path: string,
  filters: readonly Filter[],
): Promise<string[]> {
  if (filters.length === 0) return [];
  const conditions = filters
    .map(({ column, values }) => `${column} is ${values.map((value) => value || "blank").join(" or ")}`)
    .join(" and ");
  const { rowsChanged } = await connection.run("DELETE FROM order_rows WHERE NOT kept");
  const [[left]] = (await connection.runAndReadAll("SELECT count(*)::INTEGER FROM order_rows")).getRows() as [
    [number],
  ];
  if (left > 0) return [`Rows that --where leaves out (${conditions} in the others): ${rowsChanged}.`];
  const values = filters.map(async ({ column }, index) => {
    const found = await connection.runAndReadAll(
      `SELECT where${index} FROM order_text WHERE where${index} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 10`,
    );
    return `${column} has: ${found.getRows().join(", ")}.`;
  });
  throw new UserError(`No row of ${path} is left with --where: ${conditions}.`, {
    remedy: (await Promise.all(values)).join(" "),
  });
}
