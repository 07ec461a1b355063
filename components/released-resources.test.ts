import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { dump, load } from "js-yaml";
import type { RecordedResource } from "../test/recording-mocks.ts";
import { dataLosses, type ReleasedResource, toReleased } from "../test/released-resources.ts";
import { resourcesIn, runStack } from "../test/stack-program.ts";
import { planState, type StatePlan } from "./state.ts";

/** A stack with everything that settings can switch on, independent of the settings and the name of a fork. */
const identity = { app: "customer-value", environment: "prod", project: "my-project" };
const settings = Object.fromEntries(
  Object.entries({
    project: identity.project,
    region: "europe-west1",
    warehouseLocation: "EU",
    ordersTable: "my-shop.raw.orders",
    marketingProject: "my-marketing",
    notificationEmails: '["on-call@example.com"]',
    monthlyBudget: "500",
    billingAccount: "012345-6789AB-CDEF01",
    githubRepository: "example/customer-value",
    githubRepositoryId: "123456789",
  }).map(([key, value]) => [`${identity.app}:${key}`, value]),
);

interface Release {
  readonly version: string;
  /** Created by `npm run bootstrap`. They hold the stack's state. */
  readonly state: StatePlan;
  readonly resources: readonly ReleasedResource[];
}

const file = new URL("../test/released-resources.yaml", import.meta.url);
const COMMENT = `# The resources of the last released version. An upgrade must not delete or replace those that hold data.
# To write it again for a release: UPDATE_RELEASED=1 npx mocha components/released-resources.test.ts
`;

describe("an upgrade from the last release", function () {
  this.timeout(120_000);
  let released: Release;
  let current: readonly RecordedResource[];
  before(async () => {
    current = resourcesIn(await runStack("prod", { project: identity.app, settings }));
    if (process.env.UPDATE_RELEASED === "1") {
      const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
      const release: Release = {
        version,
        state: planState(identity, "europe-west1"),
        resources: current.map(toReleased).sort((a, b) => (a.urn < b.urn ? -1 : 1)),
      };
      writeFileSync(file, COMMENT + dump(release, { lineWidth: -1, noRefs: true }));
    }
    released = load(readFileSync(file, "utf8")) as Release;
  });

  it("deletes and replaces no resource that holds data", () => {
    assert.deepEqual(
      dataLosses(released.resources, current),
      [],
      "Keep the resource, or give it an alias: pulumi.com/docs/iac/concepts/resources/options/aliases",
    );
  });

  it("finds the stack's state where it is", () => {
    assert.deepEqual(planState(identity, "europe-west1"), released.state);
  });

  describe("is refused", () => {
    const TABLE = "customer-value:components:Warehouse$gcp:bigquery/table:Table::warehouse-rfm-models";
    const change = (changes: Partial<RecordedResource>) =>
      current.map((it) => (it.urns.includes(TABLE) ? { ...it, ...changes } : it));
    const table = () => current.find(({ urns }) => urns.includes(TABLE))!;
    const inputs = (more: object) => ({ inputs: { ...table().inputs, ...more } });
    const losses = (changes: Partial<RecordedResource>) => dataLosses(released.resources, change(changes));

    it("when a table is dropped, or renamed in the program", () => {
      const dropped = current.filter((it) => it !== table());
      assert.match(dataLosses(released.resources, dropped).join(), /^customer-value:.*-models is deleted/);
      assert.match(losses({ urns: ["new::urn"] }).join(), /-models is deleted/);
    });

    it("when a table gets another name, dataset or partitioning in BigQuery", () => {
      for (const [key, value] of [
        ["tableId", "fitted_models"],
        ["datasetId", "clv"],
        ["timePartitioning", { type: "MONTH", field: "run_date" }],
      ] as const)
        assert.match(
          losses(inputs({ [key]: value })).join(),
          RegExp(`-models is replaced: ${key} was `),
          key,
        );
    });

    it("when a table loses a column or its type changes", () => {
      const [first, ...columns] = JSON.parse(String(table().inputs.schema));
      assert.equal(losses(inputs({ schema: JSON.stringify(columns) })).length, 1);
      const retyped = [{ ...first, type: "BYTES" }, ...columns];
      assert.equal(losses(inputs({ schema: JSON.stringify(retyped) })).length, 1);
    });

    it("but not when a table gets a column, or an alias for its old name", () => {
      const columns = [...JSON.parse(String(table().inputs.schema)), { name: "new", type: "STRING" }];
      assert.deepEqual(losses(inputs({ schema: JSON.stringify(columns) })), []);
      assert.deepEqual(losses({ urns: ["new::urn", TABLE] }), []);
    });
  });
});
