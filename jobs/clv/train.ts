import { createHash } from "node:crypto";
import type { RunSettings } from "../../contracts/run.ts";
import type { Row, Warehouse } from "../../contracts/warehouse.ts";
import { UserError } from "../../lib/user-error.ts";
import type { Step } from "../job.ts";
import { bestOf, type Challenger, decideChampion, whyNotBest, worseThanBaselines } from "./champion.ts";
import { coverageWarnings, givenIntervalCoverage, intervalCoverage } from "./coverage.ts";
import {
  FAMILIES,
  type Family,
  type FitResult,
  type FittedModel,
  fitModel,
  fitValues,
  modelOfFamily,
  nearLimit,
  type Sample,
} from "./fit-model.ts";
import { CannotFit } from "./maximum-likelihood.ts";
import { evaluate, type MetricRow } from "./metrics.ts";
import {
  type Champion,
  type Model,
  readCalendar,
  readChampion,
  readCustomerCounts,
  readHoldout,
  readPredictedHoldouts,
  readStatistics,
  replaceMetrics,
  replaceModels,
} from "./model-tables.ts";
import { predictHoldout } from "./predictions.ts";

type TrainStep = Step<RunSettings & { candidates: string }>;

/** A model that takes the place of the champion. `files` is a folder, relative to the artifacts. */
export interface NewChampion {
  readonly model_id: string;
  readonly family: string;
  readonly files: string;
}

/** Folder of a model's files. */
const filesOf = ({ model_id }: { readonly model_id: string }): string => `models/${model_id}`;

/** A model that was made now, with its rows of rfm.models. Whether it is the champion, and why, is added at the end. */
interface NewModel extends Challenger {
  readonly rows: readonly Row[];
}

/**
 * Fits the built-in models, evaluates them, the models of the candidates and the champion on the hold-out, and decides which
 * of them scores. The id of that model is the step's output; it is empty when there is none, and the run then gives RFM
 * only. A new champion is returned, and kept in the folder of its files.
 */
export async function train(
  step: TrainStep,
  warehouse: Warehouse,
  families: readonly Family[] = FAMILIES,
): Promise<NewChampion | undefined> {
  const { parameters, report, log } = step;
  const { run_date, promotion_metric: metric, promotion_tolerance: tolerance } = parameters;
  if (parameters.retrain === "no") {
    const kept = await readChampion(warehouse, run_date, "until");
    if (kept !== undefined) return void (await keepChampion(step, kept));
    report.warnings.push(
      `There is no champion up to ${run_date}, so a model is fitted although retrain is no.`,
    );
  }

  const calendar = await readCalendar(warehouse, run_date);
  const weeks = calendar.holdout_weeks;
  const { fits, reason } = await fitBuiltIn(warehouse, run_date, weeks, families);
  const predicted = await evaluateCandidates(step, warehouse, weeks);
  if (fits.length === 0 && predicted.length === 0) return void (await giveRfmOnly(step, warehouse, reason));
  if (fits.length === 0) report.warnings.push(`The built-in model could not be fitted. ${reason}`);
  report.warnings.push(...warningsOf(fits));

  const champion = await usableChampion(step, warehouse);
  const calibrated = fits.map(({ family, calibration }) =>
    typeof calibration === "string" ? null : modelOf(family, calibration),
  );
  const compared = [...calibrated, champion?.model ?? null];
  const metricsOf = await evaluateBuiltIn(warehouse, run_date, weeks, compared);
  const counts = await readCustomerCounts(warehouse, run_date);
  const builtIn = fits.map((fit, i) => builtInModel(run_date, fit, counts, metricsOf(calibrated[i]!)));
  const championMetrics = champion === undefined ? [] : metricsOfChampion(champion, predicted, metricsOf);
  const models = [...builtIn, ...predicted.filter(({ model_id }) => model_id !== champion?.model_id)];
  const [best, decision] = decide();
  const scoring = decision.promoted && best !== undefined ? best.model_id : (champion?.model_id ?? "");
  log.info({ best: best?.model_id, champion: champion?.model_id, ...decision }, decision.reason);
  if (scoring === "")
    report.warnings.push(`No model can be used, so the run gives RFM only. ${decision.reason}`);
  else if (!decision.promoted)
    report.warnings.push(
      `The champion of ${champion?.run_date} scores, not the model fitted now. ${decision.reason}`,
    );
  else if (best !== undefined)
    report.warnings.push(...worseThanBaselines(best), ...coverageWarnings(best.model_id, best.metrics));

  const promoted = decision.promoted ? best : undefined;
  const rows = models.flatMap((model) => {
    const reason = model === best || best === undefined ? decision.reason : whyNotBest(model, best, metric);
    return model.rows.map((row) => ({
      ...row,
      first_order_on: calendar.first_order_on,
      orders_before: row.sample === "production" ? run_date : calendar.calibration_end,
      git_commit: process.env.GIT_COMMIT || null,
      ...(model === promoted && { files: filesOf(model) }),
      is_champion: model === promoted,
      reason: [reason, row.reason ?? ""].join(" ").trimEnd(),
    }));
  });
  report.rows["rfm.models"] = await replaceModels(warehouse, run_date, rows);
  report.rows["rfm.model_metrics"] = await replaceMetrics(warehouse, run_date, {
    holdout: best === undefined ? [] : [best],
    candidate: models.filter((model) => model !== best),
    champion: champion === undefined ? [] : [{ model_id: champion.model_id, metrics: championMetrics }],
  });
  const artifact = {
    model_id: best?.model_id ?? null,
    decision,
    valueReason: fits[0]?.valueReason ?? null,
    fits: rows,
    holdout: best?.metrics ?? [],
  };
  const text = JSON.stringify(artifact, null, 2);
  await step.writeArtifact("model", text);
  report.outputs.model_id = scoring;
  if (promoted === undefined) return undefined;
  await step.writeFile(`${filesOf(promoted)}/model.json`, text);
  return { model_id: promoted.model_id, family: promoted.family, files: filesOf(promoted) };

  function decide() {
    if (models.length === 0) {
      // Only the champion's own candidate predicted, and made no new model.
      return [undefined, { promoted: false, reason: "No new model could be fitted." }] as const;
    }
    const best = bestOf(models, metric);
    const compared = champion === undefined ? undefined : { metrics: championMetrics };
    return [best, decideChampion(best, compared, { metric, tolerance })] as const;
  }
}

