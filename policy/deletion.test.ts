import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { type Declared, declared, evaluate } from "../test/evaluate-policies.ts";
import { deletionProtection, type Environment } from "./deletion.ts";

const unprotected = [
  declared(gcp.bigquery.Dataset, "rfm", { deleteContentsOnDestroy: true }),
  declared(gcp.bigquery.Table, "scores", { deletionProtection: false }),
  declared(gcp.cloudrunv2.Service, "invoker", { deletionProtection: false }),
  declared(gcp.storage.Bucket, "artifacts", { forceDestroy: true }),
];
const found = async (environment: Environment, resources: Declared[]) =>
  (await Promise.all(resources.map((it) => evaluate([deletionProtection(environment)], it)))).flat();

describe("deletion", () => {
  it("is prevented in prod", async () => {
    const messages = await found("prod", unprotected);
    assert.equal(messages.length, unprotected.length);
    assert.match(messages[0]!, /"rfm": found deleteContentsOnDestroy true in prod/);
  });

  it("is allowed in dev, and of nothing in prod", async () => {
    assert.deepEqual(await found("dev", unprotected), []);
    const table = declared(gcp.bigquery.Table, "scores", { deletionProtection: true });
    const bucket = declared(gcp.storage.Bucket, "artifacts", {});
    assert.deepEqual(await found("prod", [table, bucket]), []);
  });

  it("lets a workflow be deleted, which holds no data", async () => {
    const workflow = declared(gcp.workflows.Workflow, "orchestrator", { deletionProtection: false });
    assert.deepEqual(await found("prod", [workflow]), []);
  });
});
