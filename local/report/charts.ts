import type { Results } from "../results.ts";
import { percent, sum, whole } from "./numbers.ts";

/** Colours that people with any colour vision tell apart (Okabe & Ito 2008, the blue a little lighter); what happened has the colour of text. */
export const SERIES = {
  actual: { label: "What happened", color: "currentColor", dash: [] },
  model: { label: "Model", color: "#1f83c4", dash: [] },
  rfm: { label: "RFM score", color: "#e08e0b", dash: [7, 3] },
  past_spend: { label: "Past spend", color: "#009e73", dash: [2, 2] },
  oracle: { label: "Perfect hindsight", color: "currentColor", dash: [] },
  chance: { label: "Random order", color: "#8a8a8a", dash: [4, 4] },
} as const;
export type Series = keyof typeof SERIES;

export interface Chart {
  readonly id: string;
  /** The finding, or the question. */
  readonly title: string;
  /** How to read it. */
  readonly caption: string;
  readonly legend?: readonly Series[];
  /** Vega-Lite, its data inside. */
  readonly spec: object;
}

/** What the predictions were compared with. */
export interface Period {
  readonly evaluation: "holdout" | "backtest";
  /** As in "purchases ...", for instance "in the last 9 weeks". */
  readonly during: string;
  /** As in "purchases before ...". */
  readonly start: string;
}

const CONFIG = {
  background: null,
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: {
    labelColor: "currentColor",
    titleColor: "currentColor",
    domainColor: "currentColor",
    domainOpacity: 0.3,
    tickColor: "currentColor",
    tickOpacity: 0.3,
    gridColor: "currentColor",
    gridOpacity: 0.12,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 500,
    titlePadding: 8,
    labelOverlap: true,
  },
  text: { fontSize: 12 },
};

function specification(description: string, height: number, content: object): object {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description,
    width: "container",
    height,
    autosize: { type: "fit-x", contains: "padding" },
    config: CONFIG,
    ...content,
  };
}

const quantity = (field: string, title: string, more: object = {}) => ({
  field,
  type: "quantitative",
  title,
  ...more,
});
const shown = (field: string, title: string, format?: string) =>
  format === undefined ? { field, type: "nominal", title } : { field, type: "quantitative", title, format };
const colors = (series: readonly Series[]) => ({
  field: "label",
  type: "nominal",
  scale: {
    domain: series.map((name) => SERIES[name].label),
    range: series.map((name) => SERIES[name].color),
  },
  legend: null,
});
const dashes = (series: readonly Series[]) => ({
  ...colors(series),
  scale: { domain: series.map((name) => SERIES[name].label), range: series.map((name) => SERIES[name].dash) },
});

const score = (field: string, title: string, values: readonly number[]) => ({
  field,
  type: "ordinal",
  title,
  sort: values,
  scale: { domain: values, paddingInner: 0.03, paddingOuter: 0 },
  axis: { labelAngle: 0, domain: false, ticks: false, grid: false },
});
const SCORES = {
  x: score("f_score", "Frequency score (5 = buys most often)", [1, 2, 3, 4, 5]),
  y: score("r_score", "Recency score (5 = most recent)", [5, 4, 3, 2, 1]),
};
const EMPTY_CELLS = { view: { fill: "currentColor", fillOpacity: 0.06, stroke: null } };

