import assert from "node:assert/strict";
import { compile, type TopLevelSpec } from "vega-lite";
import {
  exampleContext,
  exampleResults,
  MARKUP,
  resultsOfMarkup,
  rfmOnlyResults,
  withoutBacktest,
} from "../../test/example-results.ts";
import { renderReport, scriptCode } from "./report.ts";
import type { Results } from "./results.ts";

const page = (results: Results) => renderReport(results, exampleContext);
/** The page without scripts. */
const withoutCode = (html: string) => html.replaceAll(/<script>.*?<\/script>/gs, "");
/** The text of the page, without markup. */
const textOf = (html: string) =>
  html
    .slice(html.indexOf("<body>"))
    .replaceAll(/<script.*?<\/script>/gs, " ")
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ");
const chartsOf = (html: string) => [...html.matchAll(/<div class="chart" id="(.*?)">/g)].map(([, id]) => id);
const specsOf = (html: string) =>
  [...html.matchAll(/<script type="application\/json">(.*?)<\/script>/g)].map(([, spec]) =>
    JSON.parse(spec!),
  );
const sectionsOf = (html: string) =>
  [...withoutCode(html).matchAll(/<h2>(.*?)<\/h2>/g)].map(([, title]) => title);

const ALL_CHARTS = ["segment-map", "calibration", "gain"];

