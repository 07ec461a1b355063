import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { declared, evaluate } from "../test/evaluate-policies.ts";
import { boundedScans } from "./tables.ts";

describe("tables", () => {
  const check = (args: Partial<gcp.bigquery.TableArgs>) =>
    evaluate([boundedScans()], declared(gcp.bigquery.Table, "scores", args));
  const daily = { type: "DAY", field: "run_date" };
  const rangePartitioning = { field: "bucket", range: { start: 0, end: 10, interval: 1 } };

  it("that are partitioned must require a filter or expire", async () => {
    assert.match(
      (await check({ timePartitioning: daily })).join(),
      /found timePartitioning without any of requirePartitionFilter, timePartitioning\.requirePartitionFilter, /,
    );
    assert.match(
      (await check({ rangePartitioning, requirePartitionFilter: false })).join(),
      /rangePartitioning/,
    );
  });

  it("pass with a filter, with an expiry and without partitions", async () => {
    assert.deepEqual(await check({ timePartitioning: daily, requirePartitionFilter: true }), []);
    const filtered = { ...daily, requirePartitionFilter: true };
    assert.deepEqual(await check({ timePartitioning: filtered }), []);
    assert.deepEqual(await check({ timePartitioning: { ...daily, expirationMs: 864e5 } }), []);
    assert.deepEqual(await check({ rangePartitioning, expirationTime: 1.8e12 }), []);
    assert.deepEqual(await check({ tableId: "models" }), []);
  });
});
