import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { sqlDir } from "../../lib/project.ts";
import { temporaryWarehouse } from "../../test/temporary-warehouse.ts";
import { loadPredictions } from "./parquet.ts";
import { compileToRun } from "./runner.ts";

describe("predictions of candidates", () => {
  let warehouse: DuckDbWarehouse;
  const folder = temporaryWarehouse((opened) => {
    warehouse = opened;
  });
  const url = (path: string): string => pathToFileURL(join(folder, path)).href;

  it("replace those of the run date; a candidate that made none is a warning", async () => {
    const graph = compileToRun(sqlDir, { project: warehouse.project });
    const model = graph.actions.find(({ target }) => target.name === "predictions")!;
    const runDate = { run_date: { type: "DATE", value: "2024-03-01" } } as const;
    if (model.kind === "model") await warehouse.materialize(model, runDate);
    const rows = `SELECT 'm' AS model_id, 'production' AS sample, 'c' AS customer_id, 4 AS weeks,
      CAST(NULL AS FLOAT64) AS expected_purchases, 1.5 AS expected_value, CAST(NULL AS FLOAT64) AS p_active,
      0 AS low, 2.5 AS high, 'as it was' AS reason`;
    await warehouse.exportParquet(rows, {}, url("some"));
    await warehouse.exportParquet(`${rows} LIMIT 0`, {}, url("none"));
    const load = (folders: Record<string, string>) =>
      loadPredictions(warehouse, graph, "2024-03-01", folders);

    assert.deepEqual(await load({ averages: url("some"), boosting: url("some") }), {
      rows: { "rfm.predictions": 2 },
      warnings: [],
    });
    assert.deepEqual(
      await warehouse.query("SELECT family, low, high, reason FROM rfm.predictions ORDER BY family"),
      ["averages", "boosting"].map((family) => ({ family, low: 0, high: 2.5, reason: "as it was" })),
    );
    assert.deepEqual(await load({ averages: url("some"), boosting: url("none") }), {
      rows: { "rfm.predictions": 1 },
      warnings: ["The candidate boosting made no predictions, so it does not compete in this run."],
    });
    assert.deepEqual(await load({}), { rows: {}, warnings: [] });
  });
});