/** The grid of recency and frequency scores, each cell with its segment and customers. */
export function segmentMap(results: Results): Chart {
  const positions = new Map(results.segments.map(({ segment, position }) => [segment, position]));
  const advice = new Map(results.segments.map((row) => [row.segment, row.advice]));
  const last = Math.max(2, ...positions.values());
  const values = results.cells.map((cell) => ({
    ...cell,
    position: positions.get(cell.segment) ?? last,
    advice: advice.get(cell.segment) ?? "",
    lines: [...cell.segment.split(" "), whole(cell.customers)],
  }));
  return {
    id: "segment-map",
    title: "Who is in which segment?",
    caption:
      "Each cell is one pair of scores, with its segment and its number of customers; blue segments are the best, orange ones the furthest gone. An empty cell has no customers: those who bought equally often get the same score.",
    spec: specification("Map of segments by recency and frequency score, with customers.", 320, {
      data: { values },
      encoding: {
        ...SCORES,
        tooltip: [
          shown("segment", "Segment"),
          shown("customers", "Customers", ",.0f"),
          shown("monetary_value", "Revenue so far", ",.0f"),
          shown("advice", "What usually helps"),
        ],
      },
      layer: [
        {
          mark: { type: "rect", cornerRadius: 3 },
          encoding: {
            color: quantity("position", "", {
              scale: { domain: [1, (1 + last) / 2, last], range: ["#86bfe8", "#ececec", "#f4ae63"] },
              legend: null,
            }),
          },
        },
        {
          mark: {
            type: "text",
            color: "#151515",
            fontSize: { expr: "width < 420 ? 10 : 13" },
            lineHeight: { expr: "width < 420 ? 12 : 16" },
            baseline: "middle",
            dy: { expr: "-(length(datum.lines) - 1) * (width < 420 ? 6 : 8)" },
          },
          encoding: { text: { field: "lines" } },
        },
      ],
      config: { ...CONFIG, ...EMPTY_CELLS },
    }),
  };
}

/** Customers or revenue by pair of scores. */
export function heatMap(results: Results, field: "customers" | "monetary_value"): Chart {
  const total = sum(results.cells.map((cell) => cell[field]));
  const [most] = results.cells.toSorted((one, other) => other[field] - one[field]);
  const name = field === "customers" ? "customers" : "revenue";
  const where = `recency score ${most?.r_score} and frequency score ${most?.f_score}`;
  return {
    id: `heat-${name}`,
    title:
      field === "customers"
        ? `Customers: ${percent((most?.customers ?? 0) / total)} have ${where}`
        : `Revenue: ${percent((most?.monetary_value ?? 0) / total)} came from ${where}`,
    caption: `The darker a cell, the more ${name} it has; best customers are at the top right.`,
    spec: specification(`Heat map of ${name} by recency and frequency score.`, 270, {
      data: { values: results.cells.map((cell) => ({ ...cell, share: cell[field] / total })) },
      encoding: {
        ...SCORES,
        tooltip: [
          shown("segment", "Segment"),
          shown(field, field === "customers" ? "Customers" : "Revenue so far", ",.0f"),
          shown("share", "Share of all", ".1%"),
        ],
      },
      layer: [
        {
          mark: { type: "rect", cornerRadius: 3 },
          encoding: {
            color: quantity(field, "", {
              scale: { type: "sqrt", domain: [0, most?.[field] || 1], range: ["#eef5fb", "#0a5a94"] },
              legend: null,
            }),
          },
        },
        {
          mark: { type: "text", fontSize: { expr: "width < 300 ? 11 : 13" } },
          encoding: {
            // 634223 is written 634k where a cell is narrow
            text: {
              value: {
                expr: `datum.${field} >= 1e6 || (width < 400 && datum.${field} >= 1e4) ? replace(format(datum.${field}, '.3~s'), 'G', 'B') : format(datum.${field}, ',.0f')`,
              },
            },
            color: {
              condition: { test: `datum.${field} > 0.3 * ${most?.[field] ?? 0}`, value: "#ffffff" },
              value: "#151515",
            },
          },
        },
      ],
      config: { ...CONFIG, ...EMPTY_CELLS },
    }),
  };
}

type Bucketed = { bucket: number; value: number; predictor: string };
function rowsOf(results: Results, { evaluation }: Period, metric: string): Bucketed[] {
  return results.metrics.flatMap((row) =>
    row.evaluation === evaluation && row.metric === metric && row.bucket !== null
      ? [{ bucket: row.bucket, value: row.value, predictor: row.predictor }]
      : [],
  );
}

const lineAndPoints = { type: "line", point: { size: 55 }, strokeWidth: 2.5 };
const BOTH = ["actual", "model"] as const;
const ofBoth = (rows: readonly Bucketed[]) =>
  rows.flatMap((row) =>
    row.predictor === "model" || row.predictor === "oracle"
      ? [{ ...row, label: SERIES[row.predictor === "model" ? "model" : "actual"].label }]
      : [],
  );

