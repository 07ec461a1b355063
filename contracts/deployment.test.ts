import assert from "node:assert/strict";
import { unwrap } from "../test/recording-mocks.ts";
import { runStack, settingsOf } from "../test/stack-program.ts";
import { deployment } from "./deployment.ts";

describe("the output deployment of the stack", function () {
  this.timeout(60_000);

  it("is what npm run smoke reads", async () => {
    const { outputs } = await runStack("dev");
    const { settings, orders, orchestrator, deadLetters, signals } = deployment.parse(
      await unwrap(outputs.deployment),
    );
    assert.equal(settings.invoker_url, "https://invoker-abc.a.run.app");
    assert.deepEqual(orders, { project: "my-project-dev", dataset: "raw", table: "orders" });
    assert.deepEqual(orchestrator, { kind: "workflows", name: "customer-value-dev-orchestrator" });
    assert.ok(signals["dead letters"]!.includes(deadLetters.subscription));
  });

  it("names the environment of Composer that has the DAG", async () => {
    const kindAndName = async (more: Record<string, string>) => {
      const settings = { ...settingsOf("prod"), ...more };
      const { outputs } = await runStack("prod", { settings });
      return deployment.parse(await unwrap(outputs.deployment)).orchestrator;
    };
    assert.deepEqual(await kindAndName({}), { kind: "composer", name: "customer-value-prod-orchestrator" });
    const existing = {
      "customer-value:orchestrator": "existing-composer",
      "customer-value:composerEnvironment": "shared",
      "customer-value:composerDagBucket": "shared-bucket",
      "customer-value:composerServiceAccount": "airflow@my-shop.iam.gserviceaccount.com",
    };
    assert.deepEqual(await kindAndName(existing), { kind: "composer", name: "shared" });
  });
});
