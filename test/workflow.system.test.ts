import assert from "node:assert/strict";
import { planWorkflow } from "../components/workflows-orchestrator.ts";
import type { DagSettings } from "../contracts/dag-settings.ts";
import { runIdFor } from "../contracts/run.ts";
import type { AirflowTestbed } from "./airflow/testbed.ts";
import {
  assertFailedIn,
  assertSucceeded,
  type Outcome,
  Testbeds,
  testScenarios,
} from "./orchestrator-scenarios.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";
import { runWorkflow } from "./workflows/workflow.ts";

const NAME = "the workflow runs in an emulator of Workflows";
const DAY = "1997-10-01";

async function execute(
  testbed: AirflowTestbed,
  argument: unknown,
  limits: Partial<DagSettings["limits"]> = {},
): Promise<Outcome> {
  const plan = planWorkflow(testbed.dagSettings(limits));
  const execution = await runWorkflow(plan, testbed.endpoints, argument);
  const failures = execution.log
    .filter(({ severity }) => severity === "ERROR")
    .map(({ payload }) => payload as Record<string, unknown>);
  const end = (execution.state === "SUCCEEDED" ? execution.result : execution.error) as Record<
    string,
    string
  >;
  return {
    runId: end.run_id,
    failedStep: execution.state === "FAILED" ? end.step : undefined,
    failures,
    log: execution.log.map((line) => JSON.stringify(line)).join("\n"),
  };
}

if (!skipUnlessInstalled(NAME, ["Python 3.10 or later", "Java", "the Google Cloud SDK"]))
  describe(NAME, () => {
    const testbeds = new Testbeds();
    before(() => testbeds.start());
    after(() => testbeds.close());
    afterEach(() => testbeds.current?.close());

    testScenarios(testbeds, {
      run: (testbed, run_date, limits) => execute(testbed, { run_date }, limits),
      sampling: 100,
    });

    it("runs a date once at a time, and again when asked to, with other settings", async () => {
      const testbed = await testbeds.create();
      const launched: unknown[] = [];
      await testbed.startInvoker({
        onTask: (runId, { task, state }) => {
          if (task === "features" && state === "started") launched.push(runId);
        },
      });
      const [first, second] = [runIdFor(DAY, 1), runIdFor(DAY, 2)];
      const both = await Promise.all([
        // One of them gets the event; the other one asks.
        execute(testbed, { run_date: DAY }, { ask_seconds: 10 }),
        execute(testbed, { run_date: DAY, again: "yes" }, { ask_seconds: 10 }),
      ]);
      for (const done of both) {
        assertSucceeded(done);
        assert.equal(done.runId, first);
      }
      const again = await execute(testbed, { run_date: DAY, again: "yes", horizon_weeks: 26 });
      assertSucceeded(again);
      assert.equal(again.runId, second);
      assert.deepEqual(launched, [first, second]);
      const [models] = await testbed.bigquery.query("SELECT DISTINCT horizon_weeks FROM mlops_mkt.rfm");
      assert.deepEqual(models, [{ horizon_weeks: 26 }]);
    });

    it("refuses an unknown argument; without one the run date is today where the schedule is", async () => {
      const testbed = await testbeds.create();
      await testbed.startInvoker();
      const before = todayIn("Europe/Berlin");
      const failed = await execute(testbed, { rundate: DAY });
      assertFailedIn(failed, "plan", /There is no parameter rundate; the nearest is run_date/);
      assert.ok([before, todayIn("Europe/Berlin")].includes(String(failed.failures[0]?.run_date)));
    });
  });

const todayIn = (timeZone: string): string => new Intl.DateTimeFormat("en-CA", { timeZone }).format();
