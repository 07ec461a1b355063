/** Colors that are distinct with any color vision (Okabe & Ito 2008, with a lighter blue). Facts have the text's color. */
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
  /** The finding, or the question that the chart answers. */
  readonly title: string;
  /** How to read it. */
  readonly caption: string;
  readonly legend?: readonly Series[];
  /** Vega-Lite specification with its data. */
  readonly spec: object;
}

const faint = (part: string, opacity: number) => ({
  [`${part}Color`]: "currentColor",
  [`${part}Opacity`]: opacity,
});
const AXIS = { ...faint("label", 1), ...faint("title", 1), ...faint("domain", 0.3), ...faint("tick", 0.3) };
const CONFIG = {
  background: null,
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: {
    ...AXIS,
    ...faint("grid", 0.12),
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 500,
    labelFlush: false,
  },
};

/** A chart as wide as its container, in the page's colors. Screen readers read `description`. */
export const specification = (description: string, height: number, content: object): object => ({
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  description,
  width: "container",
  height,
  autosize: { type: "fit-x", contains: "padding" },
  config: CONFIG,
  ...content,
});

export const quantity = (field: string, title: string, more: object = {}) => ({
  field,
  type: "quantitative",
  title,
  ...more,
});
export const category = (field: string, title: string, more: object = {}) => ({
  field,
  type: "ordinal",
  title,
  axis: { labelAngle: 0 },
  ...more,
});
/** One line of a tooltip. */
export const line = (field: string, title: string, format?: string) =>
  format === undefined ? { field, type: "nominal", title } : quantity(field, title, { format });
/** Color or dashes by the series name in the field `label`. */
export const bySeries = (series: readonly Series[], property: "color" | "dash") => ({
  field: "label",
  type: "nominal",
  scale: {
    domain: series.map((name) => SERIES[name].label),
    range: series.map((name) => SERIES[name][property]),
  },
  legend: null,
});
