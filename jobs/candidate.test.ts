import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { projectDir } from "../lib/project.ts";
import { pythonEnvironment } from "../local/runtime/python.ts";
import { CandidateStep, type Given } from "../test/candidate-step.ts";
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
      ["improbable", { p_active: 1.5 }, /p_active of .*not a number from 0 to 1/],
    ] as const)
      it(`refuses a figure or an interval that is ${name}`, async () => {
        const { code, report } = await run(name, { expected_value: 1, ...figures });
        assert.equal(code, 1);
        assert.match(report.error!, error);
      });
  });
}

const python = "the job protocol in python, with what a notebook leaves";
if (!skipUnlessInstalled(python, [...LANGUAGES.python.needs]))
  describe(python, function () {
    this.timeout(120_000);
    let step: CandidateStep;
    before(async () => {
      step = await CandidateStep.open("same");
    });
    after(() => step.close());

    /** The folder of a program that has these functions, one line each, and a fit that returns 1. */
    function programOf(name: string, ...functions: string[]): string {
      const folder = join(step.folder, `program-${name}`);
      mkdirSync(folder, { recursive: true });
      const source = [
        "import sys",
        `sys.path.append(${JSON.stringify(jobs)})`,
        "from job import run_candidate",
        "import pandas as pd",
        "def fit(examples): return 1",
        ...functions,
        'run_candidate("same", fit, predict)',
      ];
      writeFileSync(join(folder, "main.py"), source.join("\n"));
      writeFileSync(join(folder, "requirements.lock"), "");
      return join(folder, "main.py");
    }
    async function run(name: string, functions: string[], given: Given = {}) {
      const command = [await LANGUAGES.python.interpreter(), programOf(name, ...functions)];
      return await step.run(() => command, name, given);
    }
    const values = "pd.DataFrame({'expected_value': examples['value']})";
    const good = `def predict(model, examples): return ${values}`;

    for (const [name, functions, error] of [
      [
        "error",
        ["def predict(model, examples): return examples['nope']"],
        /'nope' \(main.py, line 6, in predict\)$/,
      ],
      ["exit", [good, "def fit(examples): sys.exit()"], /SystemExit.*line 7, in fit/],
      [
        "array",
        [`def predict(model, examples): return ${values}.to_numpy()`],
        /a ndarray: return a DataFrame/,
      ],
      [
        "other-name",
        ["def predict(model, examples): return pd.DataFrame({'clv': examples['value']})"],
        /no column expected_value, only clv/,
      ],
      [
        "text",
        ["def predict(model, examples): return pd.DataFrame({'expected_value': examples['sample']})"],
        /expected_value is not a column of numbers: .*calibration/,
      ],
      [
        "fewer",
        [`def predict(model, examples): return ${values}.head(9)`],
        /9 rows for 200 customers: return one for each/,
      ],
      [
        "sorted",
        [`def predict(model, examples): return ${values}.sort_values('expected_value')`],
        /another order/,
      ],
      [
        "sorted-ids",
        ["def predict(model, examples): return examples[::-1].assign(expected_value=1).reset_index()"],
        /another order/,
      ],
    ] as const)
      it(`says what is wrong: ${name}`, async () => {
        const { code, report } = await run(name, [...functions]);
        assert.equal(code, 1);
        assert.equal(report.status, "failed");
        assert.match(report.error!, error);
      });

    it("accepts the examples with another column, changed, in any index of its own", async () => {
      const predict =
        "def predict(model, examples): examples['weeks'] = 9; return examples.assign(expected_value=1.0).set_index('value')";
      const { code, log, report } = await run("more-columns", [predict]);
      assert.equal(code, 0, log);
      const weeks = (await step.predictions("more-columns")).map((row) => Number(row.weeks));
      assert.deepEqual([...new Set(weeks)], [4, 8]);
      assert.doesNotMatch(report.warnings.join(), /nothing uses/);
    });

    it("warns once of a figure that nothing uses", async () => {
      const predict = `def predict(model, examples): return ${values}.assign(p_alive=0.5)`;
      const { report } = await run("unused", [predict]);
      assert.equal(
        report.warnings.filter((text) => /returned p_alive, which nothing uses/.test(text)).length,
        1,
      );
    });

    it("says what to do when its code changed and can't read the champion's model", async () => {
      const [name] = (await step.predictions("unused")).map((row) => String(row.model_id));
      await step.writeChampion(name!);
      const changed = `def predict(model, examples): return ${values} if model["new"] else None`;
      const fit = "def fit(examples): return {'new': True}";
      const { code, report } = await run("changed", [changed, fit], { champion: "champion" });
      assert.equal(code, 1);
      assert.match(
        report.error!,
        RegExp(`the champion ${name} can't predict again: TypeError.*run once without same`),
      );
    });

    it("says what to do when a package is not in the lock file", async () => {
      const main = programOf("packages", "import package_of_the_notebook");
      const { code, stdout } = await promisify(execFile)(await LANGUAGES.python.interpreter(), [main]).catch(
        (error) => error,
      );
      assert.equal(code, 1);
      assert.match(stdout, /No module named 'package_of_the_notebook'. Add its package to requirements.in/);
    });
  });
