import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { compile } from "dataform-check/dataform";
import type { Browser, Locator, Page } from "playwright-core";
import { projectDir, sqlDir } from "../lib/project.ts";
import { launchChromium } from "./chromium.ts";

describe("lineage in Chromium", () => {
  const folder = mkdtempSync(join(tmpdir(), "lineage-"));
  const file = pathToFileURL(join(folder, "lineage.html"));
  let browser: Browser;
  let page: Page;
  let troubles: string[] = [];
  before(async () => {
    const command = join(projectDir, "cli", "sql-tool.ts");
    await promisify(execFile)(process.execPath, [
      command,
      "lineage",
      "--export",
      join(folder, "lineage.html"),
    ]);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    await page.close();
    assert.deepEqual(troubles, []);
  });

  async function open(width = 1400, hash = ""): Promise<void> {
    page = await browser.newPage({ viewport: { width, height: 860 } });
    troubles = [];
    page.on("console", (message) => troubles.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => troubles.push(`error: ${error.message}`));
    page.on("request", (request) => {
      if (request.url() !== file.href + hash && request.url() !== file.href)
        troubles.push(`request: ${request.url()}`);
    });
    await page.goto(file.href + hash);
  }
  // biome-ignore lint/performance/useDomNodeTextContent: only the text that is shown
  const panel = (): Promise<string> => page.locator("#panel").innerText();
  const box = (table: string): Locator =>
    page.locator(".node").filter({ has: page.getByText(table, { exact: true }) });
  const isFaded = (element: Locator): Promise<boolean> =>
    element.evaluate((node) => getComputedStyle(node).opacity !== "1");

  it("draws every table and edge, without a request", async () => {
    await open();
    const { actions, sources } = compile(sqlDir);
    const models = actions.filter(({ kind }) => kind === "model");
    assert.equal(await page.locator(".node").count(), sources.length + models.length);
    const edges = models.flatMap(({ dependencies }) => dependencies);
    assert.equal(await page.locator(".edge").count(), edges.length);
    assert.match(await panel(), /mlops_mkt\.rfm\s+run_date customer_id/);
    assert.equal(await isFaded(box("rfm.models")), false);
  });

  it("shows the table that is clicked: both dialects, columns, types, descriptions", async () => {
    await open();
    await box("mlops_mkt.rfm").click();
    const text = await panel();
    assert.match(text, /Marketing.s table: one row per customer and run date/);
    assert.match(text, /p_active\s+FLOAT64\s+Probability that the customer is still active/);
    assert.match(
      text,
      /GoogleSQL[\s\S]*`warehouse\.rfm\.customer_features` AS f[\s\S]*f\.run_date = @run_date/,
    );
    assert.match(
      text,
      /DuckDB[\s\S]*"warehouse"\."rfm"\."customer_features" AS f[\s\S]*CAST\(\$run_date AS DATE\)/,
    );
    assert.ok((await page.locator("#panel .hljs-keyword").count()) > 10);
    assert.equal(await isFaded(box("rfm.backtest")), true);
  });

  it("highlights what is upstream and downstream of a table, until the title is clicked", async () => {
    await open(1400, "#rfm.segments");
    assert.equal(await isFaded(box("mlops_mkt.rfm")), false);
    assert.equal(await isFaded(box("rfm.backtest")), true);
    await page.getByRole("link", { name: "Lineage", exact: true }).click();
    assert.equal(await isFaded(box("rfm.backtest")), false);
  });

  it("highlights the path of the column that is clicked, and shows its expressions", async () => {
    await open(1400, "#mlops_mkt.rfm_segments");
    await page.getByRole("link", { name: "mean_p_active", exact: true }).click();
    for (const table of ["mlops_mkt.rfm", "rfm.customer_scores", "raw.orders", "rfm.models"])
      assert.equal(await isFaded(box(table)), false, table);
    for (const table of ["rfm.segments", "rfm.backtest"])
      assert.equal(await isFaded(box(table)), true, table);
    const lit = page.locator(".edge").filter({ visible: true });
    assert.ok((await Promise.all((await lit.all()).map(isFaded))).includes(false));
    assert.match(
      await panel(),
      /mean_p_active is computed from\s+mlops_mkt\.rfm\.p_active\s+through ROUND\(AVG\(p_active\).*[\s\S]*Sources[\s\S]*rfm\.models\.alpha/,
    );
    assert.match(page.url(), /#mlops_mkt\.rfm_segments\.mean_p_active$/);
    await page.getByRole("link", { name: "mlops_mkt.rfm.p_active" }).first().click();
    assert.match(await panel(), /Used by\s+mlops_mkt\.rfm_segments\.mean_p_active/);
  });

  for (const width of [390, 760, 900]) {
    it(`fits a window of ${width} px`, async () => {
      await open(width, "#rfm.customer_history.monetary_value");
      assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width);
      assert.equal(await isFaded(box("rfm.purchases")), false);
    });
  }
});
