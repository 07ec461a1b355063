import { readFileSync } from "node:fs";
import {
  activeDistribution,
  type Chart,
  calibration,
  gainCurves,
  heatMap,
  type Period,
  purchasesByFrequency,
  SERIES,
  segmentMap,
  valueDistribution,
} from "./report/charts.ts";
import { type Html, html, scriptCode, scriptJson } from "./report/html.ts";
import {
  oneDecimal,
  percent,
  points,
  precise,
  sum,
  threeDecimals,
  twoDecimals,
  whole,
} from "./report/numbers.ts";
import type { Model, Results } from "./results.ts";
import { figuresOf } from "./terminal.ts";

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
 * charts and data are inside. What a run does not have (no model, nothing to compare with) is left out, or said.
 */
export function renderReport(results: Results, context: ReportContext): string {
  const period = comparedPeriod(results);
  const charts: Chart[] = [];
  const figure = (chart: Chart): Html => {
    charts.push(chart);
    return html`<figure aria-labelledby="${chart.id}-title" aria-describedby="${chart.id}-caption">
      <h3 id="${chart.id}-title">${chart.title}</h3>
      ${chart.legend && html`<ul class="legend">${chart.legend.map(legendEntry)}</ul>`}
      <div class="chart" id="${chart.id}"></div>
      <figcaption id="${chart.id}-caption">${chart.caption}</figcaption>
    </figure>`;
  };
  const body = [
    header(results, context),
    headlines(results, period),
    html`<h2>Segments</h2>
      <p>Every customer gets a score of 1 to 5 for how recently and how often they bought; the pair of scores decides the segment.</p>
      ${results.cells.length > 0 && figure(segmentMap(results))}
      ${segmentTable(results)}
      ${
        sum(results.cells.map((cell) => cell.monetary_value)) > 0 &&
        html`<div class="pair">${figure(heatMap(results, "customers"))}${figure(heatMap(results, "monetary_value"))}</div>`
      }`,
    results.scoring && comparison(results, period, figure),
    results.scoring &&
      results.activeBins.length > 0 &&
      results.valueBins.length > 0 &&
      html`<h2>What is expected of customers</h2>
        <div class="pair">${figure(activeDistribution(results))}${figure(valueDistribution(results))}</div>`,
    topCustomers(results),
    results.scoring && parameters(results, results.scoring),
    rejectedOrders(results),
  ];
  const specs = Object.fromEntries(charts.map(({ id, spec }) => [id, spec]));
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:">
<title>Customer value on ${results.calendar.run_date}</title>
<style>${scriptCode(read("./report/report.css"))}</style>
</head>
<body>
<main>
${body}
</main>
<noscript><p class="notice">The charts need JavaScript; the tables do not.</p></noscript>
${LIBRARIES.map((path) => html`<script>${scriptCode(read(path))}</script>\n`)}
<script type="application/json" id="specifications">${scriptJson(specs)}</script>
<script>
for (const [id, specification] of Object.entries(JSON.parse(document.getElementById("specifications").textContent)))
  vegaEmbed("#" + id, specification, { renderer: "svg", actions: false });
</script>
</body>
</html>
`.text;
}

const LIBRARIES = ["vega", "vega-lite", "vega-embed"].map(
  (name) => `../node_modules/${name}/build/${name}.min.js`,
);
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

const legendEntry = (name: keyof typeof SERIES): Html => {
  const { label, color, dash } = SERIES[name];
  return html`<li><svg width="26" height="10" aria-hidden="true"><line x1="0" y1="5" x2="26" y2="5" stroke="${color}" stroke-width="3" stroke-dasharray="${dash.join(" ")}"/></svg>${label}</li>`;
};

/** The back-test if there is one, otherwise the hold-out; null when nothing can be compared. */
function comparedPeriod({ metrics, calendar }: Results): Period | null {
  const has = (evaluation: string) => metrics.some((row) => row.evaluation === evaluation);
  if (has("backtest")) return { evaluation: "backtest", during: "after the run date", start: "the run date" };
  if (!has("holdout")) return null;
  return {
    evaluation: "holdout",
    during: `in the last ${calendar.holdout_weeks} weeks`,
    start: "those weeks",
  };
}

function header({ calendar, segments, scoring, fitted }: Results, context: ReportContext): Html {
  const facts = {
    "Run date": html`${calendar.run_date} <span class="quiet">(orders before it count)</span>`,
    Horizon: `the next ${calendar.horizon_weeks} weeks`,
    "Orders that count": whole(calendar.orders),
    "Orders set aside": whole(calendar.rejected_orders),
    Customers: whole(sum(segments.map((row) => row.customers))),
    "First and last order": `${calendar.first_order_on} to ${calendar.last_order_on}`,
    "Orders from": context.ordersFile,
    Model: scoring?.model_id ?? "none: RFM only",
    Run: `${context.runId} (${context.status})`,
    Finished: context.generatedAt.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC"),
  };
  const why = fitted.find(({ sample }) => sample === "production")?.reason ?? fitted[0]?.reason;
  return html`<header>
    <h1>Customer value on ${calendar.run_date}</h1>
    <p class="quiet">Who the customers are, what to expect of them over the next ${calendar.horizon_weeks} weeks, and how far to trust it. Amounts are in the shop's currency.</p>
    ${
      scoring === null &&
      html`<div class="notice"><strong>RFM only.</strong> No model scored this run, so there are segments but no expected purchases and no expected value. ${why}</div>`
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
  const tile = (number: string, words: string) => html`<div><strong>${number}</strong>${words}</div>`;
  const tiles = [tile(whole(customers), `customers, with ${whole(calendar.orders)} orders so far`)];
  if (scoring !== null) {
    const each = `${twoDecimals(value / customers)} per customer on average`;
    tiles.push(tile(whole(value), `expected value over the next ${calendar.horizon_weeks} weeks: ${each}`));
  }
  if (top?.revenue_share) {
    const part = `${percent(top.customer_share)} of the customers`;
    tiles.push(tile(percent(top.revenue_share), `of the revenue so far came from “${top.segment}”, ${part}`));
  }
  const error = scoring && period && totalError(results, period);
  if (error) tiles.push(tile(error.size, error.sentence));
  return html`<div class="headlines">${tiles}</div>`;
}

/** How far the expected number of purchases was off in all. */
function totalError(
  results: Results,
  { evaluation, during }: Period,
): { size: string; sentence: string } | null {
  const { model, oracle } = figuresOf(results, evaluation);
  const [expected, actual] = [model?.total_purchases, oracle?.total_purchases];
  if (expected === undefined || !actual) return null;
  const error = expected / actual - 1;
  const test = evaluation === "backtest" ? "Back-test" : "Hold-out";
  return {
    size: `${points(error)} %`,
    sentence: `${test}: ${whole(expected)} purchases were expected ${during}, ${whole(actual)} happened`,
  };
}

function table(name: string, head: readonly string[], rows: readonly (readonly (Html | string)[])[]): Html {
  const cell = (content: Html | string, column: number) => {
    if (column === 0) return html`<th scope="row">${content}</th>`;
    return typeof content === "string" ? html`<td>${content}</td>` : content;
  };
  return html`<div class="table" role="region" aria-label="${name}" tabindex="0"><table>
    <thead><tr>${head.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>`)}</tbody>
  </table></div>`;
}
const words = (text: string | Html): Html => html`<td class="words">${text}</td>`;
const shareBar = (share: number | null): Html =>
  html`<td class="share" style="--share:${(100 * (share ?? 0)).toFixed(2)}%">${percent(share)}</td>`;

function segmentTable({ segments, scoring, calendar }: Results): Html {
  const expected = scoring ? [`Expected, next ${calendar.horizon_weeks} weeks`, "per customer"] : [];
  return table(
    "Segments",
    ["Segment", "Customers", "of all", "Revenue so far", "of all", ...expected],
    segments.map((row) => [
      html`${row.segment}<small>${row.advice}</small>`,
      whole(row.customers),
      shareBar(row.customer_share),
      whole(row.monetary_value),
      shareBar(row.revenue_share),
      ...(scoring
        ? [
            whole(row.expected_value),
            twoDecimals(row.expected_value === null ? null : row.expected_value / row.customers),
          ]
        : []),
    ]),
  );
}

/** Whether the predictions came true: charts of the compared period, then the tables of every one that there is. */
function comparison(results: Results, period: Period | null, figure: (chart: Chart) => Html): Html {
  const title = html`<h2>Can the predictions be trusted?</h2>`;
  if (period === null) {
    return html`${title}<p>Nothing to compare with: the history was too short to set weeks aside, and the log has no orders after the run date.</p>`;
  }
  const has = (metric: string) =>
    results.metrics.some((row) => row.evaluation === period.evaluation && row.metric === metric);
  const backtest = period.evaluation === "backtest";
  return html`${title}
    <p>${
      backtest
        ? "The order log goes on after the run date, so the predictions can be compared with what customers then did (a back-test). The model did not see those orders."
        : `The log ends at the run date, so there is no back-test. Instead a model was fitted without the last ${results.calendar.holdout_weeks} weeks (the hold-out) and compared with what customers did in them.`
    }</p>
    <div class="pair">
      ${has("purchases_by_frequency") && figure(purchasesByFrequency(results, period))}
      ${has("purchases_by_decile") && figure(calibration(results, period))}
    </div>
    ${has("cumulative_revenue_gain") && html`<div class="pair below">${figure(gainCurves(results, period))}</div>`}
    ${evaluationTable(results, "backtest", "Back-test: after the run date")}
    ${evaluationTable(results, "holdout", `Hold-out: the last ${results.calendar.holdout_weeks} weeks before the run date`)}
    <p class="quiet">Revenue of the best tenth: the share of the period's revenue brought by the tenth of customers that each method puts first. Rank correlation: how well the order of all customers agrees with what they spent (1 is perfect). Error: how many purchases a customer's prediction is off, on average (absolute) and with large errors weighing more (root mean square). In brackets: 95 % intervals.</p>`;
}

const METHODS = [
  ["model", "Model"],
  ["rfm", "RFM score"],
  ["past_spend", "Past spend"],
  ["past_rate", "Past rate goes on"],
  ["oracle", "Perfect hindsight"],
] as const;

function evaluationTable(results: Results, evaluation: "holdout" | "backtest", title: string): Html | null {
  const figures = figuresOf(results, evaluation);
  const champion = evaluation === "holdout" ? figuresOf(results, "champion").model : undefined;
  const rows = METHODS.flatMap(([predictor, name]) => {
    const row = figures[predictor];
    return row === undefined
      ? []
      : [{ name: predictor === "oracle" && !row.top_decile_revenue_share ? "What happened" : name, row }];
  });
  if (rows.length === 0) return null;
  if (champion) rows.splice(1, 0, { name: "Champion before this run", row: champion });
  const interval = (
    row: Record<string, number>,
    metric: string,
    format: (value: number | undefined) => string,
  ) =>
    row[`${metric}_low`] === undefined
      ? format(row[metric])
      : `${format(row[metric])} (${format(row[`${metric}_low`])} to ${format(row[`${metric}_high`])})`;
  return html`<h3>${title}</h3>
    <ul class="verdicts">${verdicts(figures).map((verdict) => html`<li>${verdict}</li>`)}</ul>
    ${table(
      title,
      [
        "Method",
        "Revenue of the best tenth",
        "Model's lead, percentage points",
        "Rank correlation",
        "Absolute error",
        "Root mean square error",
        "Purchases in all",
      ],
      rows.map(({ name, row }) => [
        name,
        interval(row, "top_decile_revenue_share", percent),
        interval(row, "top_decile_revenue_share_difference", points),
        threeDecimals(row.spearman),
        threeDecimals(row.count_mae),
        threeDecimals(row.count_rmse),
        whole(row.total_purchases),
      ]),
    )}`;
}

/** What the figures allow to say of the model against each baseline: no lead where the interval holds zero. */
function verdicts(figures: Record<string, Record<string, number>>): string[] {
  const baselines = [
    ["rfm", "the RFM score"],
    ["past_spend", "past spend"],
  ] as const;
  const leads = baselines.flatMap(([predictor, name]) => {
    const row = figures[predictor];
    const metric = "top_decile_revenue_share_difference";
    const [lead, low, high] = [row?.[metric], row?.[`${metric}_low`], row?.[`${metric}_high`]];
    if (lead === undefined || low === undefined || high === undefined) return [];
    const range = `95 % interval ${points(low)} to ${points(high)}`;
    if (low <= 0 && high >= 0)
      return [
        `Best tenth: the difference between the model and ${name} is too small to tell (${points(lead)} percentage points, ${range}).`,
      ];
    const better = lead > 0 ? "more" : "less";
    return [
      `Best tenth: the model's brought ${oneDecimal(Math.abs(100 * lead))} percentage points ${better} of the revenue than that of ${name} (${range}).`,
    ];
  });
  const { model, past_rate: pastRate } = figures;
  const ranking = baselines.flatMap(([predictor, name]) => {
    const [own, other] = [model?.spearman, figures[predictor]?.spearman];
    return own !== undefined && other !== undefined && other > own
      ? [
          `Over the whole list, ${name} orders customers better than the model (rank correlation ${threeDecimals(other)} against ${threeDecimals(own)}).`,
        ]
      : [];
  });
  const [own, other] = [model?.count_mae, pastRate?.count_mae];
  const counts =
    own === undefined || !other
      ? []
      : [
          `Number of purchases: the model's error per customer is ${percent(Math.abs(1 - own / other))} ${own <= other ? "smaller" : "larger"} than if everyone went on at their past rate.`,
        ];
  return [...leads, ...ranking, ...counts];
}

