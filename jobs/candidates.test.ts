import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { DuckDbWarehouse } from "../adapters/duckdb.ts";
import { stepReport } from "../contracts/step.ts";
import type { Row } from "../contracts/warehouse.ts";
import { projectDir } from "../lib/project.ts";
import { candidateEntrypoints } from "../local/runtime/local-stack.ts";
import { skipUnlessInstalled } from "../test/skip-unless-installed.ts";
import { FEATURES } from "./candidate.ts";
import { CANDIDATES, parseCandidates } from "./candidates.ts";
import { stepsOf } from "./pipeline.ts";

const CUSTOMERS = 200;
/** Customers of a shop; the outcomes depend on the past. `ORDER` orders the rows of the file. */
const EXAMPLES = `
  SELECT
    DATE '2024-03-01' AS run_date, sample, purpose, 'c' || customer AS customer_id, DATE '2024-02-02' AS cutoff, weeks,
    100 + customer % 50 AS age_days, customer % 90 AS recency_days, 1 + customer % 7 AS purchases,
    10.5 * (1 + customer % 7) AS value, 20.0 AS largest_value, customer % 2 AS purchases_4_weeks,
    customer % 3 AS purchases_13_weeks, 1 + customer % 7 AS purchases_52_weeks, 5.0 * (customer % 3) AS value_13_weeks,
    10.5 * (1 + customer % 7) AS value_52_weeks,
    IF(purpose = 'fit', customer % 7 // 2, NULL) AS actual_purchases,
    IF(purpose = 'fit', 10.5 * (customer % 7 // 2), NULL) AS actual_value
  FROM range(${CUSTOMERS}) AS customers(customer),
    (VALUES ('calibration', 'fit', 4), ('calibration', 'predict', 4), ('production', 'fit', 4), ('production', 'predict', 8))
      AS samples(sample, purpose, weeks)
  ORDER BY hash(customer + ORDER)`;
const NO_CHAMPION = "SELECT DATE '2024-03-01' AS run_date, '' AS model_id, '' AS family, '' AS files LIMIT 0";

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
    const folder = mkdtempSync(join(tmpdir(), `${name}-`));
    const url = (path: string): string => pathToFileURL(join(folder, path)).href;
    let warehouse: DuckDbWarehouse;
    let command: readonly string[];

    before(async () => {
      warehouse = await DuckDbWarehouse.open(join(folder, "warehouse.duckdb"));
      command = (await candidateEntrypoints([name]))[name]!;
      await writeParquet("examples", EXAMPLES.replace("ORDER)", "1)"));
      await writeParquet("shuffled", EXAMPLES.replace("ORDER)", "2)"));
      await writeParquet("no-champion", NO_CHAMPION);
    });
    after(async () => {
      await warehouse.close();
      rmSync(folder, { recursive: true });
    });

    async function writeParquet(path: string, sql: string): Promise<void> {
      mkdirSync(join(folder, path), { recursive: true });
      const file = join(folder, path, "part-0.parquet");
      await warehouse.withConnection((connection) =>
        connection.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`),
      );
    }

    /** Runs the step; its files are in a folder of this run. */
    async function run(
      runId: string,
      given: Partial<Record<"examples" | "champion" | "retrain" | "threads", string>> = {},
    ) {
      const { examples = "examples", champion = "no-champion", retrain = "yes", threads = "1" } = given;
      const artifact = (uri: string) => ({ artifacts: [{ uri }] });
      const outputFile = join(folder, runId, "outputs.json");
      const input = {
        inputs: {
          parameterValues: { step: name, run_id: runId, run_date: "2024-03-01", retrain },
          artifacts: { examples: artifact(url(examples)), champion: artifact(url(champion)) },
        },
        outputs: { artifacts: { predictions: artifact(url(`${runId}/predictions`)) }, outputFile },
      };
      const child = spawn(command[0]!, [...command.slice(1), "--executor-input", JSON.stringify(input)], {
        env: {
          PATH: process.env.PATH,
          ARTIFACTS_URL: url(""),
          TIME_LIMIT_SECONDS: "120",
          OMP_NUM_THREADS: threads,
        },
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
      const log = await text(child.stdout);
      const file = join(folder, "runs", runId, "steps", `${name}.json`);
      const report = stepReport.parse(JSON.parse(readFileSync(file, "utf8")));
      return { code: await ended, log, report, outputFile };
    }
    const predictions = async (runId: string): Promise<Row[]> => {
      const glob = join(folder, runId, "predictions", "*.parquet");
      const sql = `SELECT * FROM read_parquet('${glob}') ORDER BY model_id, sample, customer_id`;
      return await warehouse.withConnection(
        async (connection) => (await connection.runAndReadAll(sql)).getRowObjectsJson() as Row[],
      );
    };
    let first: Row[];

    it("gives one prediction for each customer of each sample, by the job protocol", async () => {
      const { code, log, report, outputFile } = await run("first");
      assert.equal(code, 0, log);
      first = await predictions("first");
      assert.equal(report.status, "succeeded");
      assert.deepEqual(report.rows, { predictions: 2 * CUSTOMERS });
      assert.deepEqual(JSON.parse(readFileSync(outputFile, "utf8")), { parameterValues: {} });
      for (const line of log.trim().split("\n")) assert.equal(JSON.parse(line).run_id, "first");
      for (const [sample, weeks] of [
        ["calibration", 4],
        ["production", 8],
      ] as const) {
        const rows = first.filter((row) => row.sample === sample);
        assert.equal(new Set(rows.map(({ customer_id }) => customer_id)).size, CUSTOMERS);
        assert.ok(rows.every((row) => Number(row.weeks) === weeks && Number(row.expected_value) >= 0));
      }
      assert.match(report.warnings.join(), /known outcomes cover 4 weeks, and the predictions 8/);
    });

    it("keeps its model outside of the run", () => {
      const [model, ...others] = readdirSync(join(folder, "models"));
      assert.deepEqual([model, others], [first[0]!.model_id, []]);
      assert.match(model!, RegExp(`^${name}-[0-9a-f]{12}$`));
      const files = readdirSync(join(folder, "models", model!)).map((file) => file.split(".")[0]);
      assert.deepEqual(files.sort(), ["calibration", "production"]);
    });

    it("gives the same for the same rows in another order, with more threads", async () => {
      const { code, log } = await run("again", { examples: "shuffled", threads: "3" });
      assert.equal(code, 0, log);
      assert.deepEqual(await predictions("again"), first);
    });

    it("predicts again with its champion, and with nothing else if it need not fit", async () => {
      const { model_id } = first[0]!;
      await writeParquet(
        "champion",
        NO_CHAMPION.replace(
          "'' AS model_id, '' AS family",
          `'${model_id}' AS model_id, '${name}' AS family`,
        ).replace("LIMIT 0", ""),
      );
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
