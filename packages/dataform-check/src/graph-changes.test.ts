import assert from "node:assert/strict";
import type { Action } from "./dataform.ts";
import { changesOf, schemaChanges } from "./graph-changes.ts";
import { nameOf } from "./query.ts";

const target = (name: string) => ({ project: "w", dataset: "d", name });

describe("changesOf", () => {
  const action = (name: string, query: string, ...dependencies: string[]): Action => ({
    kind: "model",
    target: target(name),
    materialization: "view",
    query,
    partitionBy: undefined,
    clusterBy: [],
    tags: [],
    description: "",
    columns: {},
    dependencies: dependencies.map(target),
    file: `${name}.sqlx`,
  });
  const names = (actions: readonly Action[]): string[] => actions.map((each) => nameOf(each.target));
  const before = [
    action("a", "SELECT 1 AS x"),
    action("b", "SELECT x FROM a", "a"),
    action("c", "SELECT x FROM b", "b"),
    action("d", "SELECT 2 AS y"),
  ];

  it("returns added, changed and removed actions, and what depends on them", () => {
    const after = [action("a", "SELECT 2 AS x"), ...before.slice(1, 3), action("e", "SELECT 3 AS z")];
    const { added, changed, removed, affected } = changesOf(before, after);
    assert.deepEqual([added, changed, removed, affected].map(names), [
      ["d.e"],
      ["d.a"],
      ["d.d"],
      ["d.b", "d.c"],
    ]);
  });

  it("ignores white space, comments and descriptions, but not white space in strings", () => {
    const same = [{ ...action("a", "SELECT\n  1 AS x -- one"), description: "new" }, ...before.slice(1)];
    assert.deepEqual(Object.values(changesOf(before, same)).flat(), []);
    const [one, other] = [[action("a", "SELECT ' '")], [action("a", "SELECT '  '")]];
    assert.deepEqual(names(changesOf(one, other).changed), ["d.a"]);
  });

  it("counts another materialization as a change", () => {
    const kept = [{ ...before[0]!, materialization: "table" as const }, ...before.slice(1)];
    assert.deepEqual(names(changesOf(before, kept).changed), ["d.a"]);
  });
});

describe("schemaChanges", () => {
  it("returns columns that are added, removed or of another type; the latter two are breaking", () => {
    const [one, other] = [
      new Map([
        [
          "w.d.t",
          [
            { name: "a", type: "INT64" },
            { name: "b", type: "INT64" },
            { name: "c", type: "DATE" },
          ],
        ],
      ]),
      new Map([
        [
          "w.d.t",
          [
            { name: "c", type: "DATE" },
            { name: "a", type: "STRING" },
            { name: "n", type: "BOOL" },
          ],
        ],
        ["w.d.new", [{ name: "a", type: "STRING" }]],
      ]),
    ];
    assert.deepEqual(schemaChanges(one, other), [
      { table: "d.t", column: "a", before: "INT64", after: "STRING", breaking: true },
      { table: "d.t", column: "b", before: "INT64", after: undefined, breaking: true },
      { table: "d.t", column: "n", before: undefined, after: "BOOL", breaking: false },
    ]);
  });
});
