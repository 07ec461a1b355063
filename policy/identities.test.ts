import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { type Declared, declared, evaluate, LATER } from "../test/evaluate-policies.ts";
import {
  authenticatedCallersOnly,
  noPublicAccess,
  noServiceAccountKeys,
  ownServiceAccount,
} from "./identities.ts";

describe("identities", () => {
  it("must have no keys", async () => {
    const check = (resource: Declared) => evaluate([noServiceAccountKeys()], resource);
    assert.match((await check(declared(gcp.serviceaccount.Key, "jobs", {}))).join(), /"jobs": found a key/);
    assert.equal((await check(declared(gcp.storage.HmacKey, "jobs", {}))).length, 1);
    assert.deepEqual(await check(declared(gcp.serviceaccount.Account, "jobs", { accountId: "jobs" })), []);
  });

  it("must not be everybody", async () => {
    const check = async (resource: Declared) => (await evaluate([noPublicAccess()], resource)).join();
    const binding = declared(gcp.pubsub.TopicIAMBinding, "t", { members: [LATER, "allUsers"] });
    assert.match(await check(binding), /found members.1 "allUsers"/);
    const policyData = JSON.stringify({ bindings: [{ members: ["allAuthenticatedUsers"] }] });
    assert.match(await check(declared(gcp.projects.IAMPolicy, "p", { policyData })), /bindings.0.members.0/);
    const accesses = [{ role: "READER", specialGroup: "allAuthenticatedUsers" }];
    assert.match(await check(declared(gcp.bigquery.Dataset, "d", { accesses })), /accesses.0.specialGroup/);
    const acl = (args: gcp.storage.BucketACLArgs) => check(declared(gcp.storage.BucketACL, "b", args));
    assert.match(await acl({ bucket: "b", roleEntities: ["READER:allUsers"] }), /READER:allUsers/);
    assert.match(await acl({ bucket: "b", predefinedAcl: "publicRead" }), /publicRead/);
  });

  it("pass when named", async () => {
    const members = ["group:allusers@example.com", "serviceAccount:invoker@p.iam.gserviceaccount.com", LATER];
    const binding = declared(gcp.pubsub.TopicIAMBinding, "t", { members });
    assert.deepEqual(await evaluate([noPublicAccess()], binding), []);
    for (const content of ["Never grant this to allUsers", "Never set publicRead", "publicReadings"]) {
      const alert = declared(gcp.monitoring.AlertPolicy, "a", { documentation: { content } });
      assert.deepEqual(await evaluate([noPublicAccess()], alert), [], content);
    }
  });

  it("must be asked for by Cloud Run", async () => {
    const check = (invokerIamDisabled: boolean) =>
      evaluate(
        [authenticatedCallersOnly()],
        declared(gcp.cloudrunv2.Service, "invoker", { invokerIamDisabled }),
      );
    assert.match((await check(true)).join(), /found invokerIamDisabled true/);
    assert.deepEqual(await check(false), []);
  });

  it("must be one's own", async () => {
    const runningAs = (account: string): Declared[] => [
      declared(gcp.cloudfunctionsv2.Function, "f", { serviceConfig: { serviceAccountEmail: account } }),
      declared(gcp.cloudrun.Service, "v1", { template: { spec: { serviceAccountName: account } } }),
      declared(gcp.cloudrunv2.Job, "job", { template: { template: { serviceAccount: account } } }),
      declared(gcp.cloudrunv2.Service, "invoker", { template: { serviceAccount: account } }),
      declared(gcp.composer.Environment, "c", { config: { nodeConfig: { serviceAccount: account } } }),
      declared(gcp.workflows.Workflow, "w", { serviceAccount: account }),
    ];
    for (const account of ["", "12-compute@developer.gserviceaccount.com", "p@appspot.gserviceaccount.com"])
      for (const resource of runningAs(account)) {
        const messages = await evaluate([ownServiceAccount()], resource);
        assert.match(messages.join(), /found \S+ (nothing, which means the default|\S+@)/, resource.type);
      }
    for (const account of ["invoker@p.iam.gserviceaccount.com", LATER])
      for (const resource of runningAs(account))
        assert.deepEqual(await evaluate([ownServiceAccount()], resource), [], resource.type);
    assert.equal((await evaluate([ownServiceAccount()], declared(gcp.cloudrunv2.Job, "job", {}))).length, 1);
  });
});
