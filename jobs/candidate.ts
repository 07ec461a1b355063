/**
 * The job protocol for candidates in TypeScript. A candidate is two functions, and one line:
 *
 *     await runCandidate("averages", { fit, predict });
 *
 * docs/own-model.md has the tables and their columns.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { jobArtifacts } from "../adapters/artifacts.ts";
import { readParquet, writeParquet } from "../adapters/parquet.ts";
import { UserError } from "../lib/user-error.ts";
import { runJob } from "./job.ts";

const TEXTS = ["sample", "purpose", "customer_id"] as const;
/** Numbers of rfm.examples that each example has. A new column of the SQL is added here. */
export const FEATURES = [
  "weeks",
  "age_days",
  "recency_days",
  "purchases",
  "value",
  "largest_value",
  "purchases_4_weeks",
  "purchases_13_weeks",
  "purchases_52_weeks",
  "value_13_weeks",
  "value_52_weeks",
] as const;
const OUTCOMES = ["actual_purchases", "actual_value"] as const;

/** A customer as it was on a cut-off day. */
export type Example = Readonly<
  Record<(typeof TEXTS)[number], string> & Record<(typeof FEATURES)[number], number>
>;
/** An example with its outcomes: what the customer did in the weeks after the cut-off day. */
export type KnownExample = Example & Readonly<Record<(typeof OUTCOMES)[number], number>>;

/**
 * What a candidate expects of one customer in the weeks of the example. Numbers are finite and not negative. `low` and `high`
 * are the ends of an 80 % interval of the value; a customer has both or none. `reason`: why the prediction is what it is, or
 * why a figure is missing.
 */
export interface Prediction {
  readonly expected_value: number;
  readonly expected_purchases?: number;
  readonly p_active?: number;
  readonly low?: number;
  readonly high?: number;
  readonly reason?: string;
}
const FIGURES = ["expected_purchases", "expected_value", "p_active", "low", "high"] as const;

export interface CandidateFunctions<Model> {
  /** Gets the examples whose outcomes are known. Returns the model, a value that JSON can hold. */
  fit(examples: readonly KnownExample[]): Model;
  /** Returns one prediction for each example, in the same order. */
  predict(model: Model, examples: readonly Example[]): readonly Prediction[];
}

const SAMPLES = ["calibration", "production"] as const;

/**
 * Runs the step by the job protocol: reads the examples, fits, and writes the predictions and the model. A failure ends
 * the process with 1 and is in the step report.
 */
export async function runCandidate<Model>(
  family: string,
  functions: CandidateFunctions<Model>,
): Promise<void> {
  const schema = z.object({ retrain: z.enum(["yes", "no"]).default("yes") });
  await runJob(schema, async ({ parameters, report, log, artifactsUrl, artifactUrls }) => {
    // In the cloud, the account of candidates may write the files of models by the names of the steps alone.
    if (family !== parameters.step)
      throw new UserError(`The model is called ${family}, and the step ${parameters.step}.`, {
        remedy: "Give both one name: that of the folder in jobs/.",
      });
    const warn = (sentence: string): void => {
      report.warnings.push(sentence);
      log.warn(sentence);
    };
    const examples = await readExamples(artifactUrls.inputs.examples!);
    const part = (sample: string, purpose: string): KnownExample[] =>
      examples.filter((example) => example.sample === sample && example.purpose === purpose);
    const champion = await readParquet(artifactUrls.inputs.champion!, ["family", "model_id"]);
    // They are not in the folder of the run, so that a champion outlives the run that made it.
    const fileOf = (id: string, sample: string): string => `${artifactsUrl}/models/${id}/${sample}.json`;
    const rows: object[] = [];
    const add = (id: string, sample: string, model: Model): void => {
      const asked = part(sample, "predict");
      rows.push(...predictionRows(id, asked, functions.predict(model, asked)));
    };

    const newModel = `${family}-${fingerprint(examples)}`;
    if (parameters.retrain === "yes")
      for (const sample of SAMPLES) {
        const known = part(sample, "fit");
        if (known.length === 0 || part(sample, "predict").length === 0) {
          warn(`${family} has no examples to fit for the sample ${sample}: the history is too short.`);
          continue;
        }
        const text = JSON.stringify(functions.fit(known));
        await jobArtifacts.write(fileOf(newModel, sample), text);
        add(newModel, sample, JSON.parse(text));
      }
    for (const { family: owner, model_id } of champion) {
      // A model that was fitted again is the champion.
      if (owner !== family || (parameters.retrain === "yes" && model_id === newModel)) continue;
      for (const sample of SAMPLES) {
        if (part(sample, "predict").length === 0) continue;
        const file = fileOf(String(model_id), sample);
        const text = await jobArtifacts.read(file);
        if (text === undefined) throw new UserError(`The file of the champion is missing: ${file}.`);
        add(String(model_id), sample, JSON.parse(text));
      }
    }
    const known = part("production", "fit")[0]?.weeks ?? 0;
    const horizon = part("production", "predict")[0]?.weeks ?? 0;
    if (known > 0 && known < horizon)
      warn(
        `${family} knows outcomes of ${known} weeks, and predicts ${horizon}: the history is too short for more. ` +
          "Look at the back-test of an earlier run date before you use the predictions, or shorten the horizon.",
      );
    await writeParquet(`${artifactUrls.outputs.predictions}/part-0.parquet`, PREDICTION_COLUMNS, rows);
    report.rows.predictions = rows.length;
  });
}

