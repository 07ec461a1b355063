import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

export interface Point {
  readonly tool: string;
  readonly customers: number;
  readonly seconds: number;
}

/** An SVG of the time of each tool by the number of customers, both on logarithmic scales. */
export async function growthChart(points: readonly Point[]): Promise<string> {
  const chart: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description: "Time of each tool by the number of customers",
    background: "white",
    width: 520,
    height: 300,
    data: { values: [...points] },
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "customers", type: "quantitative", scale: { type: "log" }, title: "Customers" },
      y: { field: "seconds", type: "quantitative", scale: { type: "log" }, title: "Seconds" },
      color: { field: "tool", type: "nominal", title: null, legend: { labelLimit: 300 } },
    },
  };
  return await new View(parse(compile(chart).spec), { renderer: "none" }).toSVG();
}
