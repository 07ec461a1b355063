import {
  bySeries,
  type Chart,
  category,
  line,
  quantity,
  SERIES,
  type Series,
  specification,
} from "./chart.ts";
import { percent } from "./numbers.ts";
import type { Results } from "./results.ts";

/** The period that predictions are compared with. */
export interface Period {
  readonly evaluation: "holdout" | "backtest";
  /** Completes "purchases ...", for example "after the run date". */
  readonly during: string;
}

type Point = {
  readonly bucket: number;
  readonly value: number;
  readonly predictor: string;
  readonly label: string;
};

/** The points of a curve for the given predictors; empty when the run has no such figures. */
function pointsOf(
  { metrics }: Results,
  { evaluation }: Period,
  metric: string,
  labels: Record<string, Series>,
): Point[] {
  return metrics.flatMap(({ bucket, value, predictor, ...row }) => {
    const series = labels[predictor];
    return row.evaluation === evaluation && row.metric === metric && bucket !== null && series !== undefined
      ? [{ bucket, value, predictor, label: SERIES[series].label }]
      : [];
  });
}

const EXPECTED_AND_ACTUAL = { model: "model", oracle: "actual" } as const;
const LEGEND = ["actual", "model"] as const;
const PURCHASES = quantity("value", "Purchases per customer");
const purchases = line("value", "Purchases per customer", ".2f");

/** Mean expected and actual purchases, by tenth of the customers in the model's order. */
export function calibration(results: Results, period: Period): Chart | null {
  const values = pointsOf(results, period, "purchases_by_decile", EXPECTED_AND_ACTUAL);
  if (values.length === 0) return null;
  const of = (predictor: string) => ({ transform: [{ filter: { field: "predictor", equal: predictor } }] });
  const { color } = SERIES.model;
  return {
    id: "calibration",
    title: "Do customers who are expected to buy more really buy more?",
    caption:
      "Customers are ordered by expected purchases and divided into ten equal groups. Where a point is at the top of its bar, the model was right on average.",
    legend: LEGEND,
    spec: specification(`Expected and actual purchases ${period.during}, by tenth of the customers.`, 280, {
      data: { values },
      encoding: {
        x: category("bucket", "Tenth of customers (10 = most expected)"),
        y: PURCHASES,
        tooltip: [line("label", "Shown"), line("bucket", "Tenth"), purchases],
      },
      layer: [
        { ...of("oracle"), mark: { type: "bar", color: SERIES.actual.color, opacity: 0.35 } },
        { ...of("model"), mark: { type: "line", point: { size: 55, color }, strokeWidth: 2.5, color } },
      ],
    }),
  };
}

const RANKINGS = ["oracle", "model", "rfm", "past_spend"] as const;

/** Share of the period's revenue that the first customers of each ranking brought. */
export function gainCurves(results: Results, period: Period): Chart | null {
  const labels = Object.fromEntries(RANKINGS.map((name) => [name, name]));
  const points = pointsOf(results, period, "cumulative_revenue_gain", labels);
  if (points.length === 0) return null;
  const legend = [...RANKINGS, "chance"] as const;
  const diagonal = [0, 1].map((share) => ({ share, value: share, label: SERIES.chance.label }));
  const at20 = (["model", "rfm", "past_spend"] as const).map((name) => {
    const point = points.find(({ predictor, bucket }) => predictor === name && bucket === 20);
    return `${SERIES[name].label} ${percent(point?.value)}`;
  });
  return {
    id: "gain",
    title: `Revenue of the best 20 % of customers: ${at20.join(", ")}`,
    caption:
      "Choose how many customers to reach. The higher a line is at that point, the more of the revenue these customers brought. Where lines overlap, the rankings are equally good.",
    legend,
    spec: specification(`Cumulative share of revenue ${period.during}, by ranking of the customers.`, 340, {
      data: { values: [...points.map((point) => ({ ...point, share: point.bucket / 100 })), ...diagonal] },
      mark: { type: "line", strokeWidth: 2.2, point: { size: 12 } },
      encoding: {
        x: quantity("share", "Customers reached, best first (% of all)", SHARES),
        y: quantity("value", "Revenue they brought (% of all)", SHARES),
        color: bySeries(legend, "color"),
        strokeDash: bySeries(legend, "dash"),
        tooltip: [
          line("label", "Ranking"),
          line("share", "Customers reached", ".0%"),
          line("value", "Revenue", ".1%"),
        ],
      },
    }),
  };
}

const SHARES = { scale: { domain: [0, 1] }, axis: { format: "%", tickCount: 5 } };
