import type { RunSettings } from "../../contracts/run.ts";
import type { MetricRow } from "./metrics.ts";

export type ChampionSettings = {
  /** The figure of the hold-out by which models are compared. */
  metric: RunSettings["promotion_metric"];
  /** How much worse than the champion a challenger may be and still replace it: 0.02 is 2 % of the champion's figure. */
  tolerance: number;
};

export type ChampionDecision = { promoted: boolean; reason: string };

/** A model that was made now. */
export interface Challenger {
  readonly model_id: string;
  readonly family: string;
  readonly converged: boolean;
  readonly metrics: readonly MetricRow[];
}

const lowerIsBetter = (metric: ChampionSettings["metric"]): boolean => /_(mae|rmse)$/.test(metric);

/** The model with the best figure, of those that converged; of equal ones, and without figures, the first. */
export function bestOf<M extends Challenger>(models: readonly M[], metric: ChampionSettings["metric"]): M {
  const loss = ({ converged, metrics }: Challenger): number => {
    if (!converged) return Number.POSITIVE_INFINITY;
    const value = figure(metrics, metric);
    if (value === undefined) return Number.MAX_VALUE;
    return lowerIsBetter(metric) ? value : -value;
  };
  return models.reduce((best, model) => (loss(model) < loss(best) ? model : best));
}

/** The figures of two models, for people. */
export function compare(one: Challenger, other: Challenger, metric: ChampionSettings["metric"]): string {
  const text = ({ metrics }: Challenger) => figure(metrics, metric)?.toPrecision(4) ?? "no figure";
  return `${metric} ${text(one)} against ${text(other)}`;
}

/** Why a model is not used although it was made with the best one: a sentence for people. */
export const whyNotBest = (
  model: Challenger,
  best: Challenger,
  metric: ChampionSettings["metric"],
): string =>
  best.converged && !model.converged
    ? `The fit of the purchases did not converge, so ${best.model_id} is used.`
    : `${best.model_id} is better: ${compare(model, best, metric)}.`;

/** A sentence for each baseline that certainly ranks customers better than the model: by the 95 % interval. */
export function worseThanBaselines({ model_id, metrics }: Challenger): string[] {
  const value = (predictor: string, metric: string) =>
    metrics.find((row) => row.predictor === predictor && row.metric === metric && row.bucket === null)?.value;
  const names = { rfm: "the RFM score", past_spend: "past spend" };
  return Object.entries(names).flatMap(([baseline, name]) => {
    const high = value(baseline, "top_decile_revenue_share_difference_high");
    if (high === undefined || high >= 0) return [];
    const [ours, theirs] = ["model", baseline].map((predictor) =>
      ((value(predictor, "top_decile_revenue_share") ?? 0) * 100).toFixed(1),
    );
    return `${model_id} ranks customers worse than ${name}: its best tenth has ${ours} % of the hold-out's revenue, against ${theirs} %.`;
  });
}

/**
 * Decides whether a newly fitted model replaces the champion. Both must be evaluated on the same customers.
 * `reason` is a sentence for people.
 */
export function decideChampion(
  challenger: { converged: boolean; metrics: readonly MetricRow[] },
  champion: { metrics: readonly MetricRow[] } | undefined,
  { metric, tolerance }: ChampionSettings,
): ChampionDecision {
  if (!challenger.converged) {
    return {
      promoted: false,
      reason: "The fit of the purchases did not converge, so the model is kept but not used.",
    };
  }
  if (champion === undefined) {
    return { promoted: true, reason: "There is no champion yet: the first model that converged becomes it." };
  }
  const [ours, theirs] = [challenger, champion].map(({ metrics }) => figure(metrics, metric));
  if (ours === undefined || theirs === undefined) {
    const missing = ours === undefined ? "challenger" : "champion";
    return {
      promoted: false,
      reason: `The ${missing} has no ${metric} on this hold-out, so the two cannot be compared and the champion stays.`,
    };
  }
  const lower = lowerIsBetter(metric);
  const margin = tolerance * Math.abs(theirs);
  const promoted = lower ? ours <= theirs + margin : ours >= theirs - margin;
  const better = lower ? ours < theirs : ours > theirs;
  const comparison = `${metric} ${ours.toPrecision(4)} against the champion's ${theirs.toPrecision(4)}`;
  const allowed = `the tolerance of ${+(tolerance * 100).toPrecision(4)} %`;
  if (!promoted) return { promoted, reason: `Worse than the champion beyond ${allowed}: ${comparison}.` };
  if (better) return { promoted, reason: `Better than the champion: ${comparison}.` };
  return { promoted, reason: `No worse than the champion within ${allowed}: ${comparison}.` };
}

function figure(metrics: readonly MetricRow[], metric: ChampionSettings["metric"]): number | undefined {
  return metrics.find((row) => row.predictor === "model" && row.metric === metric)?.value;
}
