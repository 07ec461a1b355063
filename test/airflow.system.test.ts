import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { DagSettings } from "../contracts/dag-settings.ts";
import { AIRFLOW_VERSIONS, airflowHome, runDag } from "./airflow/airflow.ts";
import type { AirflowTestbed } from "./airflow/testbed.ts";
import { assertFailedIn, type Outcome, Testbeds, testScenarios } from "./orchestrator-scenarios.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";

/** 00:30 in the time zone of the schedule, which is the day before in UTC. */
const slotOf = (day: string): string =>
  new Date(`${day}T00:30:00+02:00`).toISOString().replace(".000Z", "+00:00");
const DAY = "1997-10-01";

for (const [version, name] of [
  [2, AIRFLOW_VERSIONS[2]],
  [3, AIRFLOW_VERSIONS[3]],
] as const) {
  const title = `the DAG runs in Airflow ${name}`;
  if (skipUnlessInstalled(title, ["Python 3.10 or later", "Java", "the Google Cloud SDK"])) continue;
  describe(title, () => {
    const testbeds = new Testbeds();
    before(() => testbeds.start());
    after(() => testbeds.close());
    afterEach(() => testbeds.current?.close());

    /** AIRFLOW_HOMEs by test bed and day: a second run of a day is the same DAG run, cleared. */
    const homes = new WeakMap<AirflowTestbed, Map<string, string>>();
    async function run(
      testbed: AirflowTestbed,
      day: string,
      limits: Partial<DagSettings["limits"]>,
      env: Readonly<Record<string, string>> = {},
    ): Promise<Outcome> {
      const ofTestbed = homes.get(testbed) ?? new Map<string, string>();
      homes.set(testbed, ofTestbed);
      const home = ofTestbed.get(day) ?? (await airflowHome(version, testbed.dagSettings(limits)));
      ofTestbed.set(day, home);
      const { tasks, plan, log } = await runDag(version, home, slotOf(day), {
        seconds: limits.ask_seconds ?? 600,
        env: { ...testbed.airflowEnv, ...env },
      });
      // dag.test() prints the line more than once.
      const lines = new Set(log.match(/\{"event": "run_failed".*\}/g));
      return {
        runId: plan?.run_id,
        failedStep: Object.keys(tasks).find((task) => tasks[task] === "failed"),
        failures: [...lines].map((line) => JSON.parse(line)),
        log,
      };
    }

    testScenarios(testbeds, {
      run,
      sampling: version === 2 ? 10 : 100,
      short: version === 3,
    });

    it("sends the failure to Slack and by mail, and logs the line that raises the alert", async () => {
      const slackMessages: string[] = [];
      const slack = createServer(async (request, response) => {
        slackMessages.push(await text(request));
        response.end("ok");
      }).listen(0, "127.0.0.1");
      await once(slack, "listening");
      const host = `http://127.0.0.1:${(slack.address() as AddressInfo).port}`;
      const mail = await startMailServer();
      // No invoker is started.
      const failed = await run(
        await testbeds.create(),
        DAY,
        {},
        {
          AIRFLOW_CONN_SLACK_DEFAULT: JSON.stringify({ conn_type: "slackwebhook", host, password: "T/B" }),
          AIRFLOW_CONN_SMTP_DEFAULT: JSON.stringify({
            conn_type: "smtp",
            host: "127.0.0.1",
            port: mail.port,
            extra: { disable_ssl: true, disable_tls: true, from_email: "airflow@example.com" },
          }),
        },
      );
      slack.close();
      mail.close();
      assertFailedIn(failed, "check_health", /ConnectionError/);
      assert.ok(failed.log.includes('{"event": "run_failed", "dag_id": "customer-value-dev"'));
      const [message = "", ...others] = slackMessages;
      assert.deepEqual(others, []);
      for (const part of [DAY, "check_health", "log_url", "docs/runbook.md#failed-run"])
        assert.ok(message.includes(part), message);
      // Airflow 3's dag.test() gives callbacks no exception.
      if (version === 2) assert.match(message, /reason: .*Connection refused/);
      assert.equal(mail.received.length, 1);
      assert.match(mail.received[0]!, /To: marketing@example.com/);
      assert.match(
        mail.received[0]!,
        /Subject: customer-value-dev: the run of 1997-10-01 failed in check_health/,
      );
    });
  });
}

/** A server that accepts every mail: the part of SMTP (RFC 5321) that a client needs to send one. */
async function startMailServer() {
  const received: string[] = [];
  const server = createTcpServer((socket) => {
    socket.write("220 mail\r\n");
    let mail: string[] | undefined;
    createInterface({ input: socket }).on("line", (line) => {
      if (mail !== undefined && line !== ".") return void mail.push(line);
      if (mail !== undefined) received.push(mail.join("\n"));
      mail = /^DATA/i.test(line) ? [] : undefined;
      socket.write(mail ? "354 go on\r\n" : /^QUIT/i.test(line) ? "221 bye\r\n" : "250 well\r\n");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { received, port: (server.address() as AddressInfo).port, close: () => server.close() };
}
