import Table from "cli-table3";
import type { Action } from "./dataform.ts";
import type { Plan } from "./plan.ts";
import { nameOf } from "./query.ts";
import type { RowDiff } from "./row-diff.ts";

const count = (value: number): string => value.toLocaleString("en-US");

/** The plan for a person to read. */
export function renderPlan({ against, changes, schema, data, bytes }: Plan): string {
  const { added, changed, removed, affected } = changes;
  const lines = [`Compared with ${against}:`, ""];
  const list = (sign: string, actions: readonly Action[], what: string): void => {
    for (const { kind, target, file } of actions)
      lines.push(`  ${sign} ${nameOf(target).padEnd(32)} ${what.padEnd(15)} ${kind.padEnd(10)} ${file}`);
  };
  list("+", added, "added");
  list("~", changed, "changed");
  list("-", removed, "removed");
  list(" ", affected, "affected");
  if (added.length + changed.length + removed.length === 0) return `${lines[0]} nothing changed.\n`;

  lines.push("", schema.length === 0 ? "No column is added, removed or of another type." : "Columns:");
  for (const { table, column, before, after, breaking } of schema) {
    const type = before && after ? `${before} -> ${after}` : `${before ?? after}`;
    const sign = before === undefined ? "+" : after === undefined ? "-" : "~";
    lines.push(
      `  ${sign} ${`${table}.${column}`.padEnd(44)} ${type.padEnd(18)}${breaking ? " BREAKING" : ""}`,
    );
  }
  if (data !== undefined) {
    lines.push("", `${data.title}:`);
    const different = data.tables.filter((diff) => diff.added + diff.removed + diff.changed > 0);
    const same = data.tables.filter((diff) => !different.includes(diff)).map(({ table }) => table);
    if (different.length > 0) lines.push(differences(different));
    if (same.length > 0) lines.push(`  The same: ${same.join(", ")}`);
    for (const diff of different) lines.push(...examples(diff));
    for (const failure of data.failures) lines.push("", `An assertion would fail: ${failure}`);
  }
  if (bytes !== undefined) {
    lines.push("", "BigQuery would read:");
    for (const [table, answer] of Object.entries(bytes))
      lines.push(`  ${table.padEnd(32)} ${typeof answer === "number" ? `${count(answer)} bytes` : answer}`);
  }
  return `${lines.join("\n")}\n`;
}

function differences(diffs: readonly RowDiff[]): string {
  const table = new Table({
    head: ["table", "rows by", "before", "after", "added", "removed", "changed"],
    colAligns: ["left", "left", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const { table: name, key, before, after, added, removed, changed } of diffs)
    table.push([
      name,
      key.length === 0 ? "all columns" : key.join(", "),
      ...[before, after, added, removed, changed].map(count),
    ]);
  return table.toString();
}

function examples({ table, columns }: RowDiff): string[] {
  return columns.flatMap(({ column, rows, examples }) => [
    `  ${table}.${column} differs in rows: ${count(rows)}`,
    ...examples.map(({ key, before, after }) => `    ${key}: ${text(before)} -> ${text(after)}`),
  ]);
}

const text = (value: unknown): string => (value === null ? "null" : String(value));
