import { nameOf } from "./checker.ts";
import type { Action } from "./dataform.ts";
import type { Column } from "./googlesql-values.ts";
import { tokensOf } from "./sqlx-tokens.ts";

/** What is different between two versions of a project. */
export interface Changes {
  readonly added: readonly Action[];
  readonly changed: readonly Action[];
  readonly removed: readonly Action[];
  /** Actions of the new version that are as they were, and depend, directly or not, on others that are not. */
  readonly affected: readonly Action[];
}

/** Compares what the actions do: white space, comments, descriptions and files are nothing that a table shows. */
export function changesOf(before: readonly Action[], after: readonly Action[]): Changes {
  const known = new Map(before.map((action) => [nameOf(action.target), meaning(action)]));
  const present = new Set(after.map(({ target }) => nameOf(target)));
  const added = after.filter(({ target }) => !known.has(nameOf(target)));
  const changed = after.filter((action) => {
    const was = known.get(nameOf(action.target));
    return was !== undefined && was !== meaning(action);
  });
  const touched = new Set([...added, ...changed].map(({ target }) => nameOf(target)));
  const affected = new Set<Action>();
  for (let size = -1; size !== affected.size; ) {
    size = affected.size;
    for (const action of after) {
      if (touched.has(nameOf(action.target))) continue;
      if (!action.dependencies.some((target) => touched.has(nameOf(target)))) continue;
      affected.add(action);
      touched.add(nameOf(action.target));
    }
  }
  const removed = before.filter(({ target }) => !present.has(nameOf(target)));
  return { added, changed, removed, affected: [...affected] };
}

function meaning({ query, materialization, partitionBy, clusterBy, target, tags }: Action): string {
  const words = tokensOf(query).filter(({ kind }) => kind !== "space" && kind !== "comment");
  const severity = tags.includes("warning");
  return JSON.stringify([
    words.map(({ text }) => text),
    materialization,
    partitionBy,
    clusterBy,
    target,
    severity,
  ]);
}

/** A column that is new, gone or of another type. */
export interface SchemaChange {
  readonly table: string;
  readonly column: string;
  readonly before?: string;
  readonly after?: string;
  /** Whether what reads the table may fail or see something else: a column is gone or has another type. */
  readonly breaking: boolean;
}

/** What is different between two contracts of tables, by dataset.name; tables that only one has are left out. */
export function schemaChanges(
  before: ReadonlyMap<string, readonly Column[]>,
  after: ReadonlyMap<string, readonly Column[]>,
): SchemaChange[] {
  return [...after].flatMap(([table, columns]) => {
    const known = before.get(table);
    if (known === undefined) return [];
    const was = new Map(known.map(({ name, type }) => [name, type]));
    const is = new Map(columns.map(({ name, type }) => [name, type]));
    return [...new Set([...was.keys(), ...is.keys()])].flatMap((column) => {
      const [one, other] = [was.get(column), is.get(column)];
      if (one === other) return [];
      return [
        {
          table,
          column,
          ...(one === undefined ? {} : { before: one }),
          ...(other === undefined ? {} : { after: other }),
          breaking: one !== undefined,
        },
      ];
    });
  });
}