/** The built-in models, or a sentence on why there is none. */
async function fitBuiltIn(
  warehouse: Warehouse,
  runDate: string,
  weeks: number,
  families: readonly Family[],
): Promise<{ readonly fits: readonly FitResult[]; readonly reason: string }> {
  const statistics = {
    production: await readStatistics(warehouse, runDate, "production"),
    calibration: await readStatistics(warehouse, runDate, "calibration"),
  };
  try {
    const values = fitValues(statistics);
    return { fits: families.map((family) => fitModel(family, statistics, values, weeks)), reason: "" };
  } catch (error) {
    if (!(error instanceof CannotFit)) throw error;
    return { fits: [], reason: error.message };
  }
}

const valueNote = ({ valueReason }: FitResult): string =>
  valueReason === null
    ? ""
    : `The expected value of a purchase is the mean of the customer's own purchases. ${valueReason}`;

function warningsOf(fits: readonly FitResult[]): string[] {
  const warnings = fits.flatMap((fit) => [
    typeof fit.calibration === "string"
      ? `The model could not be evaluated on a hold-out. ${fit.calibration}`
      : "",
    valueNote(fit),
    nearLimit(fit.production) ?? "",
  ]);
  return [...new Set(warnings)].filter((warning) => warning !== "");
}

/** A built-in model among the new ones: the model that is evaluated was fitted without the hold-out. */
function builtInModel(
  run_date: string,
  fit: FitResult,
  counts: Readonly<Record<Sample, number>>,
  metrics: readonly MetricRow[],
): NewModel {
  const { family, production, calibration } = fit;
  const model_id = modelId(family, production);
  const fitted = typeof calibration === "string" ? [production] : [production, calibration];
  const toRow = ({ sample, purchases, gammaGamma, customers }: FittedModel): Row => ({
    run_date,
    model_id,
    family,
    sample,
    ...purchases.parameters,
    ...gammaGamma?.parameters,
    parameters: JSON.stringify({ ...purchases.parameters, ...gammaGamma?.parameters }, (_, value) =>
      typeof value === "number" ? Number(value.toPrecision(DIGITS)) : value,
    ),
    ...withSuffix(purchases.standardErrors),
    ...withSuffix(gammaGamma?.standardErrors ?? {}),
    bg_nbd_log_likelihood: purchases.logLikelihood,
    gamma_gamma_log_likelihood: gammaGamma?.logLikelihood ?? null,
    customers,
    all_customers: counts[sample],
    converged: purchases.converged,
    reason: valueNote(fit),
  });
  return {
    model_id,
    family,
    converged: production.purchases.converged,
    metrics,
    rows: fitted.map(toRow),
  };
}

type MetricsOf = (model: Model | null) => readonly MetricRow[];

/** The metrics of these models on the hold-out; none if it is empty. */
async function evaluateBuiltIn(
  warehouse: Warehouse,
  runDate: string,
  weeks: number,
  compared: readonly (Model | null)[],
): Promise<MetricsOf> {
  const models = compared.filter((model) => model !== null);
  const holdout = models.length === 0 ? undefined : await readHoldout(warehouse, runDate);
  if (holdout === undefined || holdout.x.length === 0) return () => [];
  const predictions = models.map((model) => predictHoldout(model, holdout, weeks));
  const metrics = evaluate(holdout, weeks, predictions);
  const byModel = new Map<Model | null, MetricRow[]>(
    models.map((model, i) => [model, [...metrics[i]!, ...intervalCoverage(model, holdout, weeks)]]),
  );
  return (model) => byModel.get(model) ?? [];
}

