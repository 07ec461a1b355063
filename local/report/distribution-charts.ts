import { type Chart, line, quantity, SERIES, specification } from "./chart.ts";
import { percent, sum, whole } from "./numbers.ts";
import type { Results } from "./results.ts";

const BAR = { type: "bar", color: SERIES.model.color, clip: true };

/** How many customers are how probably still active. */
export function activeDistribution({ activeBins: bins }: Results): Chart {
  const sure = bins.find(({ bin }) => bin > 0.949)?.customers ?? 0;
  const [highest = 0, second = 0] = bins
    .map(({ customers }) => customers)
    .toSorted((one, other) => other - one);
  // One-time buyers all stand in one bar, which would leave the others too low to read
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
    title: `${percent(sure / sum(bins.map(({ customers }) => customers)))} of customers have a probability of 95 % or more of being still active`,
    caption: `The further right, the likelier a customer buys again. Whoever bought only once counts as active here: the model sees customers leave only after a repeat purchase.${cut ? " The cut bar goes on upwards; its number stands beside it." : ""}`,
    spec: specification("Customers by probability of being active.", 280, {
      data: { values: bins.map((row) => ({ ...row, end: row.bin + 0.05 })) },
      layer: [
        {
          mark: BAR,
          encoding: {
            x: quantity("bin", "Probability of being still active", {
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

/** How many customers are expected to spend how much. */
export function valueDistribution({ valueBins, calendar }: Results): Chart {
  const customersOf = new Map(valueBins.map(({ bin, customers }) => [bin, customers]));
  const first = Math.min(...customersOf.keys());
  const bins = Array.from({ length: Math.max(...customersOf.keys()) - first + 1 }, (_, i) => first + i);
  const total = sum([...customersOf.values()]);
  let below = 0;
  let middle = first;
  for (; below < total / 2; middle++) below += customersOf.get(middle) ?? 0;
  const values = bins.toReversed().map((bin) => {
    const range = bin < 0 ? "less than 1" : `${whole(2 ** bin)} – ${whole(2 ** (bin + 1))}`;
    const customers = customersOf.get(bin) ?? 0;
    return { range, customers, share: customers / total };
  });
  return {
    id: "expected-value",
    title: `${percent(below / total)} of customers are each expected to spend less than ${whole(2 ** middle)}`,
    caption: `Each bar counts the customers whose expected value over the next ${calendar.horizon_weeks} weeks is in the range; from bar to bar the value doubles.`,
    spec: specification("Customers by expected value.", Math.max(120, 20 * bins.length), {
      data: { values },
      encoding: {
        y: { field: "range", type: "nominal", sort: null, title: "Expected value per customer" },
        x: quantity("customers", "Customers", {
          // Leaves room for the number beside the longest bar
          scale: { domain: [0, 1.35 * Math.max(...customersOf.values())], nice: false },
          axis: { tickCount: 4 },
        }),
        tooltip: [
          line("range", "Expected value"),
          line("customers", "Customers", ",.0f"),
          line("share", "Share of all", ".1%"),
        ],
      },
      layer: [
        { mark: BAR },
        {
          mark: { type: "text", align: "left", dx: 4, color: "currentColor", fontSize: 11 },
          encoding: { text: { field: "customers", type: "quantitative", format: ",.0f" } },
        },
      ],
    }),
  };
}
