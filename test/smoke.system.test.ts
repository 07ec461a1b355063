import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deployedTables } from "../components/deployed-tables.ts";
import { planNames } from "../components/names.ts";
import { planSignals } from "../components/signals.ts";
import { planTables } from "../components/warehouse.ts";
import { planWorkflow } from "../components/workflows-orchestrator.ts";
import type { Deployment } from "../contracts/deployment.ts";
import { runIdFor } from "../contracts/run.ts";
import { projectDir } from "../lib/project.ts";
import type { Result } from "../local/smoke/checks.ts";
import { type SmokeOptions, smoke } from "../local/smoke/smoke.ts";
import type { AirflowTestbed } from "./airflow/testbed.ts";
import { cdnow } from "./cdnow.ts";
import { checkRequest } from "./google-apis/check.ts";
import { Testbeds } from "./orchestrator-scenarios.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";
import { type Execution, runWorkflow } from "./workflows/workflow.ts";

const NAME = "npm run smoke on emulators";
const DAY = "1997-10-01";
const RUN = runIdFor(DAY, 1);
const NO_ORDERS = "order_id,customer_id,ordered_at,amount\n";
const SAMPLE = { file: join(projectDir, "data", "cdnow-sample.csv.gz"), runDate: DAY };

if (!skipUnlessInstalled(NAME, ["Python 3.10 or later", "Java", "the Google Cloud SDK"]))
  describe(NAME, () => {
    const testbeds = new Testbeds();
    let testbed: AirflowTestbed;
    let folder: string;
    before(() => testbeds.start());
    after(async () => {
      delete process.env.PUBSUB_EMULATOR_HOST;
      await testbeds.close();
    });
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "smoke-"));
    });
    afterEach(async () => {
      await testbed?.close();
      rmSync(folder, { recursive: true });
    });

    async function create(orders = cdnow(100), more: { events?: string } = {}): Promise<void> {
      testbed = await testbeds.create(orders, more);
      process.env.PUBSUB_EMULATOR_HOST = testbed.airflowEnv.PUBSUB_EMULATOR_HOST;
      await testbed.startInvoker();
    }
    const rows = async (sql: string): Promise<unknown[]> => (await testbed.bigquery.query(sql))[0];
    const subscriptions = async (): Promise<string[]> =>
      (await testbed.pubsub.getSubscriptions())[0].map(({ name }) => name.split("/").at(-1)!).sort();

    /** Google's APIs: each request must be as Google describes it. */
    function googleApis(signals: readonly string[]): SmokeOptions["call"] {
      const executions: (Execution | undefined)[] = [];
      return async (method, url, body) => {
        const { problems } = checkRequest({ method, url, body });
        assert.deepEqual(problems, []);
        if (url.endsWith("/executions")) {
          const plan = planWorkflow(testbed.dagSettings());
          const index = executions.push(undefined) - 1;
          const { argument } = body as { argument: string };
          void runWorkflow(plan, testbed.endpoints, JSON.parse(argument)).then((execution) => {
            executions[index] = execution;
          });
          return { name: `${new URL(url).pathname.slice("/v1/".length)}/${index}`, state: "ACTIVE" };
        }
        if (url.includes("/executions/")) {
          const ended = executions[Number(url.split("/").at(-1))];
          if (ended === undefined) return { state: "ACTIVE" };
          return ended.state === "FAILED"
            ? { state: "FAILED", error: { payload: "…" } }
            : { state: "SUCCEEDED" };
        }
        if (url.endsWith(":cancel")) {
          await testbed.cancelRun(url.split("/").at(-1)!.replace(":cancel", ""));
          return {};
        }
        const filter = new URL(url).searchParams.get("filter")!;
        const values = [
          { int64Value: "0" },
          { int64Value: signals.some((text) => filter.includes(text)) ? "1" : "0" },
        ];
        return { timeSeries: [{ points: values.map((value) => ({ value })) }] };
      };
    }

    interface Given extends Partial<Omit<SmokeOptions, "limits" | "deployment">> {
      readonly limits?: Partial<SmokeOptions["limits"]>;
      readonly deployment?: Partial<Deployment>;
      readonly signals?: readonly string[];
    }
    /** The results by their names, as "state: what was found". */
    async function run({
      limits,
      deployment,
      signals = ["."],
      ...given
    }: Given = {}): Promise<Record<string, string>> {
      const { project } = testbed;
      const all: Deployment = {
        settings: testbed.dagSettings(),
        orders: { project, dataset: "raw", table: "orders" },
        deadLetters: { topic: "requests-dead-letter", subscription: "requests-dead-letter" },
        orchestrator: { kind: "workflows", name: "orchestrator" },
        signals: planSignals(planNames({ app: "shop", environment: "dev", project })),
        ...deployment,
      };
      const results = await smoke({
        stack: "dev",
        deployment: all,
        tables: deployedTables(all),
        sample: SAMPLE,
        runDate: DAY,
        drill: true,
        folder,
        warehouseUrl: `bigquery://${project}/EU?endpoint=${testbed.endpoints.bigquery}`,
        fetch,
        call: googleApis(signals),
        limits: { run: 600_000, drill: 300_000, signals: 0, cancel: 120_000, pollInterval: 3000, ...limits },
        signal: new AbortController().signal,
        onProgress: () => undefined,
        onResult: () => undefined,
        ...given,
      });
      return Object.fromEntries(results.map(({ name, state, found }) => [name, `${state}: ${found}`]));
    }
    const assertStates = (found: Record<string, string>, expected: Record<string, RegExp>): void => {
      const text = JSON.stringify(found, null, 1);
      assert.deepEqual(Object.keys(found), Object.keys(expected), text);
      for (const [name, pattern] of Object.entries(expected)) assert.match(found[name]!, pattern, text);
    };

    it("proves every part; acknowledges no dead letter but its own", async () => {
      await create();
      await testbed.pubsub.topic("requests-dead-letter").publishMessage({ data: Buffer.from("another") });
      assertStates(await run(), {
        health: /^passed/,
        orders: /^passed: .* has 675 orders; the run date is 1997-10-01/,
        "dead letter": /^passed: fire-drill-\w{8}, which the invoker refuses, arrived/,
        run: RegExp(`^passed: ${RUN} succeeded`),
        marts:
          /^passed: 235 rows of mlops_mkt.rfm and \d+ rows of mlops_mkt.rfm_segments are those of the local/,
        orchestrator: /^passed: it confirmed the tables of 1997-10-01/,
        "signals of the alerts": /^passed: dead letters, requests to the invoker/,
        "acknowledge the dead letter": /^passed: fire-drill/,
      });
      assert.deepEqual(await testbed.deadLetters(1), ["another"]);
      assert.deepEqual(await subscriptions(), ["requests", "requests-dead-letter"]);
    });

    it("loads the sample if there are no orders, and removes it with what was made of it", async () => {
      await create(NO_ORDERS);
      const found = await run({ drill: false, signals: ["run.googleapis.com"] });
      assertStates(found, {
        health: /^passed/,
        orders: /^passed: .* was empty. It has the 6919 orders of the CDNOW sample/,
        "dead letter": /^not proved: no request was sent: --no-drill/,
        run: /^passed/,
        marts: /^passed: 2357 rows of mlops_mkt.rfm and/,
        orchestrator: /^passed/,
        "signals of the alerts": /^not proved: not yet: bytes billed, successful runs\./,
        "remove the sample": /^passed/,
      });
      // With the staging tables: the next run would add to the orders in them.
      const tables = planTables().map(({ dataset, name }) =>
        dataset === "marketing" ? `mlops_mkt.${name}` : `${dataset}.${name}`,
      );
      assert.ok(tables.includes("rfm.checked_orders"));
      for (const table of ["raw.orders", ...tables])
        assert.deepEqual(await rows(`SELECT COUNT(*) AS rows FROM ${table}`), [{ rows: 0 }], table);
    });

    it("loads no sample into a table of another project", async () => {
      await create(NO_ORDERS);
      const { project } = testbed;
      const orders = { project: "shop", dataset: "raw", table: "orders" };
      // The emulator keeps projects apart; the stack's own is the other one here.
      const settings = { ...testbed.dagSettings(), project: "stack" };
      const found = await run({ drill: false, deployment: { orders: { ...orders, project }, settings } });
      assert.match(
        found.orders!,
        /^failed: shop-\d+.raw.orders is empty, and is not in the stack's project\.\nSet/,
      );
      assert.ok(!("remove the sample" in found));
    });

    it("does nothing if the invoker refuses the caller", async () => {
      await create();
      const refused: typeof fetch = async () => new Response("", { status: 403 });
      assertStates(await run({ fetch: refused }), {
        health: /^failed: .* answers 403.\nAdd your account to the setting invokerCallers/,
        orders: /^passed/,
        "dead letter": /^not done: needs first: health/,
        run: /^not done: needs first: health/,
        marts: /^not done: needs first: run/,
        orchestrator: /^not done: needs first: run/,
        "signals of the alerts": /^not done: needs first: health/,
      });
      assert.deepEqual(await rows("SELECT COUNT(*) AS rows FROM ops.runs"), [{ rows: 0 }]);
    });

    it("says why a run failed", async () => {
      const bad = Array.from({ length: 200 }, (_, index) => `bad${index},,1997-01-01,1`);
      await create([cdnow(100), ...bad].join("\n"));
      const found = await run({ drill: false });
      assert.match(found.run!, /^failed: \S+ failed in step features: .*rejected_share/);
      assert.match(found.marts!, /^not done: needs first: run/);
      assert.match(found["signals of the alerts"]!, /^passed/);
    });

    it("finds that the final event is lost", async () => {
      await create(cdnow(100), { events: "nowhere" });
      assert.match(
        (await run({ drill: false })).run!,
        /^failed: \S+ succeeded, but its final event did not arrive/,
      );
    });

    it("finds a mart that differs in one row, and a dead letter that does not arrive", async () => {
      await create();
      await testbed.pubsub.topic("events").createSubscription("empty");
      const found = await run({
        deployment: { deadLetters: { topic: "requests-dead-letter", subscription: "empty" } },
        limits: { drill: 2000 },
        onResult: ({ name }: Result) => {
          if (name === "run")
            void rows(
              "UPDATE mlops_mkt.rfm SET expected_value = expected_value + 0.01 WHERE customer_id = (SELECT MIN(customer_id) FROM mlops_mkt.rfm)",
            );
        },
      });
      assert.match(
        found.marts!,
        /^failed: mlops_mkt.rfm: .*: 1; missing: 0; too many: 0; expected_value of 1997-10-01, \w+: \S+ instead of \S+\n/,
      );
      assert.match(found["dead letter"]!, /^failed: fire-drill-\w+ is not in empty after 2 s/);
      assert.match(found["acknowledge the dead letter"]!, /^not proved: fire-drill-\w+ can still arrive/);
    });

    it("cancels a run that takes longer than the limit", async () => {
      await create();
      const found = await run({ drill: false, limits: { run: 5000 } });
      assert.match(found.run!, RegExp(`^failed: Run ${RUN} did not end within 5 s`));
      assert.match(found["cancel the run"]!, RegExp(`^passed: ${RUN} cancelled`));
    });

    it("removes everything when it is interrupted", async () => {
      await create(NO_ORDERS);
      const interrupt = new AbortController();
      const found = await run({
        drill: false,
        signal: interrupt.signal,
        onProgress: () => interrupt.abort(),
      });
      assertStates(found, {
        health: /^passed/,
        orders: /^passed/,
        "dead letter": /^not proved/,
        run: /^not done: interrupted/,
        marts: /^not done/,
        orchestrator: /^not done/,
        "signals of the alerts": /^not done/,
        "cancel the run": /^passed: \S+ cancelled/,
        "remove the sample": /^passed/,
      });
      assert.deepEqual(await rows("SELECT COUNT(*) AS rows FROM raw.orders"), [{ rows: 0 }]);
      assert.deepEqual(await subscriptions(), ["requests", "requests-dead-letter"]);
    });
  });
