import { createHash } from "node:crypto";
import type { RunSettings } from "../../contracts/run.ts";
import type { Warehouse } from "../../contracts/warehouse.ts";
import { UserError } from "../../lib/user-error.ts";
import type { Step } from "../job.ts";
import { bestOf, type Challenger, compare, decideChampion, worseThanBaselines } from "./champion.ts";
import { type FitResult, type FittedModel, fitModel } from "./fit-model.ts";
import { CannotFit } from "./maximum-likelihood.ts";
import { evaluate } from "./metrics.ts";
import {
  BUILT_IN,
  type Model,
  readChampion,
  readHoldout,
  readHoldoutWeeks,
  readPredictedHoldouts,
  readPurchaseStatistics,
  readValueStatistics,
  replaceMetrics,
  replaceModels,
} from "./model-tables.ts";
import { customerOutcome, predictHoldout } from "./predictions.ts";

/**
 * Fits the built-in model, evaluates it, the models of the candidates and the champion on the hold-out, and decides which
 * of them scores. The id of that model is the step's output; it is empty when there is none, and the run then gives RFM only.
 */
export async function train(step: TrainStep, warehouse: Warehouse): Promise<void> {
  const { parameters, report, log } = step;
  const { run_date } = parameters;
  if (parameters.retrain === "no") return await keepChampion(step, warehouse);

  const weeks = await readHoldoutWeeks(warehouse, run_date);
  const purchases = await readPurchaseStatistics(warehouse, run_date);
  const values = await readValueStatistics(warehouse, run_date);
  let fit: FitResult;
  try {
    fit = fitModel(purchases, values, weeks);
  } catch (error) {
    if (!(error instanceof CannotFit)) throw error;
    return await giveRfmOnly(step, warehouse, error.message);
  }
  const { production, calibration, valueReason } = fit;
  if (typeof calibration === "string")
    report.warnings.push(`The model could not be evaluated on a hold-out. ${calibration}`);
  const valueNote =
    valueReason === null
      ? ""
      : `The expected value of a purchase is the mean of the customer's own purchases. ${valueReason}`;
  if (valueNote !== "") report.warnings.push(valueNote);

  const model_id = modelId(production);
  const fitted = typeof calibration === "string" ? [production] : [production, calibration];
  const holdout = fitted.length === 1 ? [] : await readHoldout(warehouse, run_date);
  const metricsOf = (model: Model) =>
    holdout.length === 0 ? [] : evaluate(predictHoldout(model, holdout, weeks));
  const builtIn: Challenger = {
    model_id,
    family: BUILT_IN,
    converged: production.bgNbd.converged,
    metrics: metricsOf(parametersOf(fitted.at(-1)!)),
  };
  const predicted = await evaluateCandidates(step, warehouse, weeks);
  const known = await readChampion(warehouse, run_date, "before");
  const isUsable = known !== undefined && (known.model !== null || candidatesOf(step).includes(known.family));
  if (known !== undefined && !isUsable)
    report.warnings.push(
      `The champion ${known.model_id} is of the candidate ${known.family}, which is off, so it can't score.`,
    );
  const champion = isUsable ? known : undefined;
  const championMetrics =
    champion?.model === undefined || champion.model === null
      ? (predicted.find((model) => model.model_id === champion?.model_id)?.metrics ?? [])
      : metricsOf(champion.model);

  const { promotion_metric: metric, promotion_tolerance: tolerance } = parameters;
  const candidates = predicted.filter((model) => model.model_id !== champion?.model_id);
  const best = bestOf([builtIn, ...candidates], metric);
  const decision = decideChampion(best, champion === undefined ? undefined : { metrics: championMetrics }, {
    metric,
    tolerance,
  });
  const scoring = decision.promoted ? best.model_id : (champion?.model_id ?? "");
  const reason = (model: Challenger): string =>
    model === best ? decision.reason : `${best.model_id} is better: ${compare(model, best, metric)}.`;
  log.info({ best: best.model_id, champion: champion?.model_id, ...decision }, decision.reason);
  if (scoring === "")
    report.warnings.push(`No model can be used, so the run gives RFM only. ${decision.reason}`);
  else if (!decision.promoted)
    report.warnings.push(
      `The champion of ${champion?.run_date} scores, not the model fitted now. ${decision.reason}`,
    );
  else report.warnings.push(...worseThanBaselines(best));

  const rows = fitted.map(({ sample, bgNbd, gammaGamma, customers }) => ({
    run_date,
    model_id,
    family: BUILT_IN,
    sample,
    ...bgNbd.parameters,
    ...gammaGamma?.parameters,
    ...withSuffix(bgNbd.standardErrors),
    ...withSuffix(gammaGamma?.standardErrors ?? {}),
    bg_nbd_log_likelihood: bgNbd.logLikelihood,
    gamma_gamma_log_likelihood: gammaGamma?.logLikelihood ?? null,
    customers,
    converged: bgNbd.converged,
    is_champion: decision.promoted && best === builtIn,
    reason: `${reason(builtIn)} ${valueNote}`.trimEnd(),
  }));
  const candidateRows = candidates.map((candidate) => ({
    run_date,
    model_id: candidate.model_id,
    family: candidate.family,
    files: `models/${candidate.model_id}`,
    sample: "production",
    // Its outcomes are those of the hold-out's customers.
    customers: holdout.length,
    converged: true,
    is_champion: decision.promoted && best === candidate,
    reason: reason(candidate),
  }));
  report.rows["rfm.models"] = await replaceModels(warehouse, run_date, [...rows, ...candidateRows]);
  const others = [builtIn, ...candidates].filter((model) => model !== best);
  const written = [
    await replaceMetrics(warehouse, run_date, "holdout", [best]),
    await replaceMetrics(warehouse, run_date, "candidate", others),
    await replaceMetrics(
      warehouse,
      run_date,
      "champion",
      champion === undefined ? [] : [{ model_id: champion.model_id, metrics: championMetrics }],
    ),
  ];
  report.rows["rfm.model_metrics"] = written.reduce((sum, count) => sum + count);
  const artifact = { model_id: best.model_id, decision, valueReason, fits: rows, holdout: best.metrics };
  await step.writeArtifact("model", JSON.stringify(artifact, null, 2));
  report.outputs.model_id = scoring;
}

