import assert from "node:assert/strict";
import { fileArtifacts } from "../../adapters/artifacts.ts";
import { KINDS } from "./injection.ts";
import { logicalRuns } from "./logical-runs.ts";
import { defectsOf } from "./outcome.ts";
import { wholePipelines } from "./whole-pipelines.ts";

/** The short form of npm run test:faults. */
describe("with faults", function () {
  this.timeout(300_000);

  it("each request has one pipeline and one final event", async () => {
    const outcome = await logicalRuns({ seed: 1, runs: 150 });
    assert.deepEqual(defectsOf(outcome), []);
    assert.equal(outcome.runs, 150);
    for (const kind of KINDS)
      assert.ok(
        [...outcome.faults].some(([name]) => name.endsWith(kind)),
        `no fault of the kind ${kind}`,
      );
  });

  it("the tables are those of a run without faults", async () => {
    const outcome = await wholePipelines({ seed: 1, runs: 2 });
    assert.deepEqual(defectsOf(outcome), []);
    assert.equal(outcome.runs, 2);
  });

  it("a launcher that loses its claims is found", async () => {
    // A run's first file is the claim: without it, the same run starts twice.
    const write = async (url: string, text: string) => {
      if (!url.includes("/.new-")) await fileArtifacts.write(url, text);
    };
    const launcher = { artifacts: { ...fileArtifacts, write } };
    const defects = defectsOf(await logicalRuns({ seed: 1, runs: 50, launcher }));
    assert.ok(
      defects.some((line) => line.includes("doubled")),
      defects.join("\n"),
    );
  });
});
