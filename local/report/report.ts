import { readFileSync } from "node:fs";
import { type Chart, SERIES } from "./chart.ts";
import { COLUMNS, comparedPeriod, evaluationTable, introduction, totalError } from "./comparison.ts";
import { calibration, gainCurves, type Period, purchasesByFrequency } from "./comparison-charts.ts";
import { activeDistribution, valueDistribution } from "./distribution-charts.ts";
import { type Html, html, scriptCode, scriptJson } from "./html.ts";
import { percent, sum, twoDecimals, whole } from "./numbers.ts";
import type { Results } from "./results.ts";
import { heatMap, segmentMap } from "./segment-charts.ts";
import { modelParameters, rejectedOrders, segmentTable, topCustomers } from "./tables.ts";

export interface ReportContext {
  readonly runId: string;
  readonly status: string;
  readonly warnings: readonly string[];
  /** The name of the file that the orders came from. */
  readonly ordersFile: string;
  /** When the run ended, ISO 8601. */
  readonly generatedAt: string;
}

/**
 * The results of a run as one HTML document for a reader in marketing. It needs nothing from the network: scripts,
 * charts and data are inside. What a run does not have (a model, something to compare with) is left out, or said.
 */
export function renderReport(results: Results, context: ReportContext): string {
  const period = comparedPeriod(results);
  const sections = [
    header(results, context),
    headlines(results, period),
    segments(results),
    ...(results.scoring ? [trust(results, period), expectations(results)] : []),
    topCustomers(results),
    results.scoring && modelParameters(results, results.scoring),
    rejectedOrders(results),
  ];
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'">
<title>Customer value on ${results.calendar.run_date}</title>
<style>${scriptCode(read("./report.css"))}</style>
</head>
<body>
<main>
${sections}
</main>
<noscript><p class="notice">The charts need JavaScript; the tables do not.</p></noscript>
${LIBRARIES.map((path) => html`<script>${scriptCode(read(path))}</script>\n`)}
<script>
for (const place of document.querySelectorAll(".chart"))
  vegaEmbed(place, JSON.parse(place.nextElementSibling.textContent), { renderer: "svg", actions: false });
</script>
</body>
</html>
`.text;
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const LIBRARIES = ["vega", "vega-lite", "vega-embed"].map(
  (name) => `../../node_modules/${name}/build/${name}.min.js`,
);

function header({ calendar, segments, scoring, fitted }: Results, context: ReportContext): Html {
  const facts = {
    "Run date (orders before it count)": calendar.run_date,
    Horizon: `the next ${calendar.horizon_weeks} weeks`,
    Customers: whole(sum(segments.map((row) => row.customers))),
    Orders: `${whole(calendar.orders)}, and ${whole(calendar.rejected_orders)} set aside`,
    "First and last order": `${calendar.first_order_on} to ${calendar.last_order_on}`,
    "Orders from": context.ordersFile,
    Model: scoring?.model_id ?? "none: RFM only",
    Run: `${context.runId} (${context.status})`,
    Finished: context.generatedAt.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC"),
  };
  const reason = fitted.find(({ sample }) => sample === "production")?.reason ?? fitted[0]?.reason;
  return html`<header>
    <h1>Customer value on ${calendar.run_date}</h1>
    <p class="quiet">Who the customers are${scoring && `, what to expect of them over the next ${calendar.horizon_weeks} weeks, and how far to trust it`}. Amounts are in the shop's currency.</p>
    ${
      scoring === null &&
      html`<div class="notice" role="note"><strong>RFM only.</strong> No model scored in this run: there are segments, but no expected purchases and no expected value. ${reason}</div>`
    }
    ${
      context.warnings.length > 0 &&
      html`<div class="notice" role="note"><strong>Warnings</strong><ul>${context.warnings.map((warning) => html`<li>${warning}</li>`)}</ul></div>`
    }
    <dl class="facts">${Object.entries(facts).map(([name, fact]) => html`<div><dt>${name}</dt><dd>${fact}</dd></div>`)}</dl>
  </header>`;
}

function headlines(results: Results, period: Period | null): Html {
  const { segments, calendar, scoring } = results;
  const customers = sum(segments.map((row) => row.customers));
  const value = sum(segments.map((row) => row.expected_value));
  const [top] = segments.toSorted((one, other) => (other.revenue_share ?? 0) - (one.revenue_share ?? 0));
  const error = scoring && period && totalError(results, period);
  const tile = (figure: string, words: string) => html`<div><strong>${figure}</strong>${words}</div>`;
  return html`<div class="headlines">
    ${tile(whole(customers), `customers, with ${whole(calendar.orders)} orders so far`)}
    ${scoring && tile(whole(value), `expected value over the next ${calendar.horizon_weeks} weeks: ${twoDecimals(value / customers)} per customer on average`)}
    ${top?.revenue_share ? tile(percent(top.revenue_share), `of the revenue so far came from “${top.segment}”, ${percent(top.customer_share)} of the customers`) : null}
    ${error && tile(error.size, error.words)}
  </div>`;
}

function segments(results: Results): Html {
  const paid = results.cells.some((cell) => cell.monetary_value > 0);
  return html`<h2>Segments</h2>
    <p>Every customer gets a score of 1 to 5 for how recently and how often they bought; the pair of scores decides the segment.</p>
    ${results.cells.length > 0 && figure(segmentMap(results))}
    ${segmentTable(results)}
    ${results.cells.length > 0 && html`<div class="pair">${figure(heatMap(results, "customers"))}${paid && figure(heatMap(results, "monetary_value"))}</div>`}`;
}

/** Whether predictions came true: charts of the compared period, then the table of every evaluation that there is. */
function trust(results: Results, period: Period | null): Html {
  const title = html`<h2>Can the predictions be trusted?</h2>`;
  if (period === null) {
    return html`${title}<p>There is nothing to compare them with: no weeks were held out of the history, and the log has no orders after the run date.</p>`;
  }
  return html`${title}
    <p>${introduction(results, period)}</p>
    <div class="pair">${figure(purchasesByFrequency(results, period))}${figure(calibration(results, period))}</div>
    ${figure(gainCurves(results, period))}
    ${evaluationTable(results, "backtest", "Back-test: after the run date")}
    ${evaluationTable(results, "holdout", `Hold-out: the last ${results.calendar.holdout_weeks} weeks before the run date`)}
    <p class="quiet">${COLUMNS}</p>`;
}

function expectations(results: Results): Html | null {
  if (results.activeBins.length === 0 || results.valueBins.length === 0) return null;
  return html`<h2>What is expected of customers</h2>
    <div class="pair">${figure(activeDistribution(results))}${figure(valueDistribution(results))}</div>`;
}

function figure(chart: Chart | null): Html | null {
  if (chart === null) return null;
  const { id, title, caption, legend = [], spec } = chart;
  return html`<figure aria-labelledby="${id}-title" aria-describedby="${id}-caption">
    <h3 id="${id}-title">${title}</h3>
    ${legend.length > 0 && html`<ul class="legend">${legend.map(legendEntry)}</ul>`}
    <div class="chart" id="${id}"></div>
    <script type="application/json">${scriptJson(spec)}</script>
    <figcaption id="${id}-caption">${caption}</figcaption>
  </figure>`;
}

function legendEntry(name: keyof typeof SERIES): Html {
  const { label, color, dash } = SERIES[name];
  return html`<li><svg width="26" height="10" aria-hidden="true"><line x2="26" y1="5" y2="5" stroke="${color}" stroke-width="3" stroke-dasharray="${dash.join(" ")}"/></svg>${label}</li>`;
}
