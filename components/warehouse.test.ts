import assert from "node:assert/strict";
import { routines } from "../jobs/clv/routines.ts";
import { policies } from "../policy/policies.ts";
import { evaluate } from "../test/evaluate-policies.ts";
import { record } from "../test/recording-mocks.ts";
import { planLabels, planNames } from "./names.ts";
import { planTables, Warehouse, type WarehouseArgs } from "./warehouse.ts";

const DATASET = "gcp:bigquery/dataset:Dataset";
const TABLE = "gcp:bigquery/table:Table";
const ROUTINE = "gcp:bigquery/routine:Routine";
const identity = { app: "customer-value", environment: "dev", project: "my-project" };
const labels = planLabels(identity);

const warehouse = (more: Partial<WarehouseArgs> = {}) =>
  record(
    () =>
      new Warehouse("warehouse", {
        names: planNames(identity),
        labels,
        project: "my-project",
        region: "europe-west1",
        location: "EU",
        orders: { project: "my-shop", dataset: "raw", table: "orders" },
        marketing: {
          project: "my-marketing",
          dataset: "mlops_mkt",
          readers: ["group:marketing@example.com"],
        },
        protectData: true,
        jobs: "serviceAccount:jobs@p",
        orchestrator: "serviceAccount:composer@p",
        ...more,
      }),
    ({ type, inputs }) =>
      type.endsWith(":IAMCustomRole") ? { name: `projects/${inputs.project}/roles/${inputs.roleId}` } : {},
  );

describe("Warehouse", () => {
  it("has its datasets where they belong", async () => {
    const { ofType } = await warehouse();
    assert.deepEqual(
      ofType(DATASET).map(({ inputs }) => [inputs.project, inputs.datasetId, inputs.location, inputs.labels]),
      [
        ["my-marketing", "mlops_mkt", "EU", labels],
        ["my-project", "ops", "EU", labels],
        ["my-project", "rfm", "EU", labels],
      ],
    );
  });

  it("has every table of the SQL project, with what it says of them", async () => {
    const { ofType, get } = await warehouse();
    assert.equal(ofType(TABLE).length, planTables().length);
    const { schema, ...rfm } = get(TABLE, "warehouse-marketing-rfm").inputs;
    assert.deepEqual(rfm, {
      tableId: "rfm",
      datasetId: "mlops_mkt",
      project: "my-marketing",
      description:
        "Marketing's table: one row per customer and run date, with past purchases and predictions.",
      labels,
      clusterings: ["customer_id"],
      deletionProtection: true,
      timePartitioning: { type: "DAY", field: "run_date" },
      requirePartitionFilter: true,
    });
    const columns: Record<string, string>[] = JSON.parse(String(schema));
    assert.deepEqual(columns[0], {
      name: "run_date",
      type: "DATE",
      description: "Run date: the row uses orders before this day.",
      mode: "NULLABLE",
    });
    assert.equal(columns.find(({ name }) => name === "p_active")?.type, "FLOAT64");
  });

  it("partitions by run date what there is a version of for each, orders by month, and describes every column", async () => {
    for (const { name, columns, partitionBy } of planTables()) {
      const orders = { checked_orders: "ordered_on", purchases: "purchased_on" }[name];
      assert.equal(
        partitionBy,
        columns.some((column) => column.name === "run_date")
          ? "run_date"
          : orders && `DATE_TRUNC(${orders}, MONTH)`,
        name,
      );
      for (const column of columns) assert.notEqual(column.description, "", `${name}.${column.name}`);
    }
    const { timePartitioning, requirePartitionFilter } = (await warehouse()).get(
      TABLE,
      "warehouse-rfm-purchases",
    ).inputs;
    assert.deepEqual(
      { timePartitioning, requirePartitionFilter },
      { timePartitioning: { type: "MONTH", field: "purchased_on" }, requirePartitionFilter: true },
    );
  });

  it("refuses a table of a dataset that it does not create", () => {
    const columns = [{ name: "customer_id", type: "STRING", description: "" }];
    const table = { dataset: "crm", name: "customers", description: "", clusterBy: [], columns };
    assert.throws(() => planTables(JSON.stringify([table])), {
      message: "crm.customers is in a dataset that the stack does not create.",
      remedy: "Put the model into one of rfm, ops, mlops_mkt, or add the dataset to components/warehouse.ts.",
    });
  });

  it("has the model's functions", async () => {
    const { get, ofType } = await warehouse();
    assert.equal(ofType(ROUTINE).length, routines.length);
    const { definitionBody, ...routine } = get(ROUTINE, "warehouse-expected_value").inputs;
    assert.match(String(definitionBody), /return model\.routines/);
    const number = JSON.stringify({ typeKind: "FLOAT64" });
    assert.deepEqual(routine, {
      routineId: "expected_value",
      datasetId: "rfm",
      project: "my-project",
      routineType: "SCALAR_FUNCTION",
      language: "JAVASCRIPT",
      description:
        "Expected value of a purchase, after x repeat purchases of positive value with mean mean_value (Gamma-Gamma).",
      arguments: ["p", "q", "gamma", "x", "mean_value"].map((name) => ({ name, dataType: number })),
      returnType: number,
      determinismLevel: "DETERMINISTIC",
    });
  });

  it("protects data, or deletes it with the stack", async () => {
    for (const protectData of [true, false]) {
      const { ofType } = await warehouse({ protectData });
      for (const { inputs } of ofType(DATASET)) assert.equal(inputs.deleteContentsOnDestroy, !protectData);
      for (const { inputs } of ofType(TABLE)) assert.equal(inputs.deletionProtection, protectData);
    }
  });

  it("grants these rights and no others", async () => {
    const { resources } = await warehouse();
    const grants = resources
      .filter(({ inputs }) => inputs?.role !== undefined)
      .map(({ inputs }) =>
        [
          inputs.member,
          inputs.role,
          [inputs.project, inputs.datasetId, inputs.tableId].filter(Boolean).join("."),
        ].join(" "),
      );
    const writer = "roles/customer_value_dev_jobs_writer";
    assert.deepEqual(grants.sort(), [
      "group:marketing@example.com roles/bigquery.dataViewer my-marketing.mlops_mkt",
      "serviceAccount:composer@p roles/bigquery.dataViewer my-marketing.mlops_mkt.rfm",
      "serviceAccount:composer@p roles/bigquery.dataViewer my-project.ops.checks",
      "serviceAccount:composer@p roles/bigquery.dataViewer my-project.rfm.models",
      "serviceAccount:composer@p roles/bigquery.jobUser my-project",
      `serviceAccount:jobs@p projects/my-marketing/${writer} my-marketing.mlops_mkt`,
      `serviceAccount:jobs@p projects/my-project/${writer} my-project.ops`,
      `serviceAccount:jobs@p projects/my-project/${writer} my-project.rfm`,
      "serviceAccount:jobs@p roles/bigquery.dataViewer my-shop.raw.orders",
      "serviceAccount:jobs@p roles/bigquery.jobUser my-project",
    ]);
  });

  it("keeps the policies, and is the parent of all", async () => {
    const { resources } = await warehouse();
    for (const resource of resources) {
      if (!resource.type.startsWith("gcp:")) continue;
      assert.deepEqual(resource.path, ["customer-value:components:Warehouse", resource.type]);
      assert.deepEqual(await evaluate(policies("prod"), resource), []);
    }
  });
});