/** Expected and actual purchases by earlier repeat purchases: figure 4 of Fader, Hardie & Lee (2005). */
export function purchasesByFrequency(results: Results, period: Period): Chart {
  const rows = ofBoth(rowsOf(results, period, "purchases_by_frequency"));
  const customers = new Map(
    rowsOf(results, period, "customers_by_frequency").map(({ bucket, value }) => [bucket, value]),
  );
  const last = Math.max(...rows.map(({ bucket }) => bucket));
  return {
    id: "purchases-by-frequency",
    title: "Do customers come back as often as the model expects?",
    caption:
      "Customers are grouped by how often they had bought again before; where the two lines meet, the model was right on average.",
    legend: BOTH,
    spec: specification(`Expected and actual purchases ${period.during}, by repeat purchases before.`, 280, {
      data: {
        values: rows.map((row) => ({
          ...row,
          group: row.bucket === last && last === 7 ? "7+" : String(row.bucket),
          customers: customers.get(row.bucket),
        })),
      },
      mark: lineAndPoints,
      encoding: {
        x: {
          field: "group",
          type: "ordinal",
          sort: { field: "bucket" },
          title: `Repeat purchases before ${period.start}`,
          axis: { labelAngle: 0 },
        },
        y: quantity("value", "Purchases per customer"),
        color: colors(BOTH),
        tooltip: [
          shown("label", "Line"),
          shown("group", "Repeat purchases before"),
          shown("value", "Purchases per customer", ".2f"),
          shown("customers", "Customers in the group", ",.0f"),
        ],
      },
    }),
  };
}

/** Mean purchases expected and actual, by tenth of the customers as the model orders them. */
export function calibration(results: Results, period: Period): Chart {
  return {
    id: "calibration",
    title: "Do those expected to buy more really buy more?",
    caption:
      "Customers are ordered by expected purchases and cut into ten equal groups; a point at the top of its bar is a group where the model was right on average.",
    legend: BOTH,
    spec: specification(`Expected and actual purchases ${period.during}, by tenth of the customers.`, 280, {
      data: { values: ofBoth(rowsOf(results, period, "purchases_by_decile")) },
      encoding: {
        x: {
          field: "bucket",
          type: "ordinal",
          title: "Tenth of the customers (10 = most purchases expected)",
          axis: { labelAngle: 0 },
        },
        y: quantity("value", "Purchases per customer"),
        tooltip: [
          shown("label", "Shown"),
          shown("bucket", "Tenth"),
          shown("value", "Purchases per customer", ".2f"),
        ],
      },
      layer: [
        {
          transform: [{ filter: "datum.predictor == 'oracle'" }],
          mark: { type: "bar", color: SERIES.actual.color, opacity: 0.35 },
        },
        {
          transform: [{ filter: "datum.predictor == 'model'" }],
          mark: {
            ...lineAndPoints,
            color: SERIES.model.color,
            point: { size: 55, color: SERIES.model.color },
          },
        },
      ],
    }),
  };
}

/** Part of the period's revenue that the first customers of each ranking brought. */
export function gainCurves(results: Results, period: Period): Chart {
  const legend = ["oracle", "model", "rfm", "past_spend", "chance"] as const;
  const rows = rowsOf(results, period, "cumulative_revenue_gain");
  const values = [
    ...rows,
    ...[0, 100].map((bucket) => ({ predictor: "chance", bucket, value: bucket / 100 })),
  ].map((row) => ({ ...row, share: row.bucket / 100, label: SERIES[row.predictor as Series].label }));
  const at20 = rows.find(({ predictor, bucket }) => predictor === "model" && bucket === 20);
  return {
    id: "gain",
    title:
      at20 === undefined
        ? "How much revenue is reached with how many customers?"
        : `The model's best 20 % of customers brought ${percent(at20.value)} of the revenue`,
    caption:
      "Pick how many customers to reach; the higher a line is there, the more of the revenue they brought. Lines that lie on each other mean rankings that do equally well.",
    legend,
    spec: specification(`Cumulative share of revenue ${period.during}, by ranking of the customers.`, 340, {
      data: { values },
      mark: { type: "line", strokeWidth: 2.2, point: { size: 12, filled: true } },
      encoding: {
        x: quantity("share", "Customers reached, best first (% of all)", { axis: { format: "%" } }),
        y: quantity("value", "Revenue they brought (% of all)", {
          axis: { format: "%" },
          scale: { domain: [0, 1] },
        }),
        color: colors(legend),
        strokeDash: dashes(legend),
        tooltip: [
          shown("label", "Ranking"),
          shown("share", "Customers reached", ".0%"),
          shown("value", "Revenue", ".1%"),
        ],
      },
    }),
  };
}

