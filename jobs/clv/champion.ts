import type { MetricRow } from "./metrics.ts";

export type ChampionSettings = {
  /** The figure of the hold-out by which models are compared. */
  metric: "count_mae" | "count_rmse" | "top_decile_revenue_share" | "spearman";
  /** How much worse than the champion a challenger may be and still replace it: 0.02 is 2 % of the champion's figure. */
  tolerance: number;
};

export type ChampionDecision = { promoted: boolean; reason: string };

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
      reason: "The fit of BG/NBD did not converge, so the model is kept but not used.",
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
  const lowerIsBetter = metric === "count_mae" || metric === "count_rmse";
  const margin = tolerance * Math.abs(theirs);
  const promoted = lowerIsBetter ? ours <= theirs + margin : ours >= theirs - margin;
  const better = lowerIsBetter ? ours < theirs : ours > theirs;
  const comparison = `${metric} ${ours.toPrecision(4)} against the champion's ${theirs.toPrecision(4)}`;
  const allowed = `the tolerance of ${+(tolerance * 100).toPrecision(4)} %`;
  if (!promoted) return { promoted, reason: `Worse than the champion beyond ${allowed}: ${comparison}.` };
  if (better) return { promoted, reason: `Better than the champion: ${comparison}.` };
  return { promoted, reason: `No worse than the champion within ${allowed}: ${comparison}.` };
}

function figure(metrics: readonly MetricRow[], metric: ChampionSettings["metric"]): number | undefined {
  return metrics.find((row) => row.predictor === "model" && row.metric === metric)?.value;
}
