import assert from "node:assert/strict";
import { defectsOf, missingKinds } from "./faults/outcome.ts";
import { wholePipelines } from "./faults/whole-pipelines.ts";

/** The short form of the second part of npm run test:faults. */
describe("whole pipelines with faults", () => {
  it("the tables are those of a run without faults", async () => {
    const outcome = await wholePipelines({ seed: 1, runs: 1 });
    assert.deepEqual(defectsOf(outcome), []);
    assert.equal(outcome.runs, 1);
    assert.deepEqual(missingKinds(outcome, "DuckDB"), []);
  });

  it("a warehouse that does not delete the rows it replaces is found", async () => {
    const modules = [import.meta.resolve("./faults/appending-warehouse.ts")];
    const kinds = ["DuckDB: duplicate"];
    const defects = defectsOf(await wholePipelines({ seed: 1, runs: 1, kinds, modules }));
    assert.ok(
      defects.some((line) => /wrong: .*: ops\.runs$/.test(line)),
      defects.join("\n"),
    );
  });
});
