import { createHash } from "node:crypto";
import type { z } from "zod";
import type { RunSettings } from "../../contracts/run.ts";
import type { Warehouse } from "../../contracts/warehouse.ts";
import { UserError } from "../../lib/user-error.ts";
import type { Step } from "../job.ts";
import { type BgNbdParameters, conditionalExpectedPurchases } from "./bg-nbd.ts";
import { fitBgNbd } from "./bg-nbd-fit.ts";
import { decideChampion } from "./champion.ts";
import { conditionalExpectedValue, type GammaGammaParameters } from "./gamma-gamma.ts";
import { fitGammaGamma } from "./gamma-gamma-fit.ts";
import { CannotFit, type Fit } from "./maximum-likelihood.ts";
import { judge, type MetricRow } from "./metrics.ts";
import {
  calendarRow,
  championBefore,
  championUntil,
  holdoutRow,
  replaceMetrics,
  replaceModels,
  rowsOf,
  statisticsRow,
  valueRow,
} from "./model-tables.ts";

interface FittedModel {
  readonly sample: "production" | "calibration";
  readonly bgNbd: Fit<BgNbdParameters>;
  readonly gammaGamma: Fit<GammaGammaParameters>;
  readonly customers: number;
}

/**
 * Fits on the calibration sample and judges on the hold-out, against the baselines and the champion; fits on all
 * history; decides which model scores. Its id is the step's output; empty when there is none, and the run gives RFM only.
 */
export async function train(step: Step<RunSettings>, warehouse: Warehouse): Promise<void> {
  const { parameters, report, log } = step;
  const { run_date } = parameters;
  if (parameters.retrain === "no") return await keepChampion(step, warehouse);
  const [calendar] = await rowsOf(warehouse, "run_calendar", calendarRow, run_date);
  const statistics = await rowsOf(warehouse, "model_statistics", statisticsRow, run_date);
  const values = await rowsOf(warehouse, "value_statistics", valueRow, run_date);
  const of = <R extends { sample: string }>(rows: readonly R[], sample: string): R[] =>
    rows.filter((row) => row.sample === sample);
  const fitSample = (sample: FittedModel["sample"]): FittedModel => ({
    sample,
    bgNbd: fitBgNbd(of(statistics, sample)),
    gammaGamma: fitGammaGamma(of(values, sample)),
    customers: of(statistics, sample).reduce((sum, { customers }) => sum + customers, 0),
  });

  const startedAt = performance.now();
  const production = orCannotFit(() => fitSample("production"));
  const calibration =
    (calendar?.holdout_weeks ?? 0) > 0 ? orCannotFit(() => fitSample("calibration")) : undefined;
  log.info({ ms: Math.round(performance.now() - startedAt), statistics: statistics.length }, "fitted");

  if (production instanceof CannotFit) {
    report.warnings.push(`No model could be fitted, so the run gives RFM only. ${production.message}`);
    await replaceModels(warehouse, run_date, []);
    for (const evaluation of ["holdout", "champion"] as const) {
      await replaceMetrics(warehouse, run_date, evaluation, "", []);
    }
    await step.writeArtifact("model", JSON.stringify({ model_id: null, reason: production.message }));
    report.outputs.model_id = "";
    return;
  }
  if (calibration instanceof CannotFit) {
    report.warnings.push(`The model could not be judged on a hold-out. ${calibration.message}`);
  } else if (calibration === undefined) {
    report.warnings.push("The model could not be judged: the history is too short for a hold-out of a week.");
  }

  const model_id = modelId(production);
  const customers = await rowsOf(warehouse, "holdout", holdoutRow, run_date);
  const weeks = calendar?.holdout_weeks ?? 0;
  const metrics =
    calibration === undefined || calibration instanceof CannotFit
      ? []
      : judgeOn(customers, weeks, calibration.bgNbd.parameters, calibration.gammaGamma.parameters);
  const champion = await championBefore(warehouse, run_date);
  const championMetrics =
    champion === undefined || metrics.length === 0 ? [] : judgeOn(customers, weeks, champion, champion);
  const decision = decideChampion(
    { converged: isUsable(production), metrics },
    champion === undefined ? undefined : { metrics: championMetrics },
    { metric: parameters.promotion_metric, tolerance: parameters.promotion_tolerance },
  );
  const scoring = decision.promoted ? model_id : (champion?.model_id ?? "");
  log.info({ model_id, champion: champion?.model_id, ...decision }, decision.reason);
  if (scoring !== "" && !decision.promoted) {
    report.warnings.push(
      `The champion of ${champion?.run_date} scores, not the model fitted now. ${decision.reason}`,
    );
  }
  if (scoring === "")
    report.warnings.push(`No model is fit for use, so the run gives RFM only. ${decision.reason}`);

  const rows = [
    production,
    ...(calibration === undefined || calibration instanceof CannotFit ? [] : [calibration]),
  ].map((fitted) => ({
    run_date,
    model_id,
    sample: fitted.sample,
    ...fitted.bgNbd.parameters,
    ...fitted.gammaGamma.parameters,
    ...withSuffix(fitted.bgNbd.standardErrors),
    ...withSuffix(fitted.gammaGamma.standardErrors),
    bg_nbd_log_likelihood: fitted.bgNbd.logLikelihood,
    gamma_gamma_log_likelihood: fitted.gammaGamma.logLikelihood,
    customers: fitted.customers,
    converged: isUsable(fitted),
    is_champion: decision.promoted,
    reason: decision.reason,
  }));
  report.rows["rfm.models"] = await replaceModels(warehouse, run_date, rows);
  report.rows["rfm.model_metrics"] =
    (await replaceMetrics(warehouse, run_date, "holdout", model_id, metrics)) +
    (await replaceMetrics(warehouse, run_date, "champion", champion?.model_id ?? "", championMetrics));
  await step.writeArtifact(
    "model",
    JSON.stringify({ model_id, decision, fits: rows, holdout: metrics }, null, 2),
  );
  report.outputs.model_id = scoring;
}

