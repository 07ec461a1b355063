import assert from "node:assert/strict";
import type { Deployment } from "../../contracts/deployment.ts";
import { localSettings } from "../../test/airflow/settings.ts";
import { checkRequest } from "../../test/google-apis/check.ts";
import { type CallGoogle, runOrchestrator } from "./orchestrator.ts";

const AIRFLOW = "https://abc-dot-europe-west1.composer.googleusercontent.com";

describe("runOrchestrator", () => {
  /** Runs it against answers by "METHOD end of the URL", one after the other; returns what was found and the requests. */
  async function run(
    kind: Deployment["orchestrator"]["kind"],
    answers: Record<string, object | object[]>,
    timeLimit = 1000,
  ): Promise<{ found: string; bodies: unknown[]; urls: string[] }> {
    const [bodies, urls]: [unknown[], string[]] = [[], []];
    const call: CallGoogle = async (method, url, body) => {
      // Airflow is no API of Google.
      if (!url.startsWith(AIRFLOW)) assert.deepEqual(checkRequest({ method, url, body }).problems, []);
      urls.push(url);
      if (body !== undefined) bodies.push(body);
      const [, answer] = Object.entries(answers).find(([end]) => `${method} ${url}`.includes(end))!;
      return Array.isArray(answer) ? (answer.length > 1 ? answer.shift() : answer[0]) : answer;
    };
    const deployment = {
      settings: localSettings({ project: "shop", invokerUrl: "http://invoker" }),
      orders: { project: "shop", dataset: "raw", table: "orders" },
      deadLetters: { topic: "t", subscription: "s" },
      orchestrator: { kind, name: "orchestrator" },
      signals: {},
    };
    const options = { timeLimit, pollInterval: 1 };
    const found = await runOrchestrator(deployment, "1997-10-01", call, options).catch(
      ({ message }) => message,
    );
    return { found, bodies, urls };
  }
  const name = "projects/1/locations/europe-west1/workflows/orchestrator/executions/e1";
  const environment = (imageVersion: string) => ({
    config: { airflowUri: AIRFLOW, softwareConfig: { imageVersion } },
  });

  it("waits until an execution of the workflow has ended", async () => {
    const { found, bodies } = await run("workflows", {
      "POST ": { name },
      "GET ": [{ state: "QUEUED" }, { state: "ACTIVE" }, { state: "SUCCEEDED", result: "{}" }],
    });
    assert.match(found, /^it confirmed the tables of 1997-10-01: .*executions\/e1$/);
    assert.deepEqual(bodies, [{ argument: '{"run_date":"1997-10-01"}' }]);
  });

  it("says why an execution failed", async () => {
    const error = { payload: '{"reason": "its tables do not"}' };
    const { found } = await run("workflows", { "POST ": { name }, "GET ": { state: "FAILED", error } });
    assert.match(found, /executions\/e1 ended as FAILED. {"reason": "its tables do not"}$/);
  });

  it("stops at the time limit", async () => {
    const { found } = await run("workflows", { "POST ": { name }, "GET ": { state: "ACTIVE" } }, 20);
    assert.match(found, /executions\/e1 did not end within 0.02 s/);
  });

  for (const [image, version, more] of [
    ["composer-3-airflow-2.10.5-build.4", "v1", {}],
    ["composer-3-airflow-3.1.0-build.1", "v2", { logical_date: null }],
  ] as const)
    it(`triggers the DAG in ${image} and waits for it`, async () => {
      const { found, bodies, urls } = await run("composer", {
        "/environments/": environment(image),
        "POST ": {},
        "GET ": [{ state: "queued" }, { state: "running" }, { state: "success" }],
      });
      const runs = `${AIRFLOW}/api/${version}/dags/customer-value-dev/dagRuns`;
      const { dag_run_id, ...body } = bodies[0] as Record<string, unknown>;
      assert.deepEqual(body, { conf: { run_date: "1997-10-01" }, ...more });
      assert.deepEqual(urls.slice(1, 3), [runs, `${runs}/${dag_run_id}`]);
      assert.equal(found, `it confirmed the tables of 1997-10-01: ${runs}/${dag_run_id}`);
    });

  it("says that a DAG run failed", async () => {
    const { found } = await run("composer", {
      "/environments/": environment("composer-3-airflow-2"),
      "POST ": {},
      "GET ": { state: "failed" },
    });
    assert.match(found, /ended as failed. Its log says why.$/);
  });
});
