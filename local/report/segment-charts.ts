import { type Chart, category, line, quantity, specification } from "./chart.ts";
import { percent, sum } from "./numbers.ts";
import type { Results } from "./results.ts";

/** The grid of recency and frequency scores, each cell with its segment and customers. */
export function segmentMap({ segments, cells }: Results): Chart {
  const bySegment = new Map(segments.map((row) => [row.segment, row]));
  const last = Math.max(2, ...segments.map(({ position }) => position));
  const values = cells.map((cell) => ({
    ...cell,
    position: bySegment.get(cell.segment)?.position ?? last,
    advice: bySegment.get(cell.segment)?.advice ?? "",
    words: cell.segment.split(" ").length,
  }));
  // A name takes one line where a cell is wide, and a line a word where it is narrow
  const name = `${NARROW} ? replace(datum.segment, regexp(' ', 'g'), '\\n') : datum.segment`;
  return {
    id: "segment-map",
    title: "Who is in which segment?",
    caption:
      "Each cell is one pair of scores, with its segment and its number of customers; blue segments are the best, orange ones the furthest gone. An empty cell has no customers: those who bought equally often get the same score.",
    spec: grid("Map of segments by recency and frequency score, with customers.", values, {
      color: quantity("position", "", {
        scale: { domain: [1, (1 + last) / 2, last], range: ["#86bfe8", "#ececec", "#f4ae63"] },
        legend: null,
      }),
      text: `(${name}) + '\\n' + format(datum.customers, ',.0f')`,
      textMark: {
        lineBreak: "\n",
        lineHeight: { expr: LINE },
        dy: { expr: `-(${NARROW} ? datum.words : 1) * (${LINE}) / 2` },
      },
      textColor: { value: DARK },
      tooltip: [
        line("customers", "Customers", ",.0f"),
        line("monetary_value", "Revenue so far", ",.0f"),
        line("advice", "What usually helps"),
      ],
    }),
  };
}

/** Customers or revenue by pair of scores; of one cell at least it must be more than zero. */
export function heatMap({ cells }: Results, field: "customers" | "monetary_value"): Chart {
  const total = sum(cells.map((cell) => cell[field]));
  const most = cells.toSorted((one, other) => other[field] - one[field])[0]!;
  const name = field === "customers" ? "customers" : "revenue";
  const number = `datum.${field}`;
  return {
    id: `heat-${name}`,
    title: `Largest part of the ${name}: “${most.segment}” (recency ${most.r_score}, frequency ${most.f_score}) with ${percent(most[field] / total)}`,
    caption: `The darker a cell, the more ${name} it has; the best customers are at the top right.`,
    spec: grid(
      `Heat map of ${name} by recency and frequency score.`,
      cells.map((cell) => ({ ...cell, share: cell[field] / total })),
      {
        color: quantity(field, "", {
          scale: { type: "sqrt", domain: [0, most[field]], range: ["#eef5fb", "#0a5a94"] },
          legend: null,
        }),
        // 634223 is written 634k where a cell is narrow
        text: `${number} >= 1e6 || (width < 400 && ${number} >= 1e4) ? replace(format(${number}, '.3~s'), 'G', 'B') : format(${number}, ',.0f')`,
        textColor: { condition: { test: `${number} > ${0.3 * most[field]}`, value: "#ffffff" }, value: DARK },
        tooltip: [
          line(field, field === "customers" ? "Customers" : "Revenue so far", ",.0f"),
          line("share", "Share of all", ".1%"),
        ],
      },
    ),
  };
}

const NARROW = "width < 520";
const SIZE = "clamp(width / 34, 8, 13)";
const LINE = `${SIZE} * 1.25`;
const DARK = "#151515";

interface Cells {
  readonly color: object;
  /** A Vega expression. */
  readonly text: string;
  readonly textMark?: object;
  readonly textColor: object;
  readonly tooltip: readonly object[];
}

function grid(description: string, values: readonly object[], cells: Cells): object {
  const score = (field: string, title: string, domain: readonly number[]) =>
    category(field, title, {
      sort: domain,
      scale: { domain, padding: 0.03 },
      axis: { labelAngle: 0, domain: false, ticks: false },
    });
  return specification(description, 290, {
    data: { values },
    view: { fill: "currentColor", fillOpacity: 0.06 },
    encoding: {
      x: score("f_score", "Frequency score (5 = buys most often)", [1, 2, 3, 4, 5]),
      y: score("r_score", "Recency score (5 = most recent)", [5, 4, 3, 2, 1]),
      tooltip: [line("segment", "Segment"), ...cells.tooltip],
    },
    layer: [
      { mark: { type: "rect", cornerRadius: 3 }, encoding: { color: cells.color } },
      {
        mark: { type: "text", fontSize: { expr: SIZE }, ...cells.textMark },
        encoding: { text: { value: { expr: cells.text } }, color: cells.textColor },
      },
    ],
  });
}
