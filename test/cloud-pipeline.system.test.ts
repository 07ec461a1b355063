import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PubSub } from "@google-cloud/pubsub";
import { BigQueryWarehouse } from "../adapters/bigquery.ts";
import { PubSubMessenger } from "../adapters/pubsub.ts";
import { planTables } from "../components/warehouse.ts";
import { type Messenger, type RunEvent, runRequest } from "../contracts/messages.ts";
import { runSettings } from "../contracts/run.ts";
import type { Row, Warehouse } from "../contracts/warehouse.ts";
import { IMAGES } from "../jobs/pipeline.ts";
import { createLogger } from "../lib/log.ts";
import { loadOrders } from "../local/orders/load.ts";
import { type LocalStack, openLocalWarehouse, startLocalStack } from "../local/runtime/local-stack.ts";
import { confirmRun, requestRun } from "../local/runtime/orchestrator.ts";
import { cdnow } from "./cdnow.ts";
import { type BigQueryEmulator, startBigQuery } from "./emulators/bigquery.ts";
import { type CloudStorageEmulator, startCloudStorage } from "./emulators/cloud-storage.ts";
import { type PubSubEmulator, startPubSub } from "./emulators/pubsub.ts";
import { prepareWarehouse } from "./emulators/warehouse.ts";
import { endedRuns } from "./ended-runs.ts";

const RUN_DATE = "1997-10-01";
/** Largest relative difference between two sums of the same numbers. */
const TOLERANCE = 1e-9;

