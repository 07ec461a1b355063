import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { type Declared, declared, evaluate, LATER } from "../test/evaluate-policies.ts";
import { leastPrivilege, roleExceptions } from "./roles.ts";

const check = async (resource: Declared) => (await evaluate([leastPrivilege()], resource)).join();
const policyData = (role: string) =>
  JSON.stringify({ bindings: [{ role, members: ["group:a@example.com"] }] });

/** One grant of the role in every way that the stack could make it. */
const grants = (role: string): Declared[] => [
  declared(gcp.projects.IAMMember, "project", { role, member: LATER }),
  declared(gcp.projects.IAMBinding, "project", { role, members: [LATER] }),
  declared(gcp.projects.IAMPolicy, "project", { policyData: policyData(role) }),
  declared(gcp.bigquery.DatasetIamMember, "dataset", { role }),
  declared(gcp.bigquery.DatasetAccess, "dataset", { role }),
  declared(gcp.bigquery.Dataset, "dataset", { accesses: [{ role, userByEmail: LATER }] }),
  declared(gcp.pubsub.TopicIAMBinding, "topic", { role }),
  declared(gcp.pubsub.SubscriptionIAMPolicy, "subscription", { policyData: policyData(role) }),
  declared(gcp.storage.BucketIAMMember, "bucket", { role }),
  declared(gcp.storage.BucketACL, "bucket", { roleEntities: [`${role}:user-a@example.com`] }),
  declared(gcp.cloudrunv2.ServiceIamMember, "service", { role }),
  declared(gcp.serviceaccount.IAMMember, "account", { role }),
  declared(gcp.artifactregistry.RepositoryIamMember, "repository", { role }),
];

describe("roles", () => {
  it("must not be basic, admin or owner", async () => {
    const roles = ["owner", "editor", "viewer", "admin", "writer", "reader", "storage.objectAdmin"];
    for (const role of [...roles, "bigquery.dataOwner", "resourcemanager.projectIamAdmin"])
      for (const grant of grants(`roles/${role}`))
        assert.match(await check(grant), new RegExp(`found \\S+ "roles/${role}`), grant.type);
  });

  it("pass when they are of one task, and while unknown", async () => {
    for (const role of ["roles/pubsub.publisher", "roles/artifactregistry.reader", "READER", LATER])
      for (const grant of grants(role)) assert.equal(await check(grant), "", grant.type);
  });

  it("pass when only a part of their name is that of a basic role", async () => {
    const roles = ["roles/securitycenter.adminViewer", "roles/editorial", "organizations/1/roles/viewer"];
    for (const role of roles) for (const grant of grants(role)) assert.equal(await check(grant), "", role);
    assert.equal(await check(declared(gcp.projects.IAMCustomRole, "role", { roleId: "sql_admin" })), "");
  });

  it("pass by exception, of that resource and that role alone", async () => {
    const [reason, role] = ["it creates the topics", "roles/pubsub.admin"];
    const exception = { type: "gcp:projects/iAMMember:IAMMember", name: "deployer", role, reason };
    const count = async (name: string, granted: string) => {
      const member = declared(gcp.projects.IAMMember, name, { role: granted });
      return (await evaluate([leastPrivilege([exception])], member)).length;
    };
    assert.equal(await count("deployer", role), 0);
    assert.equal(await count("deployer", "roles/owner"), 1);
    assert.equal(await count("jobs", role), 1);
    assert.ok(roleExceptions.every((it) => it.reason !== ""));
    const accesses = [{ role: "OWNER", specialGroup: "projectOwners" }];
    assert.equal(await check(declared(gcp.bigquery.Dataset, "rfm", { accesses })), "");
    assert.match(await check(declared(gcp.bigquery.DatasetAccess, "rfm", { role: "OWNER" })), /"OWNER"/);
  });
});