/** The champion so far scores; what is known of models stays as it is. */
async function keepChampion(
  { parameters, report, log, writeArtifact }: Step<RunSettings>,
  warehouse: Warehouse,
) {
  const champion = await championUntil(warehouse, parameters.run_date);
  if (champion === undefined)
    throw new UserError(`There is no champion up to ${parameters.run_date} that could score.`, {
      remedy: "Run the date with retrain=yes, which is the default.",
    });
  const { model_id, run_date } = champion;
  log.info({ model_id }, `no model is fitted: the champion of ${run_date} scores`);
  await writeArtifact("model", JSON.stringify({ model_id, reason: "No model was to be fitted." }));
  report.outputs.model_id = model_id;
}

/** With q of 1 or less the mean value of a purchase is not finite, however well the fit converged. */
const isUsable = ({ bgNbd, gammaGamma }: FittedModel): boolean =>
  bgNbd.converged && gammaGamma.converged && gammaGamma.parameters.q > 1;

function orCannotFit<T>(work: () => T): T | CannotFit {
  try {
    return work();
  } catch (error) {
    if (error instanceof CannotFit) return error;
    throw error;
  }
}

/** The same parameters have the same id, so that a run that is repeated names the same model. */
function modelId({ bgNbd, gammaGamma }: FittedModel): string {
  const parameters = JSON.stringify([bgNbd.parameters, gammaGamma.parameters]);
  return `bgnbd-gg-${createHash("sha256").update(parameters).digest("hex").slice(0, 12)}`;
}

function judgeOn(
  customers: readonly z.output<typeof holdoutRow>[],
  weeks: number,
  bgNbd: BgNbdParameters,
  gammaGamma: GammaGammaParameters,
): MetricRow[] {
  const expected = new Map<string, number>();
  return judge(
    customers.map((customer) => {
      const { x, t_x, t, value_count, mean_value } = customer;
      const key = `${x} ${t_x} ${t}`;
      const purchases = expected.get(key) ?? conditionalExpectedPurchases(bgNbd, x, t_x, t, weeks);
      expected.set(key, purchases);
      return {
        predictedPurchases: purchases,
        predictedValue: purchases * conditionalExpectedValue(gammaGamma, value_count, mean_value ?? 0),
        rfmScore: customer.rfm_score,
        pastSpend: customer.past_spend,
        pastRatePurchases: t > 0 ? (x / t) * weeks : 0,
        actualPurchases: customer.actual_purchases,
        actualRevenue: customer.actual_value,
        x,
      };
    }),
  );
}

/** Standard errors as columns: r_se. Those that are not known are null. */
function withSuffix(errors: Readonly<Record<string, number>> | null): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(errors ?? {}).map(([name, error]) => [
      `${name}_se`,
      Number.isFinite(error) ? error : null,
    ]),
  );
}