/** How many customers are how probably still active. */
export function activeDistribution(results: Results): Chart {
  const bins = results.activeBins;
  const total = sum(bins.map(({ customers }) => customers));
  const sure = bins.findLast(({ bin }) => bin >= 0.9499)?.customers ?? 0;
  const [highest = 0, second = 0] = bins
    .map(({ customers }) => customers)
    .toSorted((one, other) => other - one);
  // One-time buyers all stand in one bar, which would leave the others too low to read
  const cut = highest > 4 * second && second > 0;
  const top = cut ? 1.5 * second : highest;
  return {
    id: "p-active",
    title: `${percent(sure / total)} of customers have a probability of 95 % or more of being still active`,
    caption: `The further right, the likelier a customer buys again. Whoever bought only once counts as active here: the model sees customers leave only after a repeat purchase.${cut ? " The cut bar goes on upwards; its number stands beside it." : ""}`,
    spec: specification("Customers by probability of being active.", 280, {
      data: { values: bins.map((row) => ({ ...row, end: row.bin + 0.05 })) },
      layer: [
        {
          mark: { type: "bar", color: SERIES.model.color, clip: true, binSpacing: 1 },
          encoding: {
            x: quantity("bin", "Probability that the customer is still active", {
              bin: { binned: true, step: 0.05 },
              axis: { format: "%", tickCount: 5 },
              scale: { domain: [0, 1] },
            }),
            x2: { field: "end" },
            y: quantity("customers", "Customers", { scale: { domain: [0, top], nice: false } }),
            tooltip: [
              shown("bin", "Probability from", ".0%"),
              shown("end", "to", ".0%"),
              shown("customers", "Customers", ",.0f"),
            ],
          },
        },
        ...(cut
          ? [
              {
                transform: [{ filter: `datum.customers > ${top}` }],
                mark: { type: "text", align: "right", baseline: "top", dx: -6, dy: 3, color: "currentColor" },
                encoding: {
                  x: quantity("bin", ""),
                  y: { datum: top },
                  text: { value: { expr: "format(datum.customers, ',.0f') + ' customers ↑'" } },
                },
              },
            ]
          : []),
      ],
    }),
  };
}

/** How many customers are expected to spend how much. */
export function valueDistribution(results: Results): Chart {
  const known = new Map(results.valueBins.map(({ bin, customers }) => [bin, customers]));
  const [first, last] = [Math.min(...known.keys()), Math.max(...known.keys())];
  const bins = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const total = sum([...known.values()]);
  let below = 0;
  let middle = first;
  for (; below < total / 2; middle++) below += known.get(middle) ?? 0;
  const values = bins.map((bin) => ({
    range: bin < 0 ? "less than 1" : `${whole(2 ** bin)} – ${whole(2 ** (bin + 1))}`,
    customers: known.get(bin) ?? 0,
    share: (known.get(bin) ?? 0) / total,
  }));
  const most = Math.max(...known.values());
  return {
    id: "expected-value",
    title: `${percent(below / total)} of customers are each expected to spend less than ${whole(2 ** middle)}`,
    caption: `Each bar counts the customers whose expected value over the next ${results.calendar.horizon_weeks} weeks is in the range; from bar to bar the value doubles.`,
    spec: specification("Customers by expected value.", Math.max(120, 20 * bins.length), {
      data: { values },
      encoding: {
        y: {
          field: "range",
          type: "nominal",
          sort: values.map(({ range }) => range).toReversed(),
          title: "Expected value per customer",
        },
        x: quantity("customers", "Customers", { scale: { domain: [0, 1.18 * most], nice: false } }),
        tooltip: [
          shown("range", "Expected value"),
          shown("customers", "Customers", ",.0f"),
          shown("share", "Share of all", ".1%"),
        ],
      },
      layer: [
        { mark: { type: "bar", color: SERIES.model.color } },
        {
          mark: { type: "text", align: "left", dx: 4, color: "currentColor", fontSize: 11 },
          encoding: { text: { field: "customers", type: "quantitative", format: ",.0f" } },
        },
      ],
    }),
  };
}
