import Table from "cli-table3";
import type { Row } from "./query.ts";

/** Floats that differ by less than this share are equal: readers add in different orders. */
export const TOLERANCE = 1e-9;

function isEqual(one: unknown, other: unknown): boolean {
  if (typeof one !== "number" || typeof other !== "number") return (one ?? null) === (other ?? null);
  const greatest = Math.max(Math.abs(one), Math.abs(other));
  return (
    Object.is(one, other) ||
    one === other ||
    (greatest < Infinity && Math.abs(one - other) <= TOLERANCE * greatest)
  );
}

/** A table of the rows that differ, each with the most similar row; undefined when the rows are equal in any order. */
export function compareRows(
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
  const show = (value: unknown): string => String(value ?? null);
  const table = new Table({ head: ["", ...columns], style: { head: [], border: [], compact: true } });
  const add = (label: string, row: Row, other: Row = row): void =>
    void table.push([
      label,
      ...columns.map((column) =>
        isEqual(row[column], other[column])
          ? show(row[column])
          : `${show(row[column])} → ${show(other[column])}`,
      ),
    ]);
  for (const row of missing) {
    const [nearest] = left.toSorted((one, other) => differences(row, one) - differences(row, other));
    if (nearest === undefined || differences(row, nearest) === columns.length) {
      add("missing", row);
      continue;
    }
    left.splice(left.indexOf(nearest), 1);
    add("differs", row, nearest);
  }
  for (const row of left) add("too many", row);
  return table.toString();
}