describe("report", () => {
  const full = page(exampleResults());

  it("has every section, chart and headline figure of a full run", () => {
    assert.deepEqual(sectionsOf(full), [
      "Segments",
      "Can the predictions be trusted?",
      "Top customers by expected value over the next 26 weeks",
      "The model, for analysts",
      "Set aside: 15 of 4,336 orders (rfm.rejected_orders)",
    ]);
    assert.deepEqual(chartsOf(full), ALL_CHARTS);
    const text = textOf(full);
    for (const part of [
      "1,000 customers, with 4,321 orders so far",
      "50,000 expected value over the next 26 weeks: 50.00 per customer on average",
      "60.0 % of the revenue so far came from “Champions”, 15.0 % of the customers",
      "purchases expected in the back-test",
      "Back-test: after the run date",
      "Hold-out: the last 13 weeks before the run date",
      "Warnings 15 orders were set aside.",
      "run-20240601-1 (succeeded)",
      "2024-06-01 04:05:06 UTC",
      "Purchases: shape of their rate among customers 0.243 0.0126",
      "negative amount 12 −345.60",
      "intervals held 91.3 % of customers for purchases (the model expects 92.6 %), and 86.4 % of customers for value (the model expects 88.8 %).",
      "400 to 3,109",
    ]) {
      assert.ok(text.includes(part), `${part}: not in ${text}`);
    }
  });

  it("gives the reason of the model that scores, and says which others did not converge", () => {
    const results = exampleResults();
    const { scoring } = results;
    const other = { ...scoring!, is_champion: false, reason: "The other is better." };
    const others = ["stuck", "worse"].map((model_id) => ({
      ...other,
      model_id,
      converged: model_id === "worse",
    }));
    const holdout = results.metrics.filter(({ evaluation }) => evaluation === "holdout");
    const ofOthers = others.flatMap(({ model_id }) =>
      holdout.map((row) => ({ ...row, model_id, evaluation: "candidate" as const })),
    );
    const text = textOf(
      page({
        ...results,
        fitted: [...others, ...results.fitted],
        metrics: [...ofOthers, ...results.metrics],
      }),
    );
    assert.ok(text.includes(scoring!.reason) && !text.includes(other.reason), text);
    assert.match(text, /Did not converge: stuck .*Not chosen: worse /);

    // An earlier model scores: the best one of this run says why.
    const best = { ...scoring!, is_champion: false, reason: "Worse than the champion." };
    const kept = textOf(
      page({ ...results, fitted: [...others, best], metrics: [...ofOthers, ...results.metrics] }),
    );
    assert.ok(kept.includes(best.reason) && !kept.includes(other.reason), kept);
  });

  it("compares a run with the one that fitted its model, and says where it can't", () => {
    const row = { training_mean: 1.5, mean: 2.25, psi: 0.3456, chance_psi: 0.01, reason: null };
    const drift = [
      { ...row, column_name: "frequency", training_run_date: "2024-03-01" },
      {
        ...{ ...row, column_name: "p_active", training_run_date: "2024-03-01" },
        ...{
          training_mean: null,
          psi: null,
          chance_psi: null,
          reason: "The model does not give this column.",
        },
      },
    ];
    const text = textOf(page(exampleResults({ drift })));
    for (const part of [
      "Drift: customers now, and in the run of 2024-03-01, which fitted the model",
      "Purchases 1.50 2.25 0.346 0.010",
      "P(active) The model does not give this column. – 2.25 – –",
    ])
      assert.ok(text.includes(part), `${part}: not in ${text}`);
    const ofThisRun = drift.map((each) => ({ ...each, training_run_date: "2024-06-01" }));
    assert.doesNotMatch(textOf(page(exampleResults({ drift: ofThisRun }))), /Drift/);
  });

  it("says what the parameters of each family mean", () => {
    const scoring = exampleResults().scoring!;
    const { a, b, ...shared } = scoring;
    const says = (changes: object) =>
      textOf(page(exampleResults({ scoring: { ...shared, ...changes } as typeof scoring })));
    assert.match(
      says({ a, b }),
      /BG\/NBD for purchases.* 2\.87 repeat purchases a year, and after each repeat purchase 24\.6 %/,
    );
    assert.match(says({ a, b, family: "mbgnbd" }), /MBG\/NBD for purchases.*and after each purchase 24\.6 %/);
    const pareto = says({ family: "paretonbd", r: 0.553, alpha: 10.578, s: 0.606, beta: 11.669 });
    // 1 - (1 + 52.18 / 11.669) ** -0.606
    assert.match(
      pareto,
      /Pareto\/NBD for purchases.*and 64\.3 % of new customers leave for good within a year/,
    );
    assert.match(pareto, /Purchases: shape of the drop-out rate among customers 0\.606/);
    assert.ok(!pareto.includes("drop-out probability") && !says({ a, b }).includes("drop-out rate"));
  });

  it("gives each chart a description, axis titles and tooltips, and Vega-Lite reports no problems", () => {
    const problems: unknown[] = [];
    const note = (...what: unknown[]) => {
      problems.push(...what);
      return logger;
    };
    const quiet = () => logger;
    const logger: unknown = { level: quiet, error: note, warn: note, info: quiet, debug: quiet };
    for (const spec of specsOf(full)) {
      compile(spec as TopLevelSpec, { logger: logger as never });
      const encoding = { ...spec.layer?.[0]?.encoding, ...spec.encoding };
      for (const part of [
        spec.description,
        encoding.x.title,
        encoding.y.title,
        encoding.tooltip?.[0]?.title,
      ]) {
        assert.ok(part?.length > 0, JSON.stringify(spec));
      }
    }
    // The browser decides the width.
    assert.deepEqual(
      problems.filter((problem) => !/container/.test(String(problem))),
      [],
    );
  });

  it("escapes text from data everywhere", () => {
    const context = {
      ...exampleContext,
      ...{ runId: MARKUP, status: MARKUP, warnings: [MARKUP], ordersFile: MARKUP, generatedAt: MARKUP },
    };
    const html = renderReport(resultsOfMarkup(), context);
    assert.equal(html.match(/<script/g)?.length, full.match(/<script/g)?.length);
    assert.equal(html.match(/<\/script/g)?.length, full.match(/<\/script/g)?.length);
    assert.doesNotMatch(withoutCode(html), /<img|<!--/);
    assert.ok(textOf(html).includes("&#34;&#62;&#60;img src=x onerror=alert(1)&#62;"));
    assert.equal(specsOf(html)[0].data.values[0].segment, `${MARKUP}1`);
  });

  it("escapes code that would end its script element", () => {
    assert.equal(scriptCode('"</script>"\n//# sourceMappingURL=x.map').text, '"<\\/script>"\n');
  });

  it("says that it is RFM only, and leaves out the parts that need a model", () => {
    const html = page(rfmOnlyResults());
    assert.deepEqual(chartsOf(html), ["segment-map"]);
    assert.deepEqual(sectionsOf(html), [
      "Segments",
      "Top customers by revenue",
      "Set aside: 15 of 4,336 orders (rfm.rejected_orders)",
    ]);
    assert.ok(textOf(html).includes("RFM only."));
    assert.ok(!textOf(html).includes("P(active)") && !textOf(full).includes("RFM only."));
  });

  it("compares with the hold-out where there is no back-test, and says so", () => {
    const html = page(withoutBacktest());
    assert.deepEqual(chartsOf(html), ALL_CHARTS);
    assert.ok(textOf(html).includes("there is no back-test"));
    assert.ok(textOf(html).includes("purchases expected in the hold-out"));
    assert.ok(!textOf(html).includes("Back-test:"));
  });

  it("says why there is no comparison at all", () => {
    const html = page(exampleResults({ metrics: [] }));
    assert.deepEqual(chartsOf(html), ["segment-map"]);
    assert.ok(textOf(html).includes("There is nothing to compare them with"));
  });

  it("reports a lead over a baseline only when the interval of the difference does not include zero", () => {
    const metric = "top_decile_revenue_share_difference";
    const verdict = (lead: number, low: number, high: number) => {
      const rows = { [metric]: lead, [`${metric}_low`]: low, [`${metric}_high`]: high };
      const metrics = Object.entries(rows).map(([name, value]) => ({
        model_id: "m",
        evaluation: "holdout" as const,
        predictor: "rfm",
        metric: name,
        bucket: null,
        value,
      }));
      const text = textOf(page(exampleResults({ metrics })));
      return /Best tenth of customers: ([^.]*\.\d[^.]*)/.exec(text)?.[1];
    };
    assert.match(verdict(0.015, 0.005, 0.026)!, /choice brought 1.5 percentage points more/);
    assert.match(verdict(-0.015, -0.026, -0.005)!, /choice brought 1.5 percentage points less/);
    assert.match(verdict(0.015, -0.001, 0.03)!, /too small to be certain \(\+1.5/);
    assert.match(verdict(0.015, 0, 0.03)!, /too small to be certain/);
  });

  it("needs no network", () => {
    const markup = full.replaceAll(/<script.*?<\/script>/gs, "");
    assert.doesNotMatch(markup, /\b(src|href|srcset|action)\s*=|@import|url\(|https?:/i);
    assert.match(markup, /Content-Security-Policy" content="default-src 'none'/);
    const addresses = specsOf(full).flatMap((spec) => JSON.stringify(spec).match(/https?:[^"]*/g) ?? []);
    assert.deepEqual([...new Set(addresses)], ["https://vega.github.io/schema/vega-lite/v6.json"]);
  });

  it("writes no figure without a value, and no empty chart", () => {
    const { segments, cells } = exampleResults();
    const free = exampleResults({
      rejected: [],
      segments: segments.map((row) => ({ ...row, monetary_value: 0, revenue_share: null })),
      cells: cells.map((row) => ({ ...row, monetary_value: 0 })),
      metrics: exampleResults().metrics.filter(({ metric }) => !/share|gain|spearman|total/.test(metric)),
    });
    for (const html of [full, page(free), page(rfmOnlyResults()), page(exampleResults({ cells: [] }))]) {
      assert.doesNotMatch(textOf(html), /\b(undefined|null|NaN|Infinity|false)\b/);
    }
    assert.deepEqual(
      chartsOf(page(free)),
      ALL_CHARTS.filter((id) => id !== "gain"),
    );
    assert.ok(!sectionsOf(page(free)).some((title) => title!.startsWith("Set aside")));
  });

  it("counts refunds that are subtracted apart from what is set aside", () => {
    const { rejected } = exampleResults();
    const refunds = { rejection_reason: "refund", orders: 2, amount: -7 };
    const [title] = sectionsOf(page(exampleResults({ rejected: [...rejected, refunds] }))).slice(-1);
    assert.equal(
      title,
      "Set aside: 15 of 4,336 orders, and 2 refunds and refunded orders (rfm.rejected_orders)",
    );
  });

  it("takes less than 150 ms", () => {
    const results = exampleResults();
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      page(results);
      return performance.now() - start;
    });
    assert.ok(Math.min(...times) < 150, `${times}`);
  });
});
