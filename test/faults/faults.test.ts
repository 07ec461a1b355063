import assert from "node:assert/strict";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import { BOUNDARIES } from "./injection.ts";
import { logicalRuns } from "./logical-runs.ts";
import { defectsOf, missingKinds, type Outcome } from "./outcome.ts";

/** The short form of the first part of npm run test:faults. */
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
    for (const boundary of BOUNDARIES) assert.deepEqual(missingKinds(logical, boundary), [], boundary);
  });

  it("a launcher that loses its claims is found", () => {
    const defects = defectsOf(withoutClaims);
    assert.ok(
      defects.some((line) => line.includes("doubled")),
      defects.join("\n"),
    );
  });
});