const PREDICTION_COLUMNS = [
  { name: "model_id", type: "STRING" },
  { name: "sample", type: "STRING" },
  { name: "customer_id", type: "STRING" },
  { name: "weeks", type: "INT64" },
  { name: "expected_purchases", type: "DOUBLE", nullable: true },
  { name: "expected_value", type: "DOUBLE" },
  { name: "p_active", type: "DOUBLE", nullable: true },
  { name: "low", type: "DOUBLE", nullable: true },
  { name: "high", type: "DOUBLE", nullable: true },
  { name: "reason", type: "STRING", nullable: true },
] as const;

/** Where a candidate does not give a figure. */
const MISSING = { expected_purchases: null, p_active: null, low: null, high: null, reason: null };

/** The examples, ordered by their key, because the order of rows in files must not change a model. */
async function readExamples(folder: string): Promise<KnownExample[]> {
  const rows = await readParquet(folder, [...TEXTS, ...FEATURES, ...OUTCOMES]);
  const keyOf = (row: object): string => JSON.stringify(TEXTS.map((name) => row[name as keyof typeof row]));
  const keyed = rows.map((row) => [keyOf(row), row as unknown as KnownExample] as const);
  return keyed.sort(([one], [other]) => (one < other ? -1 : 1)).map(([, example]) => example);
}

/**
 * The rows of predictions.
 * @throws UserError when a customer has no prediction, a figure is not a number from 0 up, or an interval has one end or crossed ends
 */
function predictionRows(model_id: string, asked: readonly Example[], given: readonly Prediction[]): object[] {
  if (given.length !== asked.length)
    throw new UserError(`predict returned ${given.length} rows for ${asked.length} customers.`);
  return given.map((prediction, index) => {
    const { sample, customer_id, weeks } = asked[index]!;
    for (const name of FIGURES) {
      const figure = prediction[name];
      if (figure === undefined && name !== "expected_value") continue;
      const [most, allowed] = name === "p_active" ? [1, "from 0 to 1"] : [Infinity, "from 0 up"];
      if (!Number.isFinite(figure) || figure! < 0 || figure! > most)
        throw new UserError(`${name} of customer ${customer_id} is ${figure}, not a number ${allowed}.`);
    }
    const { low, high } = prediction;
    if ((low === undefined) !== (high === undefined) || low! > high!)
      throw new UserError(`The interval of customer ${customer_id} has low ${low} and high ${high}.`, {
        remedy: "Give both with low <= high, or neither.",
      });
    return { ...MISSING, ...prediction, model_id, sample, customer_id, weeks };
  });
}

/** Equal examples and equal code give equal models, and those have one id. */
function fingerprint(examples: readonly object[]): string {
  const hash = createHash("sha256");
  for (const example of examples) hash.update(JSON.stringify(example));
  // In an image, all code is one file.
  const folder = dirname(process.argv[1]!);
  const sources = globSync("*.{ts,mjs}", { cwd: folder, exclude: ["*.test.ts"] }).sort();
  for (const source of [import.meta.filename, ...sources.map((file) => join(folder, file))])
    hash.update(readFileSync(source));
  return hash.digest("hex").slice(0, 12);
}
