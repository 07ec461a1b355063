import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { DuckDbWarehouse } from "../adapters/duckdb.ts";
import { stepReport } from "../contracts/step.ts";
import type { Row } from "../contracts/warehouse.ts";

export const CUSTOMERS = 200;
/** Possible customers of a shop; the outcomes depend on the past. `ORDER` orders the rows of the file. */
const EXAMPLES = `
  SELECT
    DATE '2024-03-01' AS run_date, sample, purpose, 'c' || customer AS customer_id, DATE '2024-02-02' AS cutoff, weeks,
    100 + customer % 50 AS age_days, IF(customer % 7 = 0, age_days, customer % 90) AS recency_days,
    1 + customer % 7 AS purchases, 10.5e0 * purchases AS value, 10.5e0 AS largest_value,
    IF(recency_days < 28, 1, 0) AS purchases_4_weeks, IF(recency_days < 91, 1 + customer % 2, 0) AS purchases_13_weeks,
    purchases AS purchases_52_weeks, 10.5e0 * purchases_13_weeks AS value_13_weeks, value AS value_52_weeks,
    IF(purpose = 'fit', customer % 7 // 2, NULL) AS actual_purchases,
    IF(purpose = 'fit', 10.5e0 * (customer % 7 // 2), NULL) AS actual_value
  FROM range(${CUSTOMERS}) AS customers(customer),
    (VALUES ('calibration', 'fit', 4), ('calibration', 'predict', 4), ('production', 'fit', 4), ('production', 'predict', 8))
      AS samples(sample, purpose, weeks)
  ORDER BY hash(customer + ORDER)`;
const NO_CHAMPION = "SELECT DATE '2024-03-01' AS run_date, '' AS model_id, '' AS family, '' AS files LIMIT 0";

/** What a step differs in from a first run. */
export interface Given {
  /** shuffled: the same rows in another order. no-champion: a table without the columns of the examples. */
  readonly examples?: "examples" | "shuffled" | "no-champion";
  /** The artifact with the champion. */
  readonly champion?: string;
  readonly retrain?: "yes" | "no";
  readonly threads?: number;
}

/** The step of one candidate, on 200 customers, with its files in a temporary folder. */
export class CandidateStep {
  readonly folder = mkdtempSync(join(tmpdir(), "candidate-"));
  readonly #name: string;
  readonly #warehouse: DuckDbWarehouse;

  private constructor(name: string, warehouse: DuckDbWarehouse) {
    this.#name = name;
    this.#warehouse = warehouse;
    // A container runs as another user.
    chmodSync(this.folder, 0o777);
  }

  static async open(name: string): Promise<CandidateStep> {
    const step = new CandidateStep(name, await DuckDbWarehouse.open(":memory:"));
    await step.#writeParquet("examples", EXAMPLES.replace("ORDER)", "1)"));
    await step.#writeParquet("shuffled", EXAMPLES.replace("ORDER)", "2)"));
    await step.#writeParquet("no-champion", NO_CHAMPION);
    return step;
  }

  /** Writes the artifact `champion`, whose model is this one of the candidate. */
  async writeChampion(modelId: string): Promise<void> {
    const values = `'${modelId}' AS model_id, '${this.#name}' AS family`;
    const sql = NO_CHAMPION.replace("'' AS model_id, '' AS family", values).replace("LIMIT 0", "");
    await this.#writeParquet("champion", sql);
  }

  /** Runs the step to its end. The command takes the environment, and more arguments may follow. */
  async run(
    command: (env: Readonly<Record<string, string>>) => readonly string[],
    runId: string,
    given: Given = {},
  ) {
    const { examples = "examples", champion = "no-champion", retrain = "yes", threads = 1 } = given;
    const artifact = (path: string) => ({ artifacts: [{ uri: this.#url(path) }] });
    const outputFile = join(this.folder, runId, "outputs.json");
    const input = {
      inputs: {
        parameterValues: { step: this.#name, run_id: runId, run_date: "2024-03-01", retrain },
        artifacts: { examples: artifact(examples), champion: artifact(champion) },
      },
      outputs: { artifacts: { predictions: artifact(`${runId}/predictions`) }, outputFile },
    };
    const env = { ARTIFACTS_URL: this.#url(""), TIME_LIMIT_SECONDS: "120", OMP_NUM_THREADS: String(threads) };
    const [program = "", ...args] = [...command(env), "--executor-input", JSON.stringify(input)];
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const log = await text(child.stdout);
    const file = join(this.folder, "runs", runId, "steps", `${this.#name}.json`);
    const report = stepReport.parse(JSON.parse(readFileSync(file, "utf8")));
    return { code: await ended, log, report, outputFile };
  }

  async predictions(runId: string): Promise<Row[]> {
    const glob = join(this.folder, runId, "predictions", "*.parquet");
    const sql = `SELECT * FROM read_parquet('${glob}') ORDER BY model_id, sample, customer_id`;
    return await this.#warehouse.withConnection(
      async (connection) => (await connection.runAndReadAll(sql)).getRowObjectsJson() as Row[],
    );
  }

  async close(): Promise<void> {
    await this.#warehouse.close();
    rmSync(this.folder, { recursive: true });
  }

  #url(path: string): string {
    return pathToFileURL(join(this.folder, path)).href;
  }

  async #writeParquet(path: string, sql: string): Promise<void> {
    mkdirSync(join(this.folder, path), { recursive: true });
    const file = join(this.folder, path, "part-0.parquet");
    await this.#warehouse.withConnection((connection) =>
      connection.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`),
    );
  }
}
