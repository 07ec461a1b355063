import assert from "node:assert/strict";
import { compile } from "dataform-check/dataform";
import fc from "fast-check";
import type { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import type { Model, Row } from "../../contracts/warehouse.ts";
import { sqlDir } from "../../lib/project.ts";
import { temporaryWarehouse } from "../temporary-warehouse.ts";

const RUN_DATE = "2024-03-01";
const HOLDOUT_WEEKS = 4;
const CALIBRATION_END = "2024-02-02";
const EARLIER_END = "2024-01-05";

interface Purchase {
  readonly customer_id: string;
  readonly purchased_on: string;
  readonly value_cents: number;
}
const purchase = fc.record({
  customer_id: fc.constantFrom("a", "b", "c", "d"),
  purchased_on: fc
    .integer({ min: 0, max: 130 })
    .map((day) => new Date(Date.parse("2023-11-01") + day * 86_400_000).toISOString().slice(0, 10)),
  value_cents: fc.integer({ min: 1, max: 9999 }),
});
const uniquePurchases = fc.uniqueArray(purchase, {
  selector: ({ customer_id, purchased_on }) => `${customer_id} ${purchased_on}`,
  maxLength: 40,
});

describe("examples of candidates", () => {
  let warehouse: DuckDbWarehouse;
  let model: Model;
  temporaryWarehouse((opened) => {
    warehouse = opened;
  });
  before(async () => {
    const { actions } = compile(sqlDir, { project: warehouse.project });
    model = actions.find(({ target }) => target.name === "examples")!;
    await warehouse.withConnection((connection) =>
      connection.run(`
        CREATE TABLE rfm.purchases (customer_id VARCHAR, purchased_on DATE, value_cents BIGINT);
        CREATE TABLE rfm.run_calendar AS SELECT DATE '${RUN_DATE}' AS run_date, ${HOLDOUT_WEEKS} AS holdout_weeks,
          DATE '${CALIBRATION_END}' AS calibration_end, 8 AS horizon_weeks;
        CREATE VIEW rfm.customer_history AS SELECT DISTINCT DATE '${RUN_DATE}' AS run_date, 'production' AS sample,
          customer_id, TRUE AS in_model FROM rfm.purchases WHERE purchased_on < '${RUN_DATE}'`),
    );
  });

  async function examples(purchases: readonly Purchase[]): Promise<Row[]> {
    await warehouse.withConnection(async (connection) => {
      await connection.run("DELETE FROM rfm.purchases");
      const values = purchases.map(
        (row) => `('${row.customer_id}', '${row.purchased_on}', ${row.value_cents})`,
      );
      if (values.length > 0) await connection.run(`INSERT INTO rfm.purchases VALUES ${values.join(", ")}`);
    });
    await warehouse.materialize(
      {
        ...model,
        target: { project: warehouse.project, dataset: "rfm", name: "examples" },
        materialization: "table",
      },
      { run_date: { type: "DATE", value: RUN_DATE } },
    );
    return await warehouse.query("SELECT * FROM rfm.examples ORDER BY sample, purpose, customer_id");
  }
  const beforeDay = (day: string, rows: readonly Purchase[]) => rows.filter((row) => row.purchased_on < day);
  /** The columns that a model may learn from, of one cut-off. */
  const featuresOf = (rows: readonly Row[], sample: string, purpose: string) =>
    rows
      .filter((row) => row.sample === sample && row.purpose === purpose)
      .map(({ actual_purchases: _, actual_value: __, ...features }) => features);

  it("do not change when what is after their cut-off changes, but in their outcomes", async () => {
    const cutoffs = [
      ["calibration", "fit", EARLIER_END],
      ["calibration", "predict", CALIBRATION_END],
      ["production", "fit", CALIBRATION_END],
      ["production", "predict", RUN_DATE],
    ] as const;
    await fc.assert(
      fc.asyncProperty(uniquePurchases, uniquePurchases, async (purchases, other) => {
        const rows = await examples(purchases);
        for (const [sample, purpose, cutoff] of cutoffs) {
          const later = other.filter((row) => row.purchased_on >= cutoff);
          const changed = await examples([...beforeDay(cutoff, purchases), ...later]);
          assert.deepEqual(featuresOf(changed, sample, purpose), featuresOf(rows, sample, purpose));
        }
      }),
      { numRuns: 5 },
    );
  });

  it("of the calibration have outcomes that end where the hold-out starts", async () => {
    await fc.assert(
      fc.asyncProperty(uniquePurchases, async (purchases) => {
        const rows = (await examples(purchases)).filter(
          (row) => row.sample === "calibration" && row.purpose === "fit",
        );
        const known = (await examples(beforeDay(CALIBRATION_END, purchases))).filter(
          (row) => row.sample === "calibration" && row.purpose === "fit",
        );
        assert.deepEqual(rows, known);
      }),
      { numRuns: 5 },
    );
  });
});
