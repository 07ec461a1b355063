import assert from "node:assert/strict";
import fc from "fast-check";
import { sortedBy } from "./sort.ts";

describe("sortedBy", () => {
  it("sorts as a comparison does, and keeps the order of equal numbers", () => {
    const few = fc.constantFrom(-Infinity, -1.5, -0, 0, 5e-324, 1, 1.5, 1e300);
    const value = fc.oneof(few, fc.double({ noNaN: true }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 600, size: "max" }), (values) => {
        const compare = (one: number, other: number): number => (one < other ? -1 : Number(one > other));
        const expected = [...values.keys()].sort((i, j) => compare(values[i]!, values[j]!));
        assert.deepEqual([...sortedBy(Float64Array.from(values))], expected);
      }),
    );
  });
});