describe("the pipeline with the adapters of Google Cloud", () => {
  const log = createLogger({ component: "test" }, "silent");
  const signal = new AbortController().signal;
  const url = "pubsub://demo?requests=requests&events=events&requests-dead-letter=letters";
  let folder: string;
  let bigQuery: BigQueryEmulator;
  let pubSub: PubSubEmulator;
  let cloudStorage: CloudStorageEmulator;
  let cloud: LocalStack;
  let messenger: Messenger;
  let tables: Warehouse;
  /** The rows of the run date in each table, from DuckDB. */
  const expected: Record<string, Row[]> = {};

  const run = async (run_id: string, stack: LocalStack, by: Messenger): Promise<RunEvent> => {
    const request = runRequest.parse({ run_id, run_date: RUN_DATE, ...runSettings.parse({}) });
    const options = {
      messenger: by,
      invokerUrl: stack.url,
      timeLimit: 400_000,
      pollInterval: 5000,
      signal,
    };
    return await requestRun(request, options);
  };
  const readTables = async (warehouse: Warehouse): Promise<Record<string, Row[]>> => {
    const read: Record<string, Row[]> = {};
    for (const { dataset, name, partitionBy, columns } of planTables()) {
      // A fingerprint of the queries, which name the project.
      if (name === "order_reads") continue;
      const path = `${dataset === "marketing" ? "mlops_mkt" : dataset}.${name}`;
      // Timestamps differ between runs.
      const names = columns.filter(({ type }) => type !== "TIMESTAMP").map((column) => column.name);
      const where = partitionBy === undefined ? "TRUE" : `${partitionBy} = '${RUN_DATE}'`;
      read[path] = await warehouse.query(`SELECT ${names.join(", ")} FROM ${path} WHERE ${where}`);
    }
    return read;
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "cloud-"));
    cloudStorage = await startCloudStorage();
    bigQuery = await startBigQuery({ storageEndpoint: cloudStorage.endpoint });
    pubSub = await startPubSub();
    const csv = join(folder, "orders.csv");
    writeFileSync(csv, cdnow(10));
    const local = await openLocalWarehouse(folder);
    await local.withConnection((connection) => loadOrders(connection, { file: csv }));
    await local.close();
    await prepareWarehouse(bigQuery, csv);

    const embedded = await startLocalStack({ dataDir: folder, port: 0, log, candidates: ["averages"] });
    assert.equal((await run("run-1", embedded, embedded.messenger)).status, "succeeded");
    await embedded.close();
    const warehouse = await openLocalWarehouse(folder);
    Object.assign(expected, await readTables(warehouse));
    await warehouse.close();

    const warehouseUrl = `bigquery://demo/EU?maximum_bytes_billed=1000000000&endpoint=${bigQuery.endpoint}`;
    const storage = { STORAGE_ENDPOINT: cloudStorage.endpoint };
    const google = { ...storage, PUBSUB_EMULATOR_HOST: pubSub.host, METADATA_SERVER_DETECTION: "none" };
    process.env.PUBSUB_EMULATOR_HOST = pubSub.host;
    await cloudStorage.storage.createBucket("artifacts");
    const client = new PubSub({ projectId: "demo" });
    for (const topic of ["requests", "events", "letters"]) await client.createTopic(topic);
    cloud = await startLocalStack({
      dataDir: join(folder, "cloud"),
      port: 0,
      log,
      candidates: ["averages"],
      env: {
        ...google,
        WAREHOUSE_URL: warehouseUrl,
        ARTIFACTS_URL: "gs://artifacts",
        MESSENGER_URL: url,
        SQL_VARS: JSON.stringify({ orders_project: "demo", marts_project: "demo" }),
      },
      launcher: {
        dataUrl: "gs://artifacts",
        artifacts: cloudStorage.artifacts,
        entrypoints: {
          ...Object.fromEntries(IMAGES.map((image) => [image, [process.execPath, `jobs/${image}/main.ts`]])),
          // The pipeline gives a candidate no address but that of the artifacts.
          averages: [
            "env",
            `STORAGE_ENDPOINT=${cloudStorage.endpoint}`,
            process.execPath,
            "jobs/averages/main.ts",
          ],
        },
      },
    });
    await client.topic("requests").createSubscription("push", { pushEndpoint: `${cloud.url}/` });
    await client.close();
    messenger = new PubSubMessenger(url);
    tables = new BigQueryWarehouse(warehouseUrl);
  });
  after(async () => {
    delete process.env.PUBSUB_EMULATOR_HOST;
    await messenger?.close();
    await cloud?.close();
    await pubSub?.close();
    await bigQuery?.close();
    await cloudStorage?.close();
    rmSync(folder, { recursive: true });
  });

  it("writes the same rows as DuckDB and publishes its end to Pub/Sub", async () => {
    const event = await run("run-1", cloud, messenger);
    assert.deepEqual([event.status, event.reason], ["succeeded", null]);
    assert.equal((await confirmRun(event, tables)).customers, 2357);
    const made = await readTables(tables);
    for (const [table, rows] of Object.entries(expected)) assertSameRows(table, made[table]!, rows);
    // CDNOW has no order that does not count and no refund, and no earlier run made a champion.
    const empty = Object.keys(expected).filter((table) => expected[table]!.length === 0);
    assert.deepEqual(empty.sort(), [
      "rfm.champion",
      "rfm.earlier_purchases",
      "rfm.rejected_orders",
      "rfm.set_aside_orders",
    ]);
  });

  it("writes the same tables in another run of the date, with faults; a duplicate request starts nothing", async () => {
    const before = await readTables(tables);
    const faults = bigQuery.faults.failEvery(12, /./, "refused", "lost", 429, 500, 503, { late: 2000 });
    const event = await run("run-2", cloud, messenger);
    assert.deepEqual([event.status, event.reason], ["succeeded", null]);
    assert.ok(faults() >= 6, `only ${faults()} faults`);
    bigQuery.faults.reset();
    await messenger.publish("requests", { run_id: "run-2", run_date: RUN_DATE }, { run_id: "run-2" });
    const after = await readTables(tables);
    for (const table of [
      "rfm.customer_features",
      "rfm.customer_history",
      "rfm.holdout",
      "mlops_mkt.rfm_segments",
    ])
      assertSameRows(table, after[table]!, before[table]!);
    const sql = "SELECT run_id FROM ops.runs WHERE run_date IS NOT NULL ORDER BY run_id";
    const runs = await endedRuns((text) => tables.query(text), 2, sql);
    assert.deepEqual(runs, [{ run_id: "run-1" }, { run_id: "run-2" }]);
  });
});

/** Asserts that the rows are the same in any order; floats may differ by the tolerance. */
function assertSameRows(table: string, actual: readonly Row[], expected: readonly Row[]): void {
  assert.equal(actual.length, expected.length, `${table}: number of rows`);
  const sorted = (rows: readonly Row[]) =>
    rows.map((row) => [sortKey(row), row] as const).sort(([one], [other]) => (one < other ? -1 : 1));
  const others = sorted(expected);
  for (const [index, [, row]] of sorted(actual).entries()) {
    const other = others[index]![1];
    assert.deepEqual(Object.keys(row).sort(), Object.keys(other).sort(), `${table}: columns`);
    for (const [name, value] of Object.entries(row)) {
      const wanted = other[name];
      const near =
        typeof value === "number" && typeof wanted === "number"
          ? Math.abs(value - wanted) <= TOLERANCE * Math.max(1, Math.abs(value), Math.abs(wanted))
          : value === wanted;
      assert.ok(near, `${table}.${name}: ${value} instead of ${wanted} in ${JSON.stringify(other)}`);
    }
  }
}

/** Rounds floats, so that those within the tolerance have the same place in the order. */
const sortKey = (row: Row): string =>
  JSON.stringify(
    Object.entries(row)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, value]) => (typeof value === "number" ? value.toPrecision(6) : value)),
  );
