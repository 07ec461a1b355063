import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { failureLine } from "../components/alerts.ts";
import { EVENTS, REQUESTS } from "../contracts/messages.ts";
import { runIdFor } from "../contracts/run.ts";
import { createLogger } from "../lib/log.ts";
import { AIRFLOW_VERSIONS, airflowHome, type DagRun, runDag } from "./airflow/airflow.ts";
import { AirflowTestbed, type Emulators, startEmulators, type TestbedOptions } from "./airflow/testbed.ts";
import { cdnow } from "./cdnow-orders.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";

/** 00:30 in the time zone of the schedule, which is the day before in UTC. */
const slotOf = (day: string): string =>
  new Date(`${day}T00:30:00+02:00`).toISOString().replace(".000Z", "+00:00");
const DAY = "1997-10-01";
const idOf = (day: string, attempt: number): string => runIdFor(day, `manual__${slotOf(day)}`, attempt);

/** Adds 200 invalid orders. */
const withBadRows = (orders: string): string =>
  `${orders}\n${Array.from({ length: 200 }, (_, index) => `bad${index},,1997-01-01,1`).join("\n")}`;

for (const [version, name] of [
  [2, AIRFLOW_VERSIONS[2]],
  [3, AIRFLOW_VERSIONS[3]],
] as const) {
  if (
    skipUnlessInstalled(`the DAG runs in Airflow ${name}`, [
      "Python 3.10 or later",
      "Java",
      "the Google Cloud SDK",
    ])
  )
    continue;
  describe(`the DAG runs in Airflow ${name}`, () => {
    const log = createLogger({ component: "local" }, "silent");
    let emulators: Emulators;
    let testbed: AirflowTestbed;
    let testbeds = 0;
    before(async () => {
      emulators = await startEmulators();
    });
    after(() => emulators?.close());
    afterEach(() => testbed?.close());

    const create = async (orders = cdnow(100), more: Partial<TestbedOptions> = {}): Promise<void> => {
      testbeds += 1;
      testbed = await AirflowTestbed.create(emulators, orders, { project: `shop-${testbeds}`, log, ...more });
    };
    type RunOptions = Parameters<typeof runDag>[3] & {
      limits?: Parameters<AirflowTestbed["dagSettings"]>[0];
      home?: string;
    };
    const run = async (day: string, { limits, home, ...options }: RunOptions = {}): Promise<DagRun> =>
      await runDag(version, home ?? (await airflowHome(version, testbed.dagSettings(limits))), slotOf(day), {
        ...options,
        env: { ...testbed.airflowEnv, ...options.env },
      });
    const rows = async (sql: string): Promise<unknown[]> => (await testbed.bigquery.query(sql))[0];
    /** Run dates in the mart with their number of customers. */
    const mart = () =>
      rows("SELECT STRING(run_date) AS day, COUNT(*) AS customers FROM mlops_mkt.rfm GROUP BY 1 ORDER BY 1");
    const runs = () => rows("SELECT run_id, status, failed_step FROM ops.runs ORDER BY started_at");
    const jobs = (): string[] => readdirSync(join(testbed.dataDir, "runs"));
    const assertSucceeded = (run: DagRun): void => {
      assert.deepEqual(new Set(Object.values(run.tasks)), new Set(["success"]), errorsIn(run));
      assert.equal(run.state, "success");
    };
    const assertFailedIn = (run: DagRun, task: string, reason: RegExp): void => {
      assert.equal(run.tasks[task], "failed", errorsIn(run));
      assert.ok(reason.test(run.log), `${reason} is not in: ${errorsIn(run)}`);
      assert.equal(run.state, "failed");
      assert.equal(run.tasks.confirm, "upstream_failed");
    };
    const subscriptions = async (): Promise<string[]> =>
      (await testbed.pubsub.getSubscriptions())[0].map((found) => found.name.split("/").at(-1)!).sort();

    it("succeed on CDNOW: request, final event, tables", async () => {
      // All of CDNOW in one version, every hundredth customer in the other.
      await create(cdnow(version === 2 ? 1 : 100));
      await testbed.startInvoker();
      const done = await run(DAY);
      assertSucceeded(done);
      const run_id = idOf(DAY, 1);
      assert.deepEqual(done.plan, { run_id, run_date: DAY });
      assert.deepEqual(await mart(), [{ day: DAY, customers: version === 2 ? 23_570 : 235 }]);
      assert.deepEqual(await runs(), [{ run_id, status: "succeeded", failed_step: null }]);
      assert.deepEqual(await subscriptions(), ["requests", "requests-dead-letter"]);
    });

    it("report the failed step and the reason; cleared, start another attempt, which ignores events of the first", async () => {
      const slackMessages: string[] = [];
      const slack = createServer(async (request, response) => {
        slackMessages.push(await text(request));
        response.end("ok");
      }).listen(0, "127.0.0.1");
      await once(slack, "listening");
      const host = `http://127.0.0.1:${(slack.address() as AddressInfo).port}`;
      const mail = await startMailServer();
      const env = {
        AIRFLOW_CONN_SLACK_DEFAULT: JSON.stringify({
          conn_type: "slackwebhook",
          host,
          password: "T/B",
        }),
        AIRFLOW_CONN_SMTP_DEFAULT: JSON.stringify({
          conn_type: "smtp",
          host: "127.0.0.1",
          port: mail.port,
          extra: { disable_ssl: true, disable_tls: true, from_email: "airflow@example.com" },
        }),
      };
      await create(withBadRows(cdnow(100)));
      const [first, second] = [idOf(DAY, 1), idOf(DAY, 2)];
      const stale = { run_id: first, run_date: DAY, status: "failed", failed_step: "features" };
      await testbed.startInvoker({
        onTask: (runId, { task, state }) => {
          if (runId === second && task === "features" && state === "started")
            void testbed.publish(EVENTS, JSON.stringify(stale), first);
        },
      });
      const home = await airflowHome(version, testbed.dagSettings());
      const failed = await run(DAY, { home, env });
      slack.close();
      mail.close();
      assertFailedIn(failed, "wait", /failed in step features: .*rejected_share/);
      assert.ok(
        failed.log.includes(
          `/vertex-ai/pipelines/locations/europe-west1/runs/${first}?project=${testbed.project}`,
        ),
      );
      assert.ok(failed.log.includes(failureLine("customer-value-dev")), errorsIn(failed));
      assert.deepEqual(await mart(), []);
      const [message = "", ...others] = slackMessages;
      assert.deepEqual(others, []);
      for (const part of [DAY, first, "wait", "log_url", "docs/runbook.md#failed-run"])
        assert.ok(message.includes(part), message);
      assert.equal(mail.received.length, 1, errorsIn(failed));
      assert.match(mail.received[0]!, /To: marketing@example.com/);
      assert.match(mail.received[0]!, /Subject: customer-value-dev: the run of 1997-10-01 failed in wait/);
      // Airflow 3's dag.test() gives callbacks no exception.
      if (version === 2) assert.match(message, /reason: Run .* failed in step features: .*rejected_share/);

      await rows("DELETE FROM raw.orders WHERE STARTS_WITH(order_id, 'bad')");
      const cleared = await run(DAY, { home });
      assertSucceeded(cleared);
      assert.equal(cleared.plan?.run_id, second);
      assert.deepEqual(await mart(), [{ day: DAY, customers: 235 }]);
      assert.deepEqual(await runs(), [
        { run_id: first, status: "failed", failed_step: "features" },
        { run_id: second, status: "succeeded", failed_step: null },
      ]);
    });

    it("find the end of a run whose final event is lost", async () => {
      await create(cdnow(100), { events: "nowhere" });
      await testbed.startInvoker();
      const done = await run(DAY, { seconds: 10 });
      assertSucceeded(done);
      assert.match(done.log, /No event of run .* arrived/);
      assert.deepEqual(await mart(), [{ day: DAY, customers: 235 }]);
    });

    it("wait for an invoker that is down for 20 s", async () => {
      await create();
      const down = createTcpServer((socket) => socket.destroy());
      down.listen(Number(new URL(testbed.invokerUrl).port), "127.0.0.1");
      const up = once(down, "connection").then(async () => {
        await setTimeout(20_000);
        await new Promise((closed) => down.close(closed));
        await testbed.startInvoker();
      });
      const [done] = await Promise.all([run(DAY, { limits: { retries: 20, retry_delay_seconds: 2 } }), up]);
      assertSucceeded(done);
      assert.ok(done.log.includes("requests.exceptions.ConnectionError"));
      assert.deepEqual(jobs(), [idOf(DAY, 1)]);
    });

    it("run two dates at the same time, each with its own events; a duplicate request or a reused job starts nothing", async () => {
      await create();
      await testbed.startInvoker({
        onTask: (run_id, { task, state }) => {
          const run_date = run_id === idOf(DAY, 1) ? DAY : "1997-10-08";
          if (task === "features" && state === "started")
            void testbed.publish(REQUESTS, JSON.stringify({ run_id, run_date }), run_id);
        },
      });
      const home = await airflowHome(version, testbed.dagSettings());
      const [one, two] = await Promise.all([run(DAY, { home }), run("1997-10-08")]);
      assertSucceeded(one);
      assertSucceeded(two);
      const both = [idOf(DAY, 1), idOf("1997-10-08", 1)];
      assert.deepEqual(jobs().sort(), both.sort());
      const tables = [
        { day: DAY, customers: 235 },
        { day: "1997-10-08", customers: 235 },
      ];
      assert.deepEqual(await mart(), tables);
      // A finished job is reused.
      assertSucceeded(await run(DAY, { home }));
      assert.deepEqual(jobs().sort(), both.sort());
      assert.deepEqual(await mart(), tables);
      // Its tables are checked again.
      await rows(`DELETE FROM ops.checks WHERE run_id = '${idOf(DAY, 1)}'`);
      const unconfirmed = await run(DAY, { home });
      assert.equal(unconfirmed.tasks.confirm, "failed", errorsIn(unconfirmed));
      assert.match(unconfirmed.log, /reports success, but its tables do not\. No assertion was checked/);
    });

    it("fail at the time limit when the request became a dead letter", async () => {
      await create();
      await testbed.startInvoker({ firstOrderDate: DAY });
      await testbed.publish(REQUESTS, "no JSON", "clv-none");
      const failed = await run(DAY, { limits: { run_seconds: 20 }, seconds: 25 });
      assertFailedIn(failed, "wait", /did not end within 20 s.*never started: look in the dead letters/);
      const letters = await testbed.deadLetters();
      assert.equal(letters.length, 2, letters.join());
      assert.ok(letters.includes("no JSON"));
      assert.ok(letters.some((letter) => letter.includes(idOf(DAY, 1))));
      assert.deepEqual(await mart(), []);
    });

    it("report a step that was killed", async () => {
      await create();
      await testbed.startInvoker({
        onTask: (runId, { task, state }) => {
          if (task === "train" && (state === "started" || state === "retrying"))
            void kill(testbed, runId, task);
        },
      });
      const failed = await run(DAY);
      assertFailedIn(failed, "wait", /failed in step train: .*killed/);
      assert.deepEqual(await mart(), []);
      const [{ status, failed_step }] = (await runs()) as [{ status: string; failed_step: string }];
      assert.deepEqual({ status, failed_step }, { status: "failed", failed_step: "train" });
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

/** The log lines with errors. */
const errorsIn = ({ log }: DagRun): string =>
  log.match(/^.*(ERROR|error|Exception).*$/gm)?.join("\n") ?? log.slice(-2000);

/** Kills the process of a step that has started, like a machine that runs out of memory. */
async function kill({ dataDir }: AirflowTestbed, runId: string, step: string): Promise<void> {
  for (;;) {
    await setTimeout(50);
    if (!existsSync(join(dataDir, "runs", runId, "steps", `${step}.json`))) continue;
    const { stdout } = await promisify(execFile)("ps", ["-eo", "pid=,args="], { maxBuffer: 2 ** 24 });
    const found = stdout
      .split("\n")
      .find((line) => line.includes(runId) && line.includes(`"step":"${step}"`));
    if (found === undefined) continue;
    process.kill(Number.parseInt(found, 10), "SIGKILL");
    return;
  }
}
