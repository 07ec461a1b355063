import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { load } from "js-yaml";

const command = new URL("./costs.ts", import.meta.url).pathname;
const page = new URL("../docs/costs.md", import.meta.url);

function costs(...args: string[]) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [command, ...args], { encoding: "utf8" });
  const cells = stdout.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const of = (part: string) => Number(cells.find(([, name]) => name === part)?.at(-2));
  return { stdout, stderr, status, of };
}

describe("costs", function () {
  this.timeout(60_000);

  it("are what docs/costs.md shows (golden)", () => {
    const text = readFileSync(page, "utf8");
    const shown = /npm run costs -- (.*)\n/.exec(text)?.[1]?.split(" ") ?? [];
    const renewed = text.replace(
      /(?<=<!-- costs -->\n)[\s\S]*(?=<!-- \/costs -->)/,
      () => costs(...shown).stdout,
    );
    if (process.env.UPDATE_GOLDEN === "1") writeFileSync(page, renewed);
    assert.equal(
      readFileSync(page, "utf8"),
      renewed,
      "If it should change: UPDATE_GOLDEN=1 npx mocha --grep golden",
    );
  });

  it("add up, and follow from amounts, prices and what is free", () => {
    const { of, stdout } = costs("--customers", "10000000", "--orders", "1000000000", "--runs", "30");
    // 8 DCU all month; 30 runs; 30 runs of 6 steps of 5 minutes
    assert.equal(of("Composer, small"), 350.4);
    assert.equal(of("Vertex AI pipelines"), 0.9);
    assert.equal(of("Vertex AI jobs"), 3.28);
    // 6 reads of 1e9 orders of 40 bytes and 4 of 1e7 customers of 680 bytes, 30 times, without the first TiB
    assert.equal(of("BigQuery queries"), Number((((30 * (240e9 + 27.2e9)) / 2 ** 40 - 1) * 6.25).toFixed(2)));
    // 360 runs of 1e7 customers, without the first 10 GiB
    assert.equal(of("BigQuery storage"), Number((((360 * 6.8e9) / 2 ** 30 - 10) * 0.02).toFixed(2)));
    const months = stdout
      .split("\n")
      .slice(2, -2)
      .map((line) => Number(line.split("|").at(-2)));
    assert.ok(Math.abs(months.reduce((sum, it) => sum + it, 0) - of("all")) < 0.1);
  });

  it("say of every price where it is from", () => {
    const prices = load(readFileSync(new URL("./prices.yaml", import.meta.url), "utf8")) as object;
    for (const [part, { source }] of Object.entries(prices))
      assert.match(source, /\d{4}-\d{2}-\d{2}|unconfirmed|as above/, part);
  });

  it("take numbers only", () => {
    for (const given of ["x", "-1"]) {
      const { status, stderr } = costs("--orders", given);
      assert.equal(status, 1);
      assert.match(stderr, /--orders.*It takes a number that is not negative/);
    }
  });
});
