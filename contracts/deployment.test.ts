import assert from "node:assert/strict";
import { localSettings } from "../test/airflow/settings.ts";
import { deployment } from "./deployment.ts";

describe("the output deployment of the stack", () => {
  const output = {
    settings: localSettings({ project: "p", invokerUrl: "https://invoker.example.com" }),
    orders: { project: "shop", dataset: "raw", table: "orders" },
    deadLetters: { topic: "requests-dead-letter", subscription: "requests-dead-letter" },
    orchestrator: { kind: "workflows", name: "orchestrator" },
    signals: { "dead letters": "metric.type" },
  };

  it("keeps what it has, for one of two Orchestrators", () => {
    assert.deepEqual(deployment.parse(output), output);
    const composer = { ...output, orchestrator: { kind: "composer", name: "shared" } };
    assert.deepEqual(deployment.parse(composer), composer);
  });

  it("must be complete, so that npm run smoke does not start without what it needs", () => {
    for (const name of Object.keys(output))
      assert.equal(deployment.safeParse({ ...output, [name]: undefined }).success, false, name);
    for (const part of ["orders", "deadLetters", "orchestrator"] as const)
      for (const name of Object.keys(output[part])) {
        const incomplete = { ...output, [part]: { ...output[part], [name]: undefined } };
        assert.equal(deployment.safeParse(incomplete).success, false, `${part}.${name}`);
      }
    const cron = { ...output, orchestrator: { kind: "", name: "cron" } };
    assert.match(deployment.safeParse(cron).error!.message, /workflows.*composer/);
  });
});
