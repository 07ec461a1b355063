import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { today } from "../contracts/run.ts";
import { poll } from "../lib/poll.ts";
import { type CallGoogle, runOrchestrator } from "../local/smoke/orchestrator.ts";
import { AIRFLOW_VERSIONS, airflowHome, type Standalone, startAirflow } from "./airflow/airflow.ts";
import { localSettings } from "./airflow/settings.ts";
import { freePort } from "./emulators/server.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";

const NAME = "npm run smoke and Airflow's API";

/** The header of a login. In Composer it is that of Google. */
async function authorize(version: 2 | 3, { url, user, password }: Standalone): Promise<string> {
  if (version === 2) return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const response = await fetch(`${url}/auth/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: user, password }),
  });
  return `Bearer ${((await response.json()) as { access_token: string }).access_token}`;
}

if (!skipUnlessInstalled(NAME, ["Python 3.10 or later"]))
  describe(NAME, () => {
    for (const version of [2, 3] as const)
      it(`starts the DAG in Airflow ${AIRFLOW_VERSIONS[version]} and waits for its end`, async () => {
        // Nothing answers there, so the DAG fails in its first task.
        const settings = localSettings({ project: "demo", invokerUrl: "http://127.0.0.1:9" });
        const schedule = { ...settings.schedule, start_date: today() };
        const home = await airflowHome(version, { ...settings, schedule });
        let airflow: Standalone | undefined;
        try {
          const env = {
            AIRFLOW__API__AUTH_BACKENDS: "airflow.api.auth.backend.basic_auth",
            AIRFLOW__WEBSERVER__WEB_SERVER_MASTER_TIMEOUT: "280",
          };
          airflow = await startAirflow(version, home, await freePort(), version === 2 ? env : {});
          const { url: airflowUri } = airflow;
          const authorization = await authorize(version, airflow);
          const call: CallGoogle = async (method, url, body) => {
            if (url.startsWith("https://composer.googleapis.com/"))
              return {
                config: { airflowUri, softwareConfig: { imageVersion: `composer-3-airflow-${version}` } },
              };
            const headers = { authorization, "content-type": "application/json" };
            const data = body === undefined ? {} : { body: JSON.stringify(body) };
            const response = await fetch(url, { method, headers, ...data });
            const answer = await response.json();
            assert.ok(response.ok, `${method} ${url}: ${response.status} ${JSON.stringify(answer)}`);
            return answer;
          };
          // Airflow answers before it has read the DAG.
          const dag = `${airflowUri}/api/${version === 2 ? "v1" : "v2"}/dags/${settings.dag_id}`;
          const isKnown = async () =>
            (await fetch(dag, { headers: { authorization } })).ok ? true : undefined;
          await poll(isKnown, { timeLimit: 200_000, pollInterval: 1000 });
          const deployment = {
            settings,
            orders: { project: "demo", dataset: "raw", table: "orders" },
            deadLetters: { topic: "letters", subscription: "letters" },
            orchestrator: { kind: "composer", name: "orchestrator" } as const,
            signals: {},
          };
          await assert.rejects(
            runOrchestrator(deployment, "1997-10-01", call, { timeLimit: 240_000, pollInterval: 1000 }),
            /dagRuns\/smoke-1997-10-01-\d+ ended as failed\./,
          );
        } finally {
          await airflow?.close();
          rmSync(home, { recursive: true, force: true });
        }
      });
  });