const candidatesOf = ({ parameters }: TrainStep): string[] =>
  parameters.candidates.split(",").filter((name) => name !== "");

/** The models of the candidates, evaluated on the hold-out like the built-in one. */
async function evaluateCandidates(step: TrainStep, warehouse: Warehouse, weeks: number): Promise<NewModel[]> {
  const { run_date } = step.parameters;
  const holdouts = await readPredictedHoldouts(warehouse, run_date, candidatesOf(step));
  return holdouts.map(({ model_id, family, customers }) => {
    const { x, expected_purchases, expected_value } = customers;
    const predictions = { purchases: expected_purchases, value: expected_value };
    const row = {
      ...{ run_date, model_id, family, files: filesOf({ model_id }), sample: "production", converged: true },
      // Its outcomes are those of the hold-out's customers.
      customers: x.length,
    };
    const [metrics = []] = x.length === 0 ? [] : evaluate(customers, weeks, [predictions]);
    metrics.push(...givenIntervalCoverage(customers));
    return { model_id, family, converged: true, metrics, rows: [row] };
  });
}

/** The champion of the runs before, if it can score. */
async function usableChampion(step: TrainStep, warehouse: Warehouse): Promise<Champion | undefined> {
  const champion = await readChampion(warehouse, step.parameters.run_date, "before");
  if (champion === undefined || champion.model !== null || candidatesOf(step).includes(champion.family))
    return champion;
  step.report.warnings.push(
    `The champion ${champion.model_id} is of the candidate ${champion.family}, which is off, so it can't score.`,
  );
  return undefined;
}

/** Its own family predicts with it again. */
function metricsOfChampion(
  { model_id, model }: Champion,
  predicted: readonly NewModel[],
  metricsOf: MetricsOf,
): readonly MetricRow[] {
  if (model !== null) return metricsOf(model);
  return predicted.find((each) => each.model_id === model_id)?.metrics ?? [];
}

/** No model scores: the rows of an earlier try of the run date are deleted. */
async function giveRfmOnly(
  { parameters: { run_date }, report, writeArtifact }: TrainStep,
  warehouse: Warehouse,
  reason: string,
): Promise<void> {
  report.warnings.push(`No model could be fitted, so the run gives RFM only. ${reason}`);
  await replaceModels(warehouse, run_date, []);
  await replaceMetrics(warehouse, run_date, { holdout: [], candidate: [], champion: [] });
  await writeArtifact("model", JSON.stringify({ model_id: null, reason }));
  report.outputs.model_id = "";
}

/** Nothing is fitted: the last champion scores, and the tables of models stay as they are. */
async function keepChampion(step: TrainStep, champion: Champion): Promise<void> {
  const { report, log, writeArtifact } = step;
  const { model_id, run_date, family, model } = champion;
  if (model === null && !candidatesOf(step).includes(family))
    throw new UserError(`The champion ${model_id} is of the candidate ${family}, which is off.`, {
      remedy: `Turn the candidate ${family} on, or run the date with retrain=yes.`,
    });
  log.info({ model_id }, `no model is fitted: the champion of ${run_date} scores`);
  await writeArtifact("model", JSON.stringify({ model_id, reason: "retrain is no." }));
  report.outputs.model_id = model_id;
}

const modelOf = (family: Family, { purchases, gammaGamma }: FittedModel): Model => ({
  purchases: modelOfFamily(family, purchases.parameters),
  gammaGamma: gammaGamma?.parameters ?? null,
});

/** Rounding, by another order of rows, can change the digits after these. */
const DIGITS = 8;

/** Equal parameters have the same id, so that a repeated run names the same model. */
function modelId(family: Family, { purchases, gammaGamma }: FittedModel): string {
  const hash = createHash("sha256")
    .update(
      JSON.stringify([purchases.parameters, gammaGamma?.parameters ?? null], (_, value) =>
        typeof value === "number" ? value.toPrecision(DIGITS) : value,
      ),
    )
    .digest("hex");
  return `${family}-${gammaGamma === null ? "" : "gg-"}${hash.slice(0, 12)}`;
}

/** Standard errors as columns, like r_se; null for those that are not known. */
const withSuffix = (errors: Readonly<Record<string, number>>): Record<string, number | null> =>
  Object.fromEntries(
    Object.entries(errors).map(([name, error]) => [`${name}_se`, Number.isFinite(error) ? error : null]),
  );
