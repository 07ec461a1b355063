import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { record } from "../test/recording-mocks.ts";
import { Delivery, type DeliveryArgs } from "./delivery.ts";
import { deployPermissions, PERMISSIONS } from "./deploy-permissions.ts";
import { planNames } from "./names.ts";
import { planState } from "./state.ts";

const identity = { app: "customer-value", environment: "prod", project: "my-project" };
const POOL = "projects/1/locations/global/workloadIdentityPools/customer-value-prod-github";

function answers({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  if (type === "gcp:serviceaccount/account:Account")
    return { name: `accounts/${inputs.accountId}`, member: `serviceAccount:${inputs.accountId}@p` };
  if (type === "gcp:iam/workloadIdentityPool:WorkloadIdentityPool") return { name: POOL };
  if (type === "gcp:projects/iAMCustomRole:IAMCustomRole") return { name: `roles/${inputs.roleId}` };
  return {};
}

const delivery = (more: Partial<DeliveryArgs> = {}) =>
  record(() => {
    const account = (accountId: string) => new gcp.serviceaccount.Account(accountId, { accountId });
    return new Delivery("delivery", {
      names: planNames(identity),
      labels: {},
      project: "my-project",
      region: "europe-west1",
      protectData: true,
      repository: { name: "example/pipeline", id: "123" },
      environment: "prod",
      state: planState(identity, "europe-west1"),
      accounts: {
        deploy: account("deploy"),
        preview: account("preview"),
        runtime: { invoker: account("invoker") },
      },
      ...more,
    });
  }, answers);

describe("Delivery", () => {
  it("trusts the workflows of one repository", async () => {
    const { get } = await delivery();
    const { inputs } = get(
      "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
      "delivery-github",
    );
    assert.equal(inputs.attributeCondition, 'assertion.repository_id == "123"');
    assert.deepEqual(inputs.oidc, { issuerUri: "https://token.actions.githubusercontent.com" });
    assert.deepEqual(inputs.attributeMapping, {
      "google.subject":
        "assertion.repository_id + ':' + (has(assertion.environment) ? 'environment:' + assertion.environment : assertion.event_name)",
    });
  });

  it("allows the environment's workflow to deploy and pull requests to preview, and nobody else", async () => {
    const { ofType } = await delivery();
    const workflows = ofType("gcp:serviceaccount/iAMMember:IAMMember").filter(
      ({ inputs }) => inputs.role === "roles/iam.workloadIdentityUser",
    );
    assert.deepEqual(
      workflows.map(({ inputs }) => [inputs.serviceAccountId, inputs.member]),
      [
        ["accounts/deploy", `principal://iam.googleapis.com/${POOL}/subject/123:environment:prod`],
        ["accounts/preview", `principal://iam.googleapis.com/${POOL}/subject/123:pull_request`],
      ],
    );
  });

  it("allows a preview to read the state, and nothing else", async () => {
    const { resources } = await delivery();
    assert.deepEqual(
      resources
        .filter(({ inputs }) => inputs?.member === "serviceAccount:preview@p")
        .map(({ inputs }) => inputs.role)
        .sort(),
      ["roles/cloudkms.cryptoKeyDecrypter", "roles/storage.objectViewer"],
    );
  });

  it("gives the deploying workflow no way to rights on the project", async () => {
    const { get, resources } = await delivery();
    const permissions = get("gcp:projects/iAMCustomRole:IAMCustomRole", "delivery-deploy").inputs
      .permissions as string[];
    for (const escalation of [
      "iam.roles.create",
      "iam.roles.update",
      "iam.serviceAccounts.create",
      "iam.serviceAccounts.setIamPolicy",
      "iam.serviceAccountKeys.create",
      "iam.googleapis.com/workloadIdentityPoolProviders.update",
      "resourcemanager.projects.setIamPolicy",
    ])
      assert.ok(!permissions.includes(escalation), escalation);
    // It reads all that it may not change, so that a deployment without such a change succeeds.
    for (const read of [
      "iam.roles.get",
      "iam.serviceAccounts.getIamPolicy",
      "iam.googleapis.com/workloadIdentityPools.getAttestationRules",
      "resourcemanager.projects.getIamPolicy",
      "serviceusage.services.use",
    ])
      assert.ok(permissions.includes(read), read);
    const onProject = resources.filter(
      ({ type, inputs }) =>
        type === "gcp:projects/iAMMember:IAMMember" && inputs.member === "serviceAccount:deploy@p",
    );
    assert.equal(onProject.length, 1);
  });

  it("has permissions of the form that IAM has, each once", () => {
    const permissions = deployPermissions();
    assert.equal(new Set(permissions).size, permissions.length);
    for (const permission of ["iam.roles.create", "iam.roles.undelete", "resourcemanager.projects.get"])
      assert.ok(permissions.includes(permission), permission);
    for (const permission of permissions)
      assert.match(permission, /^([a-z]+\.|iam\.googleapis\.com\/)[a-zA-Z]+\.[a-zA-Z]+$/);
    for (const type of Object.keys(PERMISSIONS)) assert.match(type, /^(gcp|docker):\w+\/\w+:\w+$/);
  });

  it("keeps the state in a bucket and with a key whose names Google Cloud allows, for any stack", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
    fc.assert(
      fc.property(name, name, (project, app) => {
        const [dev, prod] = ["dev", "prod"].map((environment) =>
          planState({ app, environment, project }, "europe-west1"),
        );
        assert.notEqual(dev!.bucket, prod!.bucket);
        assert.notEqual(dev!.keyRing, prod!.keyRing);
        const { bucket, keyRing, backendUrl, secretsProvider } = prod!;
        assert.match(bucket, /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/);
        assert.match(keyRing, /^[\w-]{1,63}$/);
        assert.equal(backendUrl, `gs://${bucket}`);
        assert.match(
          secretsProvider,
          /^gcpkms:\/\/projects\/.*\/locations\/europe-west1\/keyRings\/.*\/cryptoKeys\/state$/,
        );
      }),
      { examples: [["p".repeat(30), "a".repeat(70)]] },
    );
  });
});