type TrainStep = Step<RunSettings & { candidates: string }>;

const candidatesOf = ({ parameters }: TrainStep): string[] =>
  parameters.candidates.split(",").filter((name) => name !== "");

/** The models of the candidates, evaluated on the hold-out like the built-in one. */
async function evaluateCandidates(
  step: TrainStep,
  warehouse: Warehouse,
  weeks: number,
): Promise<Challenger[]> {
  const { run_date } = step.parameters;
  const holdouts = await readPredictedHoldouts(warehouse, run_date, candidatesOf(step));
  return holdouts.map(({ model_id, family, customers }) => {
    const outcomes = customers.map((customer) =>
      customerOutcome(customer, weeks, customer.expected_purchases ?? Number.NaN, customer.expected_value),
    );
    return { model_id, family, converged: true, metrics: outcomes.length === 0 ? [] : evaluate(outcomes) };
  });
}

/** No model scores: the rows of an earlier try of the run date are deleted. */
async function giveRfmOnly(
  { parameters: { run_date }, report, writeArtifact }: TrainStep,
  warehouse: Warehouse,
  reason: string,
): Promise<void> {
  report.warnings.push(`No model could be fitted, so the run gives RFM only. ${reason}`);
  await replaceModels(warehouse, run_date, []);
  for (const evaluation of ["holdout", "candidate", "champion"] as const)
    await replaceMetrics(warehouse, run_date, evaluation, []);
  await writeArtifact("model", JSON.stringify({ model_id: null, reason }));
  report.outputs.model_id = "";
}

/** Nothing is fitted: the last champion scores, and the tables of models stay as they are. */
async function keepChampion(step: TrainStep, warehouse: Warehouse): Promise<void> {
  const { parameters, report, log, writeArtifact } = step;
  const champion = await readChampion(warehouse, parameters.run_date, "until");
  if (champion === undefined)
    throw new UserError(`There is no champion up to ${parameters.run_date} that could score.`, {
      remedy: "Run the date with retrain=yes, which is the default.",
    });
  const { model_id, run_date, family, model } = champion;
  if (model === null && !candidatesOf(step).includes(family))
    throw new UserError(`The champion ${model_id} is of the candidate ${family}, which is off.`, {
      remedy: `Turn the candidate ${family} on, or run the date with retrain=yes.`,
    });
  log.info({ model_id }, `no model is fitted: the champion of ${run_date} scores`);
  await writeArtifact("model", JSON.stringify({ model_id, reason: "retrain is no." }));
  report.outputs.model_id = model_id;
}

const parametersOf = ({ bgNbd, gammaGamma }: FittedModel): Model => ({
  bgNbd: bgNbd.parameters,
  gammaGamma: gammaGamma?.parameters ?? null,
});

/** The same parameters have the same id, so that a run that is repeated names the same model. */
function modelId(fitted: FittedModel): string {
  const { bgNbd, gammaGamma } = parametersOf(fitted);
  const hash = createHash("sha256")
    .update(JSON.stringify([bgNbd, gammaGamma]))
    .digest("hex");
  return `bgnbd-${gammaGamma === null ? "" : "gg-"}${hash.slice(0, 12)}`;
}

/** Standard errors as columns, like r_se; null for those that are not known. */
const withSuffix = (errors: Readonly<Record<string, number>>): Record<string, number | null> =>
  Object.fromEntries(
    Object.entries(errors).map(([name, error]) => [`${name}_se`, Number.isFinite(error) ? error : null]),
  );