function topCustomers({ topCustomers, scoring, calendar }: Results): Html | null {
  if (topCustomers.length === 0) return null;
  const title = scoring
    ? `Top customers by expected value over the next ${calendar.horizon_weeks} weeks`
    : "Top customers by revenue so far";
  const expected = scoring ? ["Probably active", "Expected purchases", "Expected value"] : [];
  return html`<h2>${title}</h2>${table(
    title,
    ["Customer", "Segment", "Days since last purchase", "Purchases", "Revenue so far", ...expected],
    topCustomers.map((row) => [
      row.customer_id,
      words(row.segment),
      whole(row.recency_days),
      whole(row.frequency),
      whole(row.monetary_value),
      ...(scoring
        ? [percent(row.p_active), oneDecimal(row.expected_purchases), whole(row.expected_value)]
        : []),
    ]),
  )}`;
}

const PARAMETERS = {
  r: "BG/NBD: shape of the purchase rate among customers",
  alpha: "BG/NBD: scale of the purchase rate, weeks",
  a: "BG/NBD: first shape of the drop-out probability",
  b: "BG/NBD: second shape of the drop-out probability",
  p: "Gamma-Gamma: shape of the value of a purchase",
  q: "Gamma-Gamma: shape of its rate among customers",
  gamma: "Gamma-Gamma: scale of its rate among customers",
};

