import assert from "node:assert/strict";
import { record } from "../test/recording-mocks.ts";
import { Identities } from "./identities.ts";
import { planNames } from "./names.ts";

describe("Identities", () => {
  it("are a described service account for each role that is asked for", async () => {
    const names = planNames({ app: "customer-value", environment: "dev", project: "my-project" });
    const { result, ofType } = await record(
      () => new Identities("identities", { names, optional: ["candidates", "deploy"] }),
    );
    assert.deepEqual(Object.keys(result.accounts), ["invoker", "push", "jobs", "candidates", "deploy"]);
    const accounts = ofType("gcp:serviceaccount/account:Account");
    assert.deepEqual(
      accounts.map(({ inputs }) => inputs.accountId),
      ["candidates", "deploy", "invoker", "jobs", "push"].map((role) => `customer-value-dev-${role}`),
    );
    for (const { inputs, path } of accounts) {
      assert.match(String(inputs.description), /\.$/);
      assert.equal(path[0], "customer-value:components:Identities");
    }
  });
});
