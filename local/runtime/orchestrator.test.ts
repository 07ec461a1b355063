import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import type { RunState } from "../../contracts/launcher.ts";
import {
  EVENTS,
  type Message,
  type Messenger,
  REQUESTS,
  type RunEvent,
  type RunRequest,
} from "../../contracts/messages.ts";
import { stepStarted } from "../../contracts/step.ts";
import { createLogger } from "../../lib/log.ts";
import { temporaryWarehouse } from "../../test/temporary-warehouse.ts";
import { LocalMessenger } from "./messenger.ts";
import { confirmRun, type OrchestratorOptions, requestRun } from "./orchestrator.ts";

const request: RunRequest = { run_id: "run-1", run_date: "2024-01-01" };
const event: RunEvent = {
  ...request,
  status: "succeeded",
  failed_step: null,
  reason: null,
  finished_at: "2024-01-01T00:00:00.000Z",
  steps: [],
};
const running: RunState = { ...request, state: "running", error: null, steps: [] };

describe("orchestrator", () => {
  let messenger: LocalMessenger;
  let invoker: Server;
  let invokerUrl: string;
  /** What the invoker answers to GET /healthcheck and GET /runs/{run_id}. */
  let health: number;
  let state: RunState | undefined | "invalid" | "silent";
  const seen: Message[] = [];

  beforeEach(async () => {
    [health, state] = [200, undefined];
    messenger = await LocalMessenger.start(createLogger({ component: "test" }, "silent"));
    invoker = createServer((incoming, response) => {
      if (incoming.url === "/healthcheck") {
        if (health !== 0) response.writeHead(health).end();
      } else if (state === "silent") return;
      else if (state === "invalid") response.writeHead(200).end('{"state": ');
      else response.writeHead(state === undefined ? 404 : 200).end(JSON.stringify(state ?? {}));
    }).listen(0, "127.0.0.1");
    await once(invoker, "listening");
    invokerUrl = `http://127.0.0.1:${(invoker.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    invoker.closeAllConnections();
    invoker.close();
    await messenger.close();
    seen.length = 0;
  });

  const ask = (options: Partial<OrchestratorOptions> = {}): Promise<RunEvent> =>
    requestRun(request, {
      messenger,
      invokerUrl,
      timeLimit: 5000,
      pollInterval: 20,
      signal: new AbortController().signal,
      ...options,
    });
  /** A Messenger that calls `act` when a request is published, then waits. It ignores filters, as Pub/Sub's emulator does. */
  const messengerThat = (act: (data: unknown) => void | Promise<void>, wait = 0): Messenger => ({
    subscribe: (topic, _filter, signal) => messenger.subscribe(topic, {}, signal),
    publish: async (topic, data, attributes) => {
      seen.push({ id: topic, data, attributes });
      await act(data);
      await setTimeout(wait);
      return "1";
    },
    close: async () => undefined,
  });
  const publishEvent = async (data: object = event, run_id = "run-1"): Promise<void> =>
    void (await messenger.publish(EVENTS, data, { run_id }));

  describe("request", () => {
    it("is published with the run id as an attribute; returns the final event", async () => {
      assert.deepEqual(await ask({ messenger: messengerThat(() => publishEvent()) }), event);
      assert.deepEqual(seen, [{ id: REQUESTS, data: request, attributes: { run_id: "run-1" } }]);
    });

    it("returns the event of a failed run", async () => {
      const failed: RunEvent = { ...event, status: "failed", failed_step: "train", reason: "no customers" };
      assert.deepEqual(await ask({ messenger: messengerThat(() => publishEvent(failed)) }), failed);
    });

    it("receives an event that arrives before publishing has finished", async () => {
      const startedAt = performance.now();
      const slow = messengerThat(() => publishEvent(), 3000);
      assert.deepEqual(await ask({ messenger: slow, pollInterval: 10_000 }), event);
      assert.ok(performance.now() - startedAt < 2000);
    });

    it("ignores events of other runs, and messages that are not events", async () => {
      const others = messengerThat(async () => {
        await publishEvent({ ...event, run_id: "run-2" }, "run-2");
        await publishEvent({ ...event, run_id: "run-2" });
        await publishEvent({ run_id: "run-1", status: "fine" });
        await publishEvent();
      });
      assert.deepEqual(await ask({ messenger: others }), event);
    });

    it("asks the invoker for the end of a run whose final event is lost", async () => {
      state = running;
      const asked = ask({ messenger: messengerThat(() => {}) });
      await setTimeout(60);
      const step = { ...stepStarted("train"), status: "failed" as const, error: "no rows" };
      state = {
        ...running,
        state: "failed",
        error: "train: no rows",
        steps: [{ ...step, step: "features", status: "succeeded" }, step],
      };
      const { finished_at, ...found } = await asked;
      assert.deepEqual(found, {
        ...request,
        status: "failed",
        failed_step: "train",
        reason: "train: no rows",
        steps: state.steps,
      });
      assert.ok(Math.abs(Date.parse(finished_at) - Date.now()) < 5000);
    });

    it("prefers the event when both event and state report the end", async () => {
      state = { ...running, state: "succeeded" };
      const late = messengerThat(() => void setTimeout(40).then(() => publishEvent()));
      assert.equal((await ask({ messenger: late, pollInterval: 30 })).finished_at, event.finished_at);
    });

    it("asks again when the invoker's answer is invalid or missing, or never comes", async () => {
      state = "invalid";
      const asked = ask({ messenger: messengerThat(() => {}) });
      for (const next of [undefined, "silent"] as const) {
        await setTimeout(60);
        state = next;
      }
      await setTimeout(60);
      state = { ...running, state: "succeeded" };
      assert.equal((await asked).status, "succeeded");
    });

    it("fails with the reason when it becomes a dead letter; ignores those of other runs", async () => {
      const topic = `${REQUESTS}-dead-letter`;
      const refusing = messengerThat(async () => {
        await messenger.publish(topic, {}, { run_id: "run-2", reason: "other" });
        await messenger.publish(topic, request, { run_id: "run-1", reason: "400: run_date" });
      });
      await assert.rejects(ask({ messenger: refusing }), {
        name: "UserError",
        message: /run run-1: 400: run_date$/,
      });
    });

    it("fails when the run does not end within the time limit", async () => {
      state = running;
      await assert.rejects(ask({ messenger: messengerThat(() => {}), timeLimit: 80 }), {
        name: "UserError",
        status: 504,
        message: /^Run run-1 did not end within 0.08 s/,
      });
    });

    it("fails when it cannot be published", async () => {
      const broken = messengerThat(() => Promise.reject(new Error("no Messenger")));
      await assert.rejects(ask({ messenger: broken }), { message: "no Messenger" });
    });

    it("is not sent when the invoker is unhealthy, unreachable or silent", async () => {
      const answers = { name: "UserError", status: 503 };
      const unused = messengerThat(() => {});
      health = 500;
      await assert.rejects(ask({ messenger: unused }), { ...answers, message: /it answers 500/ });
      health = 0;
      await assert.rejects(ask({ messenger: unused, timeLimit: 50 }), { ...answers, message: /timeout/ });
      await assert.rejects(ask({ messenger: unused, invokerUrl: "http://127.0.0.1:1" }), answers);
      assert.deepEqual(seen, []);
    });

    it("stops at once on an interrupt: before, while publishing, while waiting", async () => {
      const reason = new Error("interrupted");
      health = 0;
      await assert.rejects(ask({ signal: AbortSignal.abort(reason) }), reason);
      const during = new AbortController();
      const silent = ask({ signal: during.signal });
      await setTimeout(20);
      during.abort(reason);
      await assert.rejects(silent, reason);
      health = 200;
      for (const wait of [0, 3000]) {
        const interrupt = new AbortController();
        const startedAt = performance.now();
        const asked = ask({
          messenger: messengerThat(() => {}, wait),
          signal: interrupt.signal,
          pollInterval: 10_000,
        });
        while (seen.length === 0) await setTimeout(2);
        await setTimeout(20);
        interrupt.abort(reason);
        await assert.rejects(asked, reason);
        assert.ok(performance.now() - startedAt < 2000);
        seen.length = 0;
      }
    });
  });

  describe("confirmation", () => {
    let warehouse: DuckDbWarehouse;
    temporaryWarehouse((opened) => {
      warehouse = opened;
    });
    /** Tables of a run that is all right. */
    beforeEach(() =>
      sql(`
        DROP SCHEMA IF EXISTS mlops_mkt CASCADE; CREATE SCHEMA mlops_mkt;
        DROP SCHEMA IF EXISTS ops CASCADE; CREATE SCHEMA ops;
        CREATE TABLE mlops_mkt.rfm (run_date DATE, model_id VARCHAR);
        CREATE TABLE ops.checks (run_date DATE, run_id VARCHAR, failed_rows BIGINT, severity VARCHAR);
        CREATE OR REPLACE TABLE rfm.models (run_date DATE, model_id VARCHAR, is_champion BOOLEAN, sample VARCHAR);
        INSERT INTO mlops_mkt.rfm VALUES ('2024-01-01', 'm-1'), ('2024-01-01', 'm-1'), ('2023-01-01', 'other');
        INSERT INTO ops.checks VALUES
          ('2024-01-01', 'run-1', 0, 'error'), ('2024-01-01', 'run-1', 3, 'warning'), ('2024-01-01', 'run-2', 3, 'error');
        INSERT INTO rfm.models VALUES ('2023-06-01', 'm-1', true, 'production')`),
    );
    const sql = (statements: string): Promise<unknown> =>
      warehouse.withConnection((connection) => connection.run(statements));

    it("returns the number of customers and the model", async () => {
      assert.deepEqual(await confirmRun(event, warehouse), { customers: 2, modelId: "m-1" });
      await sql("UPDATE mlops_mkt.rfm SET model_id = NULL");
      assert.deepEqual(await confirmRun(event, warehouse), { customers: 2, modelId: null });
    });

    const problems: [string, string, RegExp][] = [
      [
        "no rows of the run date",
        "DELETE FROM mlops_mkt.rfm WHERE run_date = '2024-01-01'",
        /mart has no rows/,
      ],
      ["no checks of the run", "DELETE FROM ops.checks WHERE run_id = 'run-1'", /No assertion was checked/],
      [
        "failed assertions",
        "INSERT INTO ops.checks VALUES ('2024-01-01', 'run-1', 1, 'error'), ('2024-01-01', 'run-1', 2, 'error')",
        /2 assertions failed/,
      ],
      [
        "scores of a model that is not a champion",
        "UPDATE rfm.models SET is_champion = false",
        /2 customers have scores of a model that is not a champion/,
      ],
      [
        "scores of a calibration model",
        "UPDATE rfm.models SET sample = 'calibration'",
        /2 customers have scores of a model that is not a champion/,
      ],
      [
        "scores of a champion of a later date",
        "UPDATE rfm.models SET run_date = '2024-01-02'",
        /2 customers have scores of a model that is not a champion/,
      ],
      ["no table", "DROP TABLE ops.checks", /Table with name checks does not exist/],
    ];
    for (const [name, change, message] of problems)
      it(`fails when the run has ${name}`, async () => {
        await sql(change);
        await assert.rejects(confirmRun(event, warehouse), { name: "UserError", message });
      });

    it("lists all problems, and the run", async () => {
      await sql("DELETE FROM mlops_mkt.rfm; DELETE FROM ops.checks");
      await assert.rejects(confirmRun(event, warehouse), {
        message:
          "Run run-1 reports success, but its tables do not. The mart has no rows of the run date. No assertion was checked.",
      });
    });
  });
});
