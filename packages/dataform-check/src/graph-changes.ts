import type { Columns } from "./checker.ts";
import type { Action } from "./dataform.ts";
import { fullNameOf } from "./query.ts";
import { tokensOf } from "./sqlx-tokens.ts";

/** The differences between two versions of a project. */
export interface Changes {
  readonly added: readonly Action[];
  readonly changed: readonly Action[];
  readonly removed: readonly Action[];
  /** Unchanged actions that depend, directly or not, on added or changed ones. */
  readonly affected: readonly Action[];
}

/** Compares what the actions do. White space, comments, descriptions and files do not count. */
export function changesOf(before: readonly Action[], after: readonly Action[]): Changes {
  const known = new Map(before.map((action) => [fullNameOf(action.target), meaning(action)]));
  const present = new Set(after.map(({ target }) => fullNameOf(target)));
  const added = after.filter(({ target }) => !known.has(fullNameOf(target)));
  const changed = after.filter((action) => {
    const was = known.get(fullNameOf(action.target));
    return was !== undefined && was !== meaning(action);
  });
  const touched = new Set([...added, ...changed].map(({ target }) => fullNameOf(target)));
  const affected = new Set<Action>();
  for (let size = -1; size !== affected.size; ) {
    size = affected.size;
    for (const action of after) {
      if (touched.has(fullNameOf(action.target))) continue;
      if (!action.dependencies.some((target) => touched.has(fullNameOf(target)))) continue;
      affected.add(action);
      touched.add(fullNameOf(action.target));
    }
  }
  const removed = before.filter(({ target }) => !present.has(fullNameOf(target)));
  return { added, changed, removed, affected: [...affected] };
}

function meaning(action: Action): string {
  const { description: _, columns: __, file: ___, dependencies: ____, query, tags, ...stored } = action;
  const words = tokensOf(query).filter(({ kind }) => kind !== "space" && kind !== "comment");
  return JSON.stringify([stored, words.map(({ text }) => text), tags.includes("warning")]);
}

/** A column that is added, removed or of another type. */
export interface SchemaChange {
  /** dataset.name */
  readonly table: string;
  readonly column: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
  /** Whether queries that read the table can fail: a column is removed or has another type. */
  readonly breaking: boolean;
}

/** The differences in the tables that both versions have. */
export function schemaChanges(before: Columns, after: Columns): SchemaChange[] {
  return [...after].flatMap(([name, columns]) => {
    const known = before.get(name);
    if (known === undefined) return [];
    const table = name.slice(name.indexOf(".") + 1);
    const was = new Map(known.map((column) => [column.name, column.type]));
    const is = new Map(columns.map((column) => [column.name, column.type]));
    return [...new Set([...was.keys(), ...is.keys()])].flatMap((column) => {
      const [before, after] = [was.get(column), is.get(column)];
      return before === after ? [] : { table, column, before, after, breaking: before !== undefined };
    });
  });
}
