import assert from "node:assert/strict";
import fc from "fast-check";
import { sortedBy } from "./sort.ts";

describe("sortedBy", () => {
  it("sorts rows by all columns as a comparison does, and keeps the order of equal rows", () => {
    const few = fc.constantFrom(-Infinity, -1.5, -0, 0, 5e-324, 1, 1.5, 1e300);
    const value = fc.oneof(few, fc.double({ noNaN: true }));
    fc.assert(
      fc.property(fc.array(fc.tuple(value, few), { maxLength: 600, size: "max" }), (rows) => {
        const columns = [0, 1].map((column) => Float64Array.from(rows, (row) => row[column]!));
        const compare = (one: number, other: number): number => (one < other ? -1 : Number(one > other));
        const expected = [...rows.keys()].sort(
          (i, j) => compare(rows[i]![0], rows[j]![0]) || compare(rows[i]![1], rows[j]![1]),
        );
        assert.deepEqual([...sortedBy(columns)], expected);
      }),
    );
  });
});
