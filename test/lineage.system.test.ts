import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { compile } from "dataform-check/dataform";
import type { Browser, Page } from "playwright-core";
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
  /** Ids of the graph's elements that have a class. */
  const having = (name: string): Promise<string[]> =>
    page.evaluate(`graph.elements(".${name}").map((each) => each.id()).sort()`);
  /** That no boxes overlap. */
  async function isClear(): Promise<void> {
    const boxes = (await page.evaluate(
      'graph.nodes(":visible").map((node) => node.boundingBox())',
    )) as Record<"x1" | "x2" | "y1" | "y2", number>[];
    for (const [index, one] of boxes.entries())
      for (const other of boxes.slice(index + 1))
        assert.ok(
          one.x2 <= other.x1 || other.x2 <= one.x1 || one.y2 <= other.y1 || other.y2 <= one.y1,
          JSON.stringify([one, other]),
        );
  }
  const panel = (): Promise<string> => page.locator("#panel").innerText();
  const placeOf = (table: string): Promise<{ x: number; y: number }> =>
    page.evaluate(`(({ x, y }, box) => ({ x: x + box.left, y: y + box.top }))(
      graph.getElementById(${JSON.stringify(table)}).renderedPosition(), document.querySelector("#graph").getBoundingClientRect())`);

  it("draws every table and edge, without a request", async () => {
    await open();
    const [nodes, edges] = (await page.evaluate("[graph.nodes().length, graph.edges().length]")) as number[];
    const { actions, sources } = compile(sqlDir);
    const models = actions.filter(({ kind }) => kind === "model");
    assert.equal(nodes, sources.length + models.length);
    assert.equal(edges, models.flatMap(({ dependencies }) => dependencies).length);
    await isClear();
    assert.ok(((await page.evaluate("graph.zoom()")) as number) > 0.5);
  });

  it("shows the table that is clicked: both dialects, columns, types, descriptions", async () => {
    await open();
    const { x, y } = await placeOf("mlops_mkt.rfm");
    await page.mouse.click(x, y);
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
    assert.deepEqual(await having("chosen"), ["mlops_mkt.rfm"]);
  });

  it("highlights what is upstream and downstream of a table, until Escape", async () => {
    await open(1400, "#rfm.segments");
    const faded = await having("faded");
    assert.ok(!faded.includes("mlops_mkt.rfm") && faded.includes("rfm.backtest"));
    await page.keyboard.press("Escape");
    assert.deepEqual(await having("faded"), []);
  });

  it("highlights the path of the column that is clicked, and shows its expressions", async () => {
    await open(1400, "#mlops_mkt.rfm_segments");
    await page.getByRole("link", { name: "mean_p_active", exact: true }).click();
    const lit = await having("lit");
    assert.ok(lit.includes("mlops_mkt.rfm mlops_mkt.rfm_segments") && lit.includes("rfm.customer_scores"));
    assert.ok(lit.includes("raw.orders") && lit.includes("rfm.models"));
    assert.ok(!lit.includes("rfm.segments") && !lit.includes("rfm.backtest"));
    assert.match(
      await panel(),
      /mean_p_active is computed from\s+mlops_mkt\.rfm\.p_active\s+through ROUND\(AVG\(p_active\).*[\s\S]*Sources[\s\S]*rfm\.models\.alpha/,
    );
    assert.match(page.url(), /#mlops_mkt\.rfm_segments\.mean_p_active$/);
    await page.getByRole("link", { name: "mlops_mkt.rfm.p_active" }).first().click();
    assert.match(await panel(), /Used by\s+mlops_mkt\.rfm_segments\.mean_p_active/);
  });

  it("shows a path through many columns clearly", async () => {
    await open(1400, "#raw.orders.amount");
    await isClear();
    assert.ok((await having("lit")).includes("mlops_mkt.rfm_segments"));
    assert.ok((await having("hidden")).includes("rfm.models"));
  });

  it("finds tables and columns", async () => {
    await open();
    await page.getByLabel("Find a table or column").fill("rfm.customer_history.mean_value");
    assert.match(await panel(), /mean_value is computed from\s+rfm\.purchases/);
    await page.getByLabel("Find a table or column").fill("no such thing");
    assert.match(page.url(), /#rfm\.customer_history\.mean_value$/);
    assert.ok((await page.locator("#places option").count()) > 50);
  });

  it("zooms and pans", async () => {
    await open();
    const zoom = (): Promise<number> => page.evaluate("graph.zoom()");
    const before = await zoom();
    await page.mouse.move(60, 700);
    await page.mouse.wheel(0, 400);
    assert.ok((await zoom()) < before);
    const pan = (): Promise<{ x: number }> => page.evaluate("({ ...graph.pan() })");
    const { x } = await pan();
    await page.mouse.down();
    await page.mouse.move(160, 700, { steps: 4 });
    await page.mouse.up();
    assert.ok(Math.abs((await pan()).x - x - 100) < 5);
  });

  for (const width of [390, 760, 900]) {
    it(`fits a window of ${width} px`, async () => {
      await open(width, "#rfm.customer_history.monetary_value");
      assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width);
      assert.ok((await having("lit")).includes("rfm.purchases"));
    });
  }
});
