import assert from "node:assert/strict";
import { timePartitioning } from "./warehouse.ts";

describe("timePartitioning", () => {
  it("is by day of a column, or by month", () => {
    assert.deepEqual(timePartitioning("run_date"), { type: "DAY", field: "run_date" });
    assert.deepEqual(timePartitioning("DATE_TRUNC(ordered_on, MONTH)"), {
      type: "MONTH",
      field: "ordered_on",
    });
  });
});
