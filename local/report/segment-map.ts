import { type Chart, category, line, quantity, specification } from "./chart.ts";
import type { Results } from "./results.ts";

const NARROW = "width < 520";
const SIZE = "clamp(width / 34, 8, 13)";
const LINE = `${SIZE} * 1.25`;

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
  const score = (field: string, title: string, domain: readonly number[]) =>
    category(field, title, {
      sort: domain,
      scale: { domain, padding: 0.03 },
      axis: { labelAngle: 0, domain: false, ticks: false },
    });
  // A name takes one line in a wide cell, and one line for each word in a narrow cell.
  const name = `${NARROW} ? replace(datum.segment, regexp(' ', 'g'), '\\n') : datum.segment`;
  return {
    id: "segment-map",
    title: "Who is in which segment?",
    caption:
      "Each cell is one pair of scores, with its segment and its number of customers. Blue segments are the best. Orange segments are the most at risk. A cell is empty when no customer has its scores: customers who bought equally often get the same score.",
    spec: specification("Map of segments by recency and frequency score, with customers.", 290, {
      data: { values },
      view: { fill: "currentColor", fillOpacity: 0.06 },
      encoding: {
        x: score("f_score", "Frequency score (5 = buys most often)", [1, 2, 3, 4, 5]),
        y: score("r_score", "Recency score (5 = most recent)", [5, 4, 3, 2, 1]),
        tooltip: [
          line("segment", "Segment"),
          line("customers", "Customers", ",.0f"),
          line("monetary_value", "Revenue", ",.0f"),
          line("advice", "What usually helps"),
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
            fontSize: { expr: SIZE },
            lineBreak: "\n",
            lineHeight: { expr: LINE },
            dy: { expr: `-(${NARROW} ? datum.words : 1) * (${LINE}) / 2` },
          },
          encoding: {
            text: { value: { expr: `(${name}) + '\\n' + format(datum.customers, ',.0f')` } },
            color: { value: "#151515" },
          },
        },
      ],
    }),
  };
}
