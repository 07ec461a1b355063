import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { renderReport } from "../local/report/report.ts";
import type { Results } from "../local/report/results.ts";
import { launchChromium } from "./chromium.ts";
import {
  exampleContext,
  exampleResults,
  resultsOfMarkup,
  rfmOnlyResults,
  withoutBacktest,
} from "./example-results.ts";

interface Drawn {
  readonly id: string;
  readonly marks: number;
  /** Texts that are partly outside the drawing. */
  readonly cut: readonly string[];
}

const DRAWN = `[...document.querySelectorAll(".chart")].map((chart) => {
  const box = chart.querySelector("svg")?.getBoundingClientRect();
  const out = (text) => {
    const { left, right, top, bottom } = text.getBoundingClientRect();
    return left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1;
  };
  return {
    id: chart.id,
    marks: chart.querySelectorAll("svg .role-mark path").length,
    cut: [...chart.querySelectorAll("svg text")].filter(out).map((text) => text.textContent),
  };
})`;

describe("report in Chromium", () => {
  const folder = mkdtempSync(join(tmpdir(), "report-"));
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  /** Opens the report. `problems` collects console messages, errors, dialogs and requests. */
  async function open(results: Results, width: number): Promise<{ page: Page; problems: string[] }> {
    const file = pathToFileURL(join(folder, "report.html"));
    writeFileSync(file, renderReport(results, exampleContext));
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const problems: string[] = [];
    page.on("console", (message) => problems.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
    page.on("dialog", async (dialog) => {
      problems.push(`dialog: ${dialog.message()}`);
      await dialog.dismiss();
    });
    page.on("request", (request) => {
      if (request.url() !== file.href) problems.push(`request: ${request.url()}`);
    });
    await page.goto(file.href);
    await page.waitForFunction(
      `[...document.querySelectorAll(".chart")].every((chart) => chart.querySelector("svg"))`,
    );
    return { page, problems };
  }

  const runs = { full: exampleResults, "no back-test": withoutBacktest, "RFM only": rfmOnlyResults };
  for (const [name, results] of Object.entries(runs)) {
    for (const width of [1280, 390, 360]) {
      it(`draws every chart completely, without overflow or requests: ${name}, ${width} px wide`, async () => {
        const { page, problems } = await open(results(), width);
        const drawn = (await page.evaluate(DRAWN)) as Drawn[];
        assert.equal(drawn.length, name === "RFM only" ? 1 : 3);
        for (const { id, marks, cut } of drawn) {
          assert.ok(marks > 0, `${id} has no marks`);
          assert.deepEqual(cut, [], id);
        }
        const pageWidth = (await page.evaluate("document.documentElement.scrollWidth")) as number;
        assert.ok(pageWidth <= width, `${pageWidth} px`);
        assert.deepEqual(problems, []);
        await page.close();
      });
    }
  }

  it("does not run markup from data, in the page or in a tooltip", async () => {
    const { page, problems } = await open(resultsOfMarkup(), 1280);
    await page
      .locator("#segment-map .mark-rect.role-mark path")
      .first()
      .hover({ position: { x: 4, y: 4 } });
    const tooltip = page.locator("#vg-tooltip-element.visible");
    await tooltip.waitFor();
    assert.ok((await tooltip.textContent())?.includes("<img src=x"));
    assert.deepEqual(problems, []);
    await page.close();
  });
});
