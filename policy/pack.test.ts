import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import analyzer from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/analyzer_pb.js";
import fc from "fast-check";
import { REGIONS } from "../components/settings.ts";
import { evaluate, LATER } from "../test/evaluate-policies.ts";
import { policies } from "./policies.ts";

const require = createRequire(import.meta.url);
// The copies that Pulumi itself uses.
const requireOfPolicy = createRequire(require.resolve("@pulumi/policy"));
const { credentials } = requireOfPolicy("@grpc/grpc-js");
const { Struct } = requireOfPolicy("google-protobuf/google/protobuf/struct_pb.js");
const { Empty } = requireOfPolicy("google-protobuf/google/protobuf/empty_pb.js");

/** Asks the pack, started as the Pulumi engine starts it, what it is and what it finds in a bucket. */
async function ask(env: object, bucket: object) {
  const folder = import.meta.dirname;
  const runner = require.resolve("@pulumi/pulumi/cmd/run-policy-pack");
  const pack = spawn(process.execPath, [runner, "127.0.0.1:0", folder], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [port] = await once(pack.stdout, "data");
    const client = new analyzer.AnalyzerClient(`127.0.0.1:${Number(port)}`, credentials.createInsecure());
    const request = new messages.AnalyzeRequest().setType("gcp:storage/bucket:Bucket").setName("artifacts");
    request.setProperties(Struct.fromJavaScript(bucket));
    request.setOptions(new messages.AnalyzerResourceOptions().setDeletebeforereplacedefined(true));
    const call = <Answer>(method: "getAnalyzerInfo" | "analyze", argument: object) =>
      promisify<object, Answer>(client[method].bind(client) as never)(argument);
    return {
      info: (await call<messages.AnalyzerInfo>("getAnalyzerInfo", new Empty())).toObject(),
      diagnostics: (await call<messages.AnalyzeResponse>("analyze", request)).toObject().diagnosticsList,
    };
  } finally {
    pack.kill();
  }
}

/** A resource that violates the policy. */
function wrongFor(policy: string): { type: string; inputs: object } {
  const wrong: Readonly<Record<string, readonly [type: string, inputs: object]>> = {
    "no-service-account-keys": ["gcp:serviceaccount/key:Key", {}],
    "least-privilege": ["gcp:new/grant:Grant", { role: "roles/owner" }],
    "no-public-access": ["gcp:new/grant:Grant", { member: "allUsers" }],
    "authenticated-callers-only": ["gcp:cloudrunv2/service:Service", { invokerIamDisabled: true }],
    "own-service-account": ["gcp:cloudrunv2/service:Service", {}],
    "images-by-digest": ["gcp:new/job:Job", { image: "node:24" }],
    "no-latest-tags": ["docker-build:index:Image", { tags: ["invoker:latest"] }],
    "bucket-uniform-access": ["gcp:storage/bucket:Bucket", {}],
    "bucket-public-access-prevention": ["gcp:storage/bucket:Bucket", {}],
    "subscription-dead-letter": ["gcp:pubsub/subscription:Subscription", {}],
    "subscription-never-expires": ["gcp:pubsub/subscription:Subscription", {}],
    "push-with-token": ["gcp:pubsub/subscription:Subscription", { pushConfig: { pushEndpoint: "x" } }],
    "bounded-scans": ["gcp:bigquery/table:Table", { timePartitioning: { type: "DAY" } }],
    "deletion-protection": ["gcp:new/thing:Thing", { deletionProtection: false }],
    labels: ["gcp:new/thing:Thing", { labels: {} }],
    regions: ["gcp:new/thing:Thing", { location: "nowhere" }],
  };
  const [type, inputs] = wrong[policy] ?? assert.fail(`No resource violates ${policy}: add one here.`);
  return { type, inputs };
}

