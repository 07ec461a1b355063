import { readFileSync } from "node:fs";
import { Html, html } from "dataform-check/html";
import { type Chart, SERIES } from "./chart.ts";
import { COLUMNS, comparedPeriod, introduction, totalError, verdicts } from "./comparison.ts";
import { calibration, gainCurves, type Period } from "./comparison-charts.ts";
import { oneDecimal, percent, sum, twoDecimals, whole } from "./numbers.ts";
import type { Model, Results } from "./results.ts";
import { segmentMap } from "./segment-map.ts";
import {
  type Cell,
  driftTable,
  evaluationTable,
  familyName,
  modelTitle,
  parameterOf,
  parameterTable,
  type ResultTable,
  rejectedTable,
  segmentTable,
  topCustomerTable,
} from "./tables.ts";

export interface ReportContext {
  readonly runId: string;
  readonly status: string;
  readonly warnings: readonly string[];
  /** Name of the order log's file. */
  readonly ordersFile: string;
  /** End of the run, ISO 8601. */
  readonly generatedAt: string;
}

/**
 * The results of a run as one HTML document for marketing. It needs no network: scripts, charts and data are inside.
 * Parts that need a model, or something to compare predictions with, are left out when the run does not have it.
 */
export function renderReport(results: Results, context: ReportContext): string {
  const period = comparedPeriod(results);
  const sections = [
    header(results, context),
    headlines(results, period),
    segments(results),
    ...(results.scoring ? [trust(results, period)] : []),
    results.top_customers.length > 0 && section(topCustomerTable(results)),
    results.scoring && model(results, results.scoring),
    drift(results),
    section(rejectedTable(results)),
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

/** Why the best model that was fitted now scores, or does not. */
function decision({ fitted, metrics }: Results): string | undefined {
  const best = metrics.find(({ evaluation }) => evaluation === "holdout")?.model_id;
  const models = fitted.filter(({ sample }) => sample === "production");
  const chosen = models.find(({ model_id, is_champion }) => is_champion || model_id === best);
  return (chosen ?? models[0] ?? fitted[0])?.reason;
}

function header(results: Results, context: ReportContext): Html {
  const { calendar, segments, scoring } = results;
  const facts = {
    "Run date (orders before this day count)": calendar.run_date,
    Horizon: `the next ${calendar.horizon_weeks} weeks`,
    Customers: whole(sum(segments.map((row) => row.customers))),
    Orders: `${whole(calendar.orders)}, ${whole(calendar.rejected_orders)} more set aside`,
    "First and last order": `${calendar.first_order_on} to ${calendar.last_order_on}`,
    "Orders from": context.ordersFile,
    Model: scoring?.model_id ?? "none: RFM only",
    Run: `${context.runId} (${context.status})`,
    Finished: context.generatedAt.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC"),
  };
  return html`<header>
    <h1>Customer value on ${calendar.run_date}</h1>
    <p class="quiet">Who the customers are${scoring && `, what to expect from them over the next ${calendar.horizon_weeks} weeks, and how reliable that is`}. Amounts are in the shop's currency.</p>
    ${
      scoring === null &&
      html`<div class="notice" role="note"><strong>RFM only.</strong> No model scored in this run: there are segments, but no expected purchases and no expected value. ${decision(results)}</div>`
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
  return html`<h2>Segments</h2>
    <p>Every customer gets a score of 1 to 5 for how recently and how often they bought. The two scores decide the segment.</p>
    ${results.cells.length > 0 && figure(segmentMap(results))}
    ${table(segmentTable(results))}`;
}

/** Whether predictions came true: charts of the compared period, then the table of every evaluation. */
function trust(results: Results, period: Period | null): Html {
  const title = html`<h2>Can the predictions be trusted?</h2>`;
  if (period === null) {
    return html`${title}<p>There is nothing to compare them with: the run had no hold-out, and the log has no orders after the run date.</p>`;
  }
  const evaluations = (["backtest", "holdout"] as const).map((evaluation) => {
    const content = evaluationTable(results, evaluation);
    return (
      content &&
      html`<h3>${content.title}</h3>
        <ul class="verdicts">${verdicts(results, evaluation).map((verdict) => html`<li>${verdict}</li>`)}</ul>
        ${table(content)}`
    );
  });
  return html`${title}
    <p>${introduction(results, period)}</p>
    ${figure(calibration(results, period))}
    ${figure(gainCurves(results, period))}
    ${evaluations}
    <p class="quiet">${COLUMNS}</p>`;
}

/** The model that scored, with what its parameters mean for the average customer. */
function model(results: Results, scoring: Model): Html {
  const { calendar } = results;
  const value = (name: string) => parameterOf(scoring, name);
  const [r, alpha, a, b, s, beta] = ["r", "alpha", "a", "b", "s", "beta"].map(value);
  const weeksPerYear = 365.25 / 7;
  // Means of the distributions among customers: gamma of rates, beta of drop-out (Fader, Hardie & Lee 2005, section 3). Pareto/NBD:
  // gamma of drop-out rates.
  const leaving = ((): string => {
    if (a && b)
      return `after each ${scoring.family === "mbgnbd" ? "" : "repeat "}purchase ${percent(a / (a + b))} of customers leave for good`;
    if (s && beta)
      return `${percent(1 - (1 + weeksPerYear / beta) ** -s)} of new customers leave for good within a year`;
    return "";
  })();
  const inWords =
    r && alpha && leaving
      ? `On average, an active customer makes ${twoDecimals((r / alpha) * weeksPerYear)} repeat purchases a year, and ${leaving}.`
      : "";
  const content = parameterTable(scoring);
  const kind = content
    ? `${familyName(scoring)} for purchases and Gamma-Gamma for their value, by maximum likelihood.`
    : `a model of the candidate ${scoring.family}.`;
  return html`<h2>The model, for analysts</h2>
    <p>${modelTitle(scoring)}: ${kind} ${inWords}</p>
    <p>${scoring.run_date !== calendar.run_date && `The scores come from an earlier model, ${scoring.model_id}. `}${decision(results)}</p>
    ${content && table(content)}
    ${content && html`<p class="quiet">Log-likelihood: ${familyName(scoring)} ${oneDecimal(value("bg_nbd_log_likelihood"))}, Gamma-Gamma ${oneDecimal(value("gamma_gamma_log_likelihood"))}.</p>`}`;
}

function drift(results: Results): Html | null {
  const content = driftTable(results);
  if (content === null) return null;
  return html`<h2>${content.title}</h2>
    <p>The population stability index (PSI) compares the shares of customers in the tenths of that run. Usual reading: below 0.1 nothing changed, above 0.25 much did. Two samples of the same customers stay below “PSI by chance” in 19 of 20 cases.</p>
    ${table(content)}`;
}

const section = (content: ResultTable | null): Html | null =>
  content && html`<h2>${content.title}</h2>${table(content)}`;

/** A table that scrolls in its own box where the page is narrow. */
function table({ title, columns, words = [], rows }: ResultTable): Html {
  const align = (column: number) => (column === 0 || words.includes(columns[column]!) ? "words" : "number");
  const content = (cell: Cell) => {
    if (typeof cell === "string") return html`${cell}`;
    const { text, note, share } = cell;
    const bar = share !== undefined && html` class="share" style="--share:${(100 * share).toFixed(1)}%"`;
    return html`<span${bar}>${text}</span>${note !== undefined && html`<small>${note}</small>`}`;
  };
  return html`<div class="table" role="region" aria-label="${title}" tabindex="0"><table>
    <thead><tr>${columns.map((name, column) => html`<th scope="col" class="${align(column)}">${name}</th>`)}</tr></thead>
    <tbody>${rows.map(
      ([name, ...others]) =>
        html`<tr><th scope="row" class="words">${content(name!)}</th>${others.map((cell, i) => html`<td class="${align(i + 1)}">${content(cell)}</td>`)}</tr>`,
    )}</tbody>
  </table></div>`;
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

/** JSON for a script element: no text in it can end the element or open a comment. */
const scriptJson = (value: unknown): Html => new Html(JSON.stringify(value).replaceAll("<", "\\u003c"));

/** JavaScript for a script element. Minified code has `</script` only in strings and patterns, where `<\/` means the same. */
export const scriptCode = (code: string): Html =>
  new Html(code.replaceAll(/<\/(?=script)/gi, "<\\/").replace(/^\/\/# sourceMappingURL=.*$/m, ""));
