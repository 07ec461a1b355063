import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Row } from "../contracts/warehouse.ts";
import { projectDir } from "../lib/project.ts";
import { candidateEntrypoints } from "../local/runtime/local-stack.ts";
import { CandidateStep, CUSTOMERS, type Given } from "../test/candidate-step.ts";
import { skipUnlessInstalled } from "../test/skip-unless-installed.ts";
import { FEATURES } from "./candidate.ts";
import { CANDIDATES, parseCandidates } from "./candidates.ts";
import { stepsOf } from "./pipeline.ts";

describe("candidates", () => {
  it("in TypeScript get all numbers that the table of examples has", () => {
    const tables = JSON.parse(readFileSync(join(projectDir, "sql/tables.json"), "utf8"));
    const { columns } = tables.find(({ name }: { name: string }) => name === "examples");
    const numbers = columns.filter(
      ({ type, name }: Record<string, string>) =>
        type !== "STRING" && type !== "DATE" && !name!.startsWith("actual_"),
    );
    assert.deepEqual(
      numbers.map(({ name }: { name: string }) => name),
      FEATURES,
    );
  });

  it("are a folder in jobs/, and have names that no other step has", () => {
    const names = Object.keys(CANDIDATES);
    for (const name of names) {
      assert.ok(existsSync(join(projectDir, "jobs", name)), name);
      assert.ok(!(name in stepsOf()), name);
      assert.match(name, /^[a-z][a-z0-9-]{1,30}$/);
    }
    assert.deepEqual(parseCandidates(` ${names.join(" , ")}`), names);
    assert.throws(
      () => parseCandidates("bosting"),
      /There is no candidate "bosting"; the nearest is boosting/,
    );
  });
});

for (const name of parseCandidates(Object.keys(CANDIDATES).join(","))) {
  const title = `the candidate ${name}`;
  const { language } = CANDIDATES[name];
  if (language === "python" && skipUnlessInstalled(title, ["Python 3.10 or later"])) continue;
  describe(title, function () {
    this.timeout(300_000);
    let step: CandidateStep;
    let command: readonly string[];
    const run = (runId: string, given?: Given) => step.run(() => command, runId, given);
    const predictions = (runId: string) => step.predictions(runId);

    before(async () => {
      step = await CandidateStep.open(name);
      command = (await candidateEntrypoints([name]))[name]!;
    });
    after(() => step.close());

    let first: Row[];

    it("gives one prediction for each customer of each sample, by the job protocol", async () => {
      const { code, log, report, outputFile } = await run("first");
      assert.equal(code, 0, log);
      first = await predictions("first");
      assert.equal(report.status, "succeeded");
      assert.deepEqual(report.rows, { predictions: 2 * CUSTOMERS });
      assert.deepEqual(JSON.parse(readFileSync(outputFile, "utf8")), { parameterValues: {} });
      // The packages of a model may print, as LightGBM does.
      const lines = log.split("\n").filter((line) => line.startsWith("{"));
      assert.ok(lines.length > 0, log);
      for (const line of lines) assert.equal(JSON.parse(line).run_id, "first");
      for (const [sample, weeks] of [
        ["calibration", 4],
        ["production", 8],
      ] as const) {
        const rows = first.filter((row) => row.sample === sample);
        assert.equal(new Set(rows.map(({ customer_id }) => customer_id)).size, CUSTOMERS);
        assert.ok(rows.every((row) => Number(row.weeks) === weeks && Number(row.expected_value) >= 0));
      }
      assert.match(report.warnings.join(), RegExp(`${name} knows outcomes of 4 weeks, and predicts 8`));
    });

    if (name === "boosting")
      it("gives an interval for as many weeks as it learned from, and the reason for others", () => {
        for (const { sample, low, high, reason } of first)
          if (sample === "calibration") {
            assert.ok(Number(low) >= 0 && Number(low) <= Number(high), `${low} to ${high}`);
            assert.equal(reason, null);
          } else {
            assert.deepEqual([low, high], [null, null]);
            assert.equal(reason, "No interval: the model learned from outcomes of 4 weeks.");
          }
        assert.ok(first.some(({ high }) => Number(high) > 0));
      });

    if (language === "python")
      it("imports the job protocol before the packages whose threads it sets", () => {
        const main = readFileSync(join(projectDir, "jobs", name, "main.py"), "utf8");
        const [first] = main.match(/^(import|from) (?!sys|pathlib|__future__)\w+/m) ?? [];
        assert.equal(first, "from job");
      });

    it("keeps its model outside of the run", () => {
      const [model, ...others] = readdirSync(join(step.folder, "models"));
      assert.deepEqual([model, others], [first[0]!.model_id, []]);
      assert.match(model!, RegExp(`^${name}-[0-9a-f]{12}$`));
      const files = readdirSync(join(step.folder, "models", model!)).map((file) => file.split(".")[0]);
      assert.deepEqual(files.sort(), ["calibration", "production"]);
    });

    it("gives the same for the same rows in another order, with more threads", async () => {
      const { code, log } = await run("again", { examples: "shuffled", threads: 3 });
      assert.equal(code, 0, log);
      assert.deepEqual(await predictions("again"), first);
    });

    it("predicts again with its champion, and with nothing else if it need not fit", async () => {
      await step.writeChampion(String(first[0]!.model_id));
      const { code, log } = await run("champion", { champion: "champion", retrain: "no" });
      assert.equal(code, 0, log);
      assert.deepEqual(await predictions("champion"), first);
    });

    it("fails with the reason in its report when it can't work", async () => {
      const { code, log, report, outputFile } = await run("broken", { examples: "no-champion" });
      assert.equal(code, 1);
      assert.equal(report.status, "failed");
      assert.match(
        report.error!,
        language === "python" ? /^KeyError: 'sample'/ : /have no column sample, purpose/,
      );
      assert.equal(JSON.parse(log.trim().split("\n").at(-1)!).severity, "ERROR");
      assert.ok(!existsSync(outputFile) && !existsSync(join(dirname(outputFile), "predictions")));
    });
  });
}