function parameters({ calendar, fitted }: Results, model: Model): Html {
  const value = (name: string) => model[name] as number | null;
  const [r, alpha, a, b] = [value("r"), value("alpha"), value("a"), value("b")];
  const inWords =
    r && alpha && a && b
      ? `In words: while active, a customer buys ${twoDecimals((r / alpha) * (365.25 / 7))} times a year on average (after the first purchase), and after each repeat purchase ${percent(a / (a + b))} leave for good.`
      : "";
  const latest = fitted.find(({ sample }) => sample === "production");
  return html`<h2>The model, for analysts</h2>
    <p>BG/NBD for purchases and Gamma-Gamma for their value (Fader, Hardie &amp; Lee 2005), fitted by maximum likelihood on ${whole(model.customers)} customers before ${model.run_date}. ${inWords}</p>
    ${latest && html`<p>${latest.reason}</p>`}
    ${model.run_date !== calendar.run_date && html`<p>The scores are those of an earlier model, ${model.model_id}.</p>`}
    ${table(
      "Model parameters",
      ["Parameter", "Meaning", "Estimate", "Standard error"],
      Object.entries(PARAMETERS).map(([name, meaning]) => [
        name,
        words(meaning),
        precise(value(name)),
        precise(value(`${name}_se`)),
      ]),
    )}
    <p class="quiet">Log-likelihood: BG/NBD ${oneDecimal(value("bg_nbd_log_likelihood"))}, Gamma-Gamma ${oneDecimal(value("gamma_gamma_log_likelihood"))}.</p>`;
}

function rejectedOrders({ rejected, calendar }: Results): Html | null {
  if (rejected.length === 0) return null;
  const all = calendar.orders + calendar.rejected_orders;
  return html`<h2>Orders set aside</h2>
    <p>${whole(calendar.rejected_orders)} orders (${percent(calendar.rejected_orders / all)} of the log before the run date) could not be used.</p>
    ${table(
      "Orders set aside",
      ["Reason", "Orders", "of all set aside"],
      rejected.map((row) => [
        row.rejection_reason,
        whole(row.orders),
        percent(row.orders / calendar.rejected_orders),
      ]),
    )}`;
}
