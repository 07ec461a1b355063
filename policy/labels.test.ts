import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as gcp from "@pulumi/gcp";
import { type Declared, declared, evaluate } from "../test/evaluate-policies.ts";
import { labeled, labels, userLabeled } from "./labels.ts";

const check = (resource: Declared) => evaluate([labels()], resource);
const complete = { environment: "dev", app: "customer-value" };

/** The resources of a module of the provider whose arguments have a map of this name. */
function kindsWith(property: string, module: string): string[] {
  const folder = join(dirname(createRequire(import.meta.url).resolve("@pulumi/gcp")), module);
  const files = readdirSync(folder).filter((file) => file.endsWith(".d.ts") && !file.startsWith("get"));
  return files.flatMap((file) => {
    const [, kind, args] =
      /export interface (\w+)Args \{(.*?)\n\}/s.exec(readFileSync(join(folder, file), "utf8")) ?? [];
    return args?.includes(`\n    ${property}?: pulumi.Input<{`) ? [kind!] : [];
  });
}

describe("labels", () => {
  it("must have environment and app", async () => {
    const topic = declared(gcp.pubsub.Topic, "requests", { labels: { environment: "dev", app: "" } });
    const messages = await check(topic);
    assert.equal(messages.length, 1);
    assert.match(messages.join(), /"requests": found labels without app\./);
    assert.equal((await check(declared(gcp.storage.Bucket, "artifacts", {}))).length, 2);
    const alert = declared(gcp.monitoring.AlertPolicy, "dead-letters", {});
    assert.match((await check(alert)).join(), /found userLabels without app/);
    const thing = { type: "gcp:new/thing:Thing", name: "x", inputs: { labels: { app: "a" } } };
    assert.match((await check(thing)).join(), /^\S+ "x": found labels without environment\./);
  });

  it("pass when complete, and where nothing takes them", async () => {
    assert.deepEqual(await check(declared(gcp.pubsub.Topic, "requests", { labels: complete })), []);
    const email = { type: "email", labels: { email_address: "on-call@example.com" }, userLabels: complete };
    assert.deepEqual(await check(declared(gcp.monitoring.NotificationChannel, "email", email)), []);
    assert.deepEqual(await check(declared(gcp.pubsub.Schema, "run", {})), []);
    const metric = { labels: [{ key: "step", valueType: "STRING" }] };
    assert.deepEqual(await check(declared(gcp.monitoring.MetricDescriptor, "runs", metric)), []);
    assert.deepEqual(await check({ type: "gcp:new/metric:Metric", name: "runs", inputs: metric }), []);
  });

  it("are asked of everything that takes them in the provider's modules", () => {
    for (const [module, kinds] of Object.entries(labeled))
      assert.deepEqual(kindsWith("labels", module), kinds, module);
    for (const [module, kinds] of Object.entries(userLabeled))
      assert.deepEqual(kindsWith("userLabels", module), kinds, module);
  });
});
