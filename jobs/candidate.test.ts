import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { projectDir } from "../lib/project.ts";
import { pythonEnvironment } from "../local/runtime/python.ts";
import { CandidateStep } from "../test/candidate-step.ts";
import { skipUnlessInstalled } from "../test/skip-unless-installed.ts";

const jobs = join(projectDir, "jobs");

/** A candidate in each language that gives the same figures for each customer. Each is a main program with its other files. */
const LANGUAGES = {
  typescript: {
    needs: [],
    main: "main.mjs",
    program: (given: object, family: string) => `
      import { runCandidate } from ${JSON.stringify(pathToFileURL(join(jobs, "candidate.ts")).href)};
      const predict = (_, examples) => examples.map(() => (${JSON.stringify(given)}));
      await runCandidate("${family}", { fit: () => null, predict });`,
    interpreter: async () => process.execPath,
  },
  python: {
    needs: ["Python 3.10 or later"],
    main: "main.py",
    program: (given: object, family: string) => `
import json, sys
import pandas as pd
sys.path.append(${JSON.stringify(jobs)})
from job import run_candidate
given = json.loads(${JSON.stringify(JSON.stringify(given))})
run_candidate("${family}", lambda examples: None, lambda model, examples: pd.DataFrame([given] * len(examples)))`,
    interpreter: async () =>
      join(await pythonEnvironment("boosting", "3.11", join(jobs, "boosting/requirements.lock")), "python"),
  },
} as const;

for (const [language, { needs, main, program, interpreter }] of Object.entries(LANGUAGES)) {
  const title = `the job protocol in ${language}`;
  if (needs.length > 0 && skipUnlessInstalled(title, [...needs])) continue;
  describe(title, function () {
    this.timeout(120_000);
    let step: CandidateStep;
    before(async () => {
      step = await CandidateStep.open("same");
    });
    after(() => step.close());

    async function run(name: string, given: object, family = "same") {
      const folder = join(step.folder, `program-${name}`);
      mkdirSync(folder);
      writeFileSync(join(folder, main), program(given, family));
      writeFileSync(join(folder, "requirements.lock"), "");
      const command = [await interpreter(), join(folder, main)];
      return await step.run(() => command, name);
    }

    it("writes an interval and a reason", async () => {
      const { code, log } = await run("good", { expected_value: 3, low: 0, high: 2.5, reason: "it is so" });
      assert.equal(code, 0, log);
      const [row] = await step.predictions("good");
      const { low, high, reason, p_active } = row!;
      assert.deepEqual(
        { low, high, reason, p_active },
        { low: 0, high: 2.5, reason: "it is so", p_active: null },
      );
    });

    it("refuses a model that is called otherwise than its step", async () => {
      const { code, report } = await run("renamed", { expected_value: 3 }, "other");
      assert.equal(code, 1);
      assert.match(report.error!, /called other, and the step same/);
    });

    for (const [name, figures, error] of [
      ["crossed", { low: 2, high: 1 }, /interval of .*low 2.* high 1.*low <= high/s],
      ["open", { low: 1 }, /interval of .*low 1.* high (undefined|nan).*neither/s],
      ["negative", { low: -1, high: 1 }, /low of .*not a number from 0 up/],
    ] as const)
      it(`refuses an interval that is ${name}`, async () => {
        const { code, report } = await run(name, { expected_value: 1, ...figures });
        assert.equal(code, 1);
        assert.match(report.error!, error);
      });
  });
}
