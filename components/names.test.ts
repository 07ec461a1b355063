import assert from "node:assert/strict";
import fc from "fast-check";
import type { UserError } from "../lib/user-error.ts";
import { type Identity, type Names, planLabels, planNames } from "./names.ts";

const identity = fc.record({
  app: fc
    .stringMatching(/^[a-z]([a-z0-9-]{0,99}[a-z0-9])?$/, { size: "max" })
    .filter((app) => !/goog|^gcp-/.test(app)),
  environment: fc.constantFrom("dev", "prod"),
  project: fc.stringMatching(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/).filter((project) => !project.includes("goog")),
});

/** What the services' documentation allows. */
const allowed: Record<keyof Names, RegExp> = {
  serviceAccounts: /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/,
  topics: /^(?!goog)[a-z][\w.~+%-]{2,254}$/,
  subscriptions: /^(?!goog)[a-z][\w.~+%-]{2,254}$/,
  schemas: /^(?!goog)[a-z][\w.~+%-]{2,254}$/,
  repositories: /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
  services: /^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$/,
  composers: /^[a-z]([a-z0-9-]{0,62}[a-z0-9])?$/,
  workflows: /^[A-Za-z]([\w-]{0,62}[A-Za-z0-9])?$/,
  schedulerJobs: /^[\w-]{1,500}$/,
  metrics: /^[a-z]([a-z0-9-]{0,99})$/,
  identityPools: /^(?!gcp-)[a-z0-9-]{4,32}$/,
  buckets: /^(?!goog)(?!.*google)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
};

const flat = (names: Names) =>
  Object.entries(names).flatMap(([kind, roles]) => Object.values(roles).map((name) => `${kind}/${name}`));

describe("names", () => {
  it("of a stack", () => {
    const names = planNames({ app: "customer-value", environment: "dev", project: "my-project" });
    assert.deepEqual(names.serviceAccounts, {
      invoker: "customer-value-dev-invoker",
      push: "customer-value-dev-push",
      jobs: "customer-value-dev-jobs",
      candidates: "customer-value-dev-candidates",
      composer: "customer-value-dev-composer",
      workflow: "customer-value-dev-workflow",
      scheduler: "customer-value-dev-scheduler",
      deploy: "customer-value-dev-deploy",
      preview: "customer-value-dev-preview",
    });
    assert.equal(names.topics["requests-dead-letter"], "customer-value-dev-requests-dead-letter");
    assert.equal(names.buckets.artifacts, "my-project-customer-value-dev-artifacts");
    const long = planNames({ app: "customer-value-of-shops", environment: "prod", project: "my-project" });
    assert.match(long.serviceAccounts.invoker, /^customer-value-of-sho-[0-9a-f]{8}$/);
    const longest = planNames({ app: "my-gcp-customer", environment: "dev", project: "my-project" });
    assert.equal(longest.serviceAccounts.candidates, "my-gcp-customer-dev-candidates");
  });

  it("are what each service allows", () => {
    fc.assert(
      fc.property(identity, (given) => {
        for (const [kind, roles] of Object.entries(planNames(given)))
          for (const name of Object.values(roles)) assert.match(name, allowed[kind as keyof Names], kind);
      }),
    );
  });

  it("differ within a stack, and between stacks", () => {
    fc.assert(
      fc.property(identity, identity, (one, other) => {
        const names = flat(planNames(one));
        assert.equal(new Set(names).size, names.length);
        // Names other than buckets' are the project's own.
        if (one.app === other.app && one.environment === other.environment) return;
        const both = [...names, ...flat(planNames(other))];
        assert.equal(new Set(both).size, both.length);
      }),
    );
    const [dev, prod] = ["dev", "prod"].map((environment) =>
      flat(planNames({ app: "customer-value", environment, project: "my-project" })),
    );
    assert.deepEqual(
      dev?.filter((name) => prod?.includes(name)),
      [],
    );
  });

  it("are refused to an app whose name can't begin them", () => {
    for (const app of ["", "Customer-Value", "1st", "a-", "google-clv", "gcp-clv", "a_b"])
      assert.throws(
        () => planNames({ app, environment: "dev", project: "my-project" }),
        ({ message, remedy }: UserError) =>
          message.includes(`name, ${app},`) && remedy?.includes("lower-case") === true,
        app,
      );
  });

  it("go with labels that Google Cloud allows", () => {
    fc.assert(
      fc.property(identity, (given: Identity) => {
        for (const [key, value] of Object.entries(planLabels(given))) {
          assert.match(key, /^[a-z]+$/);
          assert.match(value, /^[a-z0-9_-]{0,63}$/);
        }
      }),
    );
    assert.deepEqual(planLabels({ app: "customer-value", environment: "dev", project: "p" }), {
      app: "customer-value",
      environment: "dev",
    });
  });
});
