import { createHash } from "node:crypto";
import type { RunSettings } from "../../contracts/run.ts";
import type { Warehouse } from "../../contracts/warehouse.ts";
import { UserError } from "../../lib/user-error.ts";
import type { Step } from "../job.ts";
import { decideChampion } from "./champion.ts";
import { type FitResult, type FittedModel, fitModel } from "./fit-model.ts";
import { CannotFit } from "./maximum-likelihood.ts";
import { evaluate } from "./metrics.ts";
import {
  type Model,
  readChampion,
  readCustomerCount,
  readHoldout,
  readHoldoutWeeks,
  readStatistics,
  replaceMetrics,
  replaceModels,
} from "./model-tables.ts";
import { predictHoldout } from "./predictions.ts";

/**
 * Fits a model, evaluates it and the champion on the hold-out, and decides which of the two scores. The id of that
 * model is the step's output; it is empty when there is none, and the run then gives RFM only.
 */
export async function train(step: Step<RunSettings>, warehouse: Warehouse): Promise<void> {
  const { parameters, report, log } = step;
  const { run_date } = parameters;
  if (parameters.retrain === "no") return await keepChampion(step, warehouse);

  const weeks = await readHoldoutWeeks(warehouse, run_date);
  const statistics = {
    production: await readStatistics(warehouse, run_date, "production"),
    calibration: await readStatistics(warehouse, run_date, "calibration"),
  };
  let fit: FitResult;
  try {
    fit = fitModel(statistics, weeks);
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
  const champion = await readChampion(warehouse, run_date, "before");
  const holdout = fitted.length === 1 ? undefined : await readHoldout(warehouse, run_date);
  const metricsOf = (model: Model) =>
    holdout === undefined || holdout.x.length === 0 ? [] : evaluate(predictHoldout(model, holdout, weeks));
  const metrics = metricsOf(parametersOf(fitted.at(-1)!));
  const championMetrics = champion === undefined ? [] : metricsOf(champion);
  const decision = decideChampion(
    { converged: production.bgNbd.converged, metrics },
    champion === undefined ? undefined : { metrics: championMetrics },
    { metric: parameters.promotion_metric, tolerance: parameters.promotion_tolerance },
  );
  const scoring = decision.promoted ? model_id : (champion?.model_id ?? "");
  log.info({ model_id, champion: champion?.model_id, ...decision }, decision.reason);
  if (scoring === "")
    report.warnings.push(`No model can be used, so the run gives RFM only. ${decision.reason}`);
  else if (!decision.promoted)
    report.warnings.push(
      `The champion of ${champion?.run_date} scores, not the model fitted now. ${decision.reason}`,
    );

  const toRow = async ({ sample, bgNbd, gammaGamma, customers }: FittedModel) => ({
    run_date,
    model_id,
    sample,
    ...bgNbd.parameters,
    ...gammaGamma?.parameters,
    ...withSuffix(bgNbd.standardErrors),
    ...withSuffix(gammaGamma?.standardErrors ?? {}),
    bg_nbd_log_likelihood: bgNbd.logLikelihood,
    gamma_gamma_log_likelihood: gammaGamma?.logLikelihood ?? null,
    customers,
    all_customers: await readCustomerCount(warehouse, run_date, sample),
    converged: bgNbd.converged,
    is_champion: decision.promoted,
    reason: `${decision.reason} ${valueNote}`.trimEnd(),
  });
  const rows = await Promise.all(fitted.map(toRow));
  report.rows["rfm.models"] = await replaceModels(warehouse, run_date, rows);
  report.rows["rfm.model_metrics"] =
    (await replaceMetrics(warehouse, run_date, "holdout", model_id, metrics)) +
    (await replaceMetrics(warehouse, run_date, "champion", champion?.model_id ?? "", championMetrics));
  await step.writeArtifact(
    "model",
    JSON.stringify({ model_id, decision, valueReason, fits: rows, holdout: metrics }, null, 2),
  );
  report.outputs.model_id = scoring;
}

/** No model scores: the rows of an earlier try of the run date are deleted. */
async function giveRfmOnly(
  { parameters: { run_date }, report, writeArtifact }: Step<RunSettings>,
  warehouse: Warehouse,
  reason: string,
): Promise<void> {
  report.warnings.push(`No model could be fitted, so the run gives RFM only. ${reason}`);
  await replaceModels(warehouse, run_date, []);
  await replaceMetrics(warehouse, run_date, "holdout", "", []);
  await replaceMetrics(warehouse, run_date, "champion", "", []);
  await writeArtifact("model", JSON.stringify({ model_id: null, reason }));
  report.outputs.model_id = "";
}

/** Nothing is fitted: the last champion scores, and the tables of models stay as they are. */
async function keepChampion(
  { parameters, report, log, writeArtifact }: Step<RunSettings>,
  warehouse: Warehouse,
): Promise<void> {
  const champion = await readChampion(warehouse, parameters.run_date, "until");
  if (champion === undefined)
    throw new UserError(`There is no champion up to ${parameters.run_date} that could score.`, {
      remedy: "Run the date with retrain=yes, which is the default.",
    });
  const { model_id, run_date } = champion;
  log.info({ model_id }, `no model is fitted: the champion of ${run_date} scores`);
  await writeArtifact("model", JSON.stringify({ model_id, reason: "retrain is no." }));
  report.outputs.model_id = model_id;
}

const parametersOf = ({ bgNbd, gammaGamma }: FittedModel): Model => ({
  bgNbd: bgNbd.parameters,
  gammaGamma: gammaGamma?.parameters ?? null,
});

/**
 * Equal parameters have the same id, so that a repeated run names the same model. The digits that rounding can change
 * do not count.
 */
function modelId(fitted: FittedModel): string {
  const { bgNbd, gammaGamma } = parametersOf(fitted);
  const hash = createHash("sha256")
    .update(
      JSON.stringify([bgNbd, gammaGamma], (_, value) =>
        typeof value === "number" ? value.toPrecision(8) : value,
      ),
    )
    .digest("hex");
  return `bgnbd-${gammaGamma === null ? "" : "gg-"}${hash.slice(0, 12)}`;
}

/** Standard errors as columns, like r_se; null for those that are not known. */
const withSuffix = (errors: Readonly<Record<string, number>>): Record<string, number | null> =>
  Object.fromEntries(
    Object.entries(errors).map(([name, error]) => [`${name}_se`, Number.isFinite(error) ? error : null]),
  );
