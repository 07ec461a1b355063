import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { startFakeBigQuery } from "../test/fake-bigquery.ts";
import { openWarehouse } from "./warehouse.ts";

describe("openWarehouse", () => {
  const folder = mkdtempSync(join(tmpdir(), "open warehouse-"));
  const file = (name: string) => pathToFileURL(join(folder, name));
  const duckDbUrl = (name: string) => file(name).href.replace("file:", "duckdb:");
  after(() => rmSync(folder, { recursive: true }));

  it("opens DuckDB's file, in a folder with a blank in its name", async () => {
    const warehouse = await openWarehouse(duckDbUrl("plain.duckdb"));
    assert.equal(warehouse.project, "plain");
    assert.deepEqual(await warehouse.query("SELECT 1 AS x"), [{ x: 1 }]);
    await warehouse.close();
  });

  it("loads DuckDB's routines from the module of the URL", async () => {
    const routine = `{ name: "twice", parameters: [{ name: "x", type: "FLOAT64" }], returns: "FLOAT64", description: "", call: (x) => 2 * x }`;
    writeFileSync(file("routines.mjs"), `export const routines = [${routine}];`);
    const url = `${duckDbUrl("routines.duckdb")}?routines=${encodeURIComponent(file("routines.mjs").href)}`;
    const warehouse = await openWarehouse(url);
    assert.deepEqual(await warehouse.query("SELECT rfm.twice(21.0) AS x"), [{ x: 42 }]);
    await warehouse.close();
  });

  it("waits for another process as long as the caller says", async () => {
    const holds = `import { openWarehouse } from ${JSON.stringify(new URL("./warehouse.ts", import.meta.url).href)};
      await openWarehouse(${JSON.stringify(duckDbUrl("held.duckdb"))}); console.log("open"); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ["--input-type=module", "-e", holds]);
    try {
      await once(holder.stdout, "data");
      await assert.rejects(openWarehouse(duckDbUrl("held.duckdb"), { lockTimeout: 100 }), /another process/);
    } finally {
      holder.kill("SIGKILL");
      await once(holder, "close");
    }
  });

  it("opens BigQuery, and gives its jobs the labels", async () => {
    const fake = await startFakeBigQuery();
    try {
      const url = `bigquery://my-project/EU?endpoint=${fake.endpoint}`;
      const warehouse = await openWarehouse(url, { labels: { step: "train" } });
      assert.equal(warehouse.project, "my-project");
      await warehouse.query("SELECT 1");
      assert.deepEqual(fake.inserted[0]?.configuration.labels, { step: "train" });
    } finally {
      await fake.close();
    }
  });

  it("says what is allowed if the URL is neither", async () => {
    const allowed = "allowed are duckdb:///path/of/warehouse.duckdb and bigquery://project/location.";
    for (const [url, given] of [
      ["postgres://x", "postgres://x"],
      ["", "not set"],
    ] as const)
      await assert.rejects(openWarehouse(url), {
        name: "UserError",
        message: `WAREHOUSE_URL is ${given}; ${allowed}`,
      });
  });
});
