import { type Chart, line, quantity, SERIES, specification } from "./chart.ts";
import { percent, sum } from "./numbers.ts";
import type { Results } from "./results.ts";

/** Number of customers by their probability of being active. */
export function activeDistribution({ activeBins: bins }: Results): Chart {
  const counts = bins.map(({ customers }) => customers).toSorted((one, other) => other - one);
  const sure = bins.find(({ bin }) => bin > 0.949)?.customers ?? 0;
  const [highest = 0, second = 0] = counts;
  // One-time buyers are all in one bar. At its full height the other bars would be too low to read.
  const cut = highest > 4 * second && second > 0;
  const top = cut ? 1.5 * second : highest;
  const label = {
    transform: [{ filter: `datum.customers > ${top}` }],
    mark: {
      type: "text",
      align: "right",
      baseline: "top",
      dx: -6,
      dy: 3,
      color: "currentColor",
      fontSize: 12,
    },
    encoding: {
      x: quantity("bin", ""),
      y: { datum: top },
      text: { value: { expr: "format(datum.customers, ',.0f') + ' customers ↑'" } },
    },
  };
  return {
    id: "p-active",
    title: `${percent(sure / sum(counts))} of customers have a probability of 95 % or more of being active`,
    caption: `Bars on the right are the customers who most likely buy again. Customers with one purchase count as active: in the model, customers leave only after a repeat purchase.${cut ? " The highest bar is cut; its number is beside it." : ""}`,
    spec: specification("Customers by probability of being active.", 280, {
      data: { values: bins.map((row) => ({ ...row, end: row.bin + 0.05 })) },
      layer: [
        {
          mark: { type: "bar", color: SERIES.model.color, clip: true },
          encoding: {
            x: quantity("bin", "Probability of being active", {
              bin: { binned: true, step: 0.05 },
              axis: { format: "%", values: [0, 0.2, 0.4, 0.6, 0.8, 1] },
              scale: { domain: [0, 1] },
            }),
            x2: { field: "end" },
            y: quantity("customers", "Customers", { scale: { domain: [0, top], nice: false } }),
            tooltip: [
              line("bin", "Probability from", ".0%"),
              line("end", "to", ".0%"),
              line("customers", "Customers", ",.0f"),
            ],
          },
        },
        ...(cut ? [label] : []),
      ],
    }),
  };
}
