import assert from "node:assert/strict";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import { BOUNDARIES, KINDS } from "./injection.ts";
import { logicalRuns } from "./logical-runs.ts";
import { defectsOf, type Outcome } from "./outcome.ts";
import { wholePipelines } from "./whole-pipelines.ts";

/** The short form of npm run test:faults. */
describe("with faults", function () {
  this.timeout(300_000);

  let logical: Outcome;
  let withoutClaims: Outcome;
  before(async () => {
    // A run's first file is the claim: without it, the same run starts twice.
    const write = async (url: string, text: string) => {
      if (!url.includes("/.new-")) await fileArtifacts.write(url, text);
    };
    const launcher = { artifacts: { ...fileArtifacts, write } };
    // Most of their time is waiting.
    [logical, withoutClaims] = await Promise.all([
      logicalRuns({ seed: 1, runs: 150 }),
      logicalRuns({ seed: 1, runs: 50, launcher }),
    ]);
  });

  it("each request has one pipeline and one final event", () => {
    assert.deepEqual(defectsOf(logical), []);
    assert.equal(logical.runs, 150);
    for (const boundary of BOUNDARIES) hasEachKind(logical, boundary);
  });

  it("a launcher that loses its claims is found", () => {
    const defects = defectsOf(withoutClaims);
    assert.ok(
      defects.some((line) => line.includes("doubled")),
      defects.join("\n"),
    );
  });

  it("the tables are those of a run without faults", async () => {
    const outcome = await wholePipelines({ seed: 1, runs: 1 });
    assert.deepEqual(defectsOf(outcome), []);
    assert.equal(outcome.runs, 1);
    hasEachKind(outcome, "DuckDB");
  });

  it("a warehouse that does not delete the rows it replaces is found", async () => {
    const modules = [import.meta.resolve("./appending-warehouse.ts")];
    const kinds = ["DuckDB: duplicate"];
    const defects = defectsOf(await wholePipelines({ seed: 1, runs: 1, kinds, modules }));
    assert.ok(
      defects.some((line) => /wrong: .*: ops\.runs$/.test(line)),
      defects.join("\n"),
    );
  });
});

function hasEachKind({ faults }: Outcome, boundary: string): void {
  const missing = KINDS.filter((kind) => !faults.has(`${boundary}: ${kind}`));
  assert.deepEqual(missing, [], `kinds of faults that no call of ${boundary} had`);
}