describe("policy pack", () => {
  it("has policies of different names, described and mandatory", () => {
    const all = policies("dev");
    assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
    for (const { name, description, enforcementLevel } of all) {
      assert.match(name, /^[a-z]+(-[a-z]+)*$/);
      assert.match(description, /^[A-Z].*\.$/, name);
      assert.equal(enforcementLevel, "mandatory", name);
    }
  });

  it("has policies whose configuration is checked, and has defaults", () => {
    const schemas = policies("prod").map(({ name, configSchema }) => [name, configSchema?.properties]);
    assert.deepEqual(Object.fromEntries(schemas.filter(([, properties]) => properties)), {
      regions: { allowed: { type: "array", items: { type: "string" }, default: ["EU", "US", ...REGIONS] } },
    });
  });

  it("has policies that each say what was found, what is allowed and what to do", async () => {
    for (const policy of policies("prod")) {
      const { type, inputs } = wrongFor(policy.name);
      const messages = await evaluate([policy], { type, name: "x", inputs });
      assert.notEqual(messages.length, 0, policy.name);
      for (const message of messages) {
        const [found, remedy = ""] = message.split(` Allowed: ${policy.description} `);
        assert.match(found!, new RegExp(`^${type} "x": found .+\\.$`));
        assert.match(remedy, /^[A-Z][a-z]+ .+\.$/, policy.name);
      }
    }
  });

  it("ignores the resources of other providers", async () => {
    for (const policy of policies("prod")) {
      const { inputs } = wrongFor(policy.name);
      assert.deepEqual(await evaluate([policy], { type: "aws:new/thing:Thing", name: "x", inputs }), []);
    }
  });

  it("is loaded by Pulumi, and finds what is wrong among what is not known yet", async () => {
    const labels = { app: LATER };
    const bucket = {
      location: LATER,
      uniformBucketLevelAccess: false,
      publicAccessPrevention: "enforced",
      labels,
    };
    const { info, diagnostics } = await ask(
      { PULUMI_NODEJS_PROJECT: "customer-value", PULUMI_NODEJS_STACK: "dev" },
      bucket,
    );
    assert.deepEqual(
      info.policiesList.map(({ name }) => name),
      policies("dev").map(({ name }) => name),
    );
    assert.deepEqual(
      diagnostics.map(({ policyname, enforcementlevel }) => [policyname, enforcementlevel]),
      ["bucket-uniform-access", "labels"].map((name) => [name, messages.EnforcementLevel.MANDATORY]),
    );
  });

  it("takes the environment from the setting of the deployed project, or else from the stack's name", async () => {
    const bucket = { forceDestroy: true };
    const isProtected = async (stack: string, environment?: string, project = "customer-value") => {
      const config = { [`${project}:environment`]: environment };
      const env = {
        PULUMI_NODEJS_PROJECT: project,
        PULUMI_NODEJS_STACK: stack,
        PULUMI_CONFIG: JSON.stringify(config),
      };
      const { diagnostics } = await ask(env, bucket);
      return diagnostics.some(({ policyname }) => policyname === "deletion-protection");
    };
    assert.deepEqual(await Promise.all([isProtected("prod"), isProtected("eu", "prod")]), [true, true]);
    assert.deepEqual(await Promise.all([isProtected("dev"), isProtected("prod", "dev")]), [false, false]);
    // A fork with another name.
    assert.equal(await isProtected("eu", "prod", "shop-value"), true);
  });

  it("accepts resources of any shape", async () => {
    const types =
      "storage/bucket:Bucket pubsub/subscription:Subscription bigquery/table:Table bigquery/dataset:Dataset";
    const others = "cloudrunv2/service:Service composer/environment:Environment serviceaccount/key:Key x/y:Z";
    const type = fc.constantFrom(
      ...`${types} ${others}`.split(" ").map((token) => `gcp:${token}`),
      "docker:index/image:Image",
    );
    const names = "labels template containers image role accesses policyData location zone deadLetterPolicy";
    const more =
      "deletionProtection timePartitioning pushConfig expirationPolicy ttl serviceAccount imageName members";
    const name = fc.oneof(fc.constantFrom(...`${names} ${more}`.split(" ")), fc.string());
    const leaf = fc.oneof(
      fc.constantFrom(
        LATER,
        undefined,
        "allUsers",
        "roles/owner",
        "node:latest",
        '{"role": "roles/editor"}',
        "{",
        "",
      ),
      fc.jsonValue({ maxDepth: 1 }),
    );
    const { properties } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, depthSize: "small" },
        leaf,
        fc.array(tie("value"), { maxLength: 3 }),
        tie("properties"),
      ),
      properties: fc.dictionary(name, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    }));
    const found = fc.asyncProperty(
      type,
      fc.string(),
      properties as fc.Arbitrary<object>,
      async (type, name, inputs) => {
        for (const message of await evaluate(policies("prod"), { type, name, inputs })) {
          assert.match(message, /^\S+ ".*": found .+\. Allowed: .+\. .+\.$/s);
          assert.ok(!message.includes(LATER), message);
        }
      },
    );
    await fc.assert(found, { numRuns: 300 });
  });
});
