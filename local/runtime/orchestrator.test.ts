import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
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
import { QueryError, type Row, type Warehouse } from "../../contracts/warehouse.ts";
import { createLogger } from "../../lib/log.ts";
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
  let state: RunState | undefined | "broken";
  const seen: Message[] = [];

  beforeEach(async () => {
    [health, state] = [200, undefined];
    messenger = await LocalMessenger.start(createLogger({ component: "test" }, "silent"));
    invoker = createServer((incoming, response) => {
      if (incoming.url === "/healthcheck") {
        if (health !== 0) response.writeHead(health).end();
      } else if (state === "broken") response.writeHead(200).end('{"state": ');
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
  /** A Messenger that does this when a request is published, and then waits; it does not filter, as Pub/Sub's emulator. */
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
  const tell = async (data: object = event, run_id = "run-1"): Promise<void> =>
    void (await messenger.publish(EVENTS, data, { run_id }));

  describe("request", () => {
    it("is published, with the run id to filter on, and its final event is returned", async () => {
      assert.deepEqual(await ask({ messenger: messengerThat(() => tell()) }), event);
      assert.deepEqual(seen, [{ id: REQUESTS, data: request, attributes: { run_id: "run-1" } }]);
    });

    it("returns an event that says the run failed", async () => {
      const failed: RunEvent = { ...event, status: "failed", failed_step: "train", reason: "no customers" };
      assert.deepEqual(await ask({ messenger: messengerThat(() => tell(failed)) }), failed);
    });

    it("does not lose an event that comes before publishing has ended", async () => {
      const startedAt = performance.now();
      const slow = messengerThat(() => tell(), 3000);
      assert.deepEqual(await ask({ messenger: slow, pollInterval: 10_000 }), event);
      assert.ok(performance.now() - startedAt < 2000);
    });

    it("does not take the event of another run, nor what is no event", async () => {
      const others = messengerThat(async () => {
        await tell({ ...event, run_id: "run-2" }, "run-2");
        await tell({ ...event, run_id: "run-2" });
        await tell({ run_id: "run-1", status: "fine" });
        await tell();
      });
      assert.deepEqual(await ask({ messenger: others }), event);
    });

    it("finds a run whose final event was lost by asking for its state", async () => {
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

    it("prefers the event to the state, when both tell the end", async () => {
      state = { ...running, state: "succeeded" };
      const late = messengerThat(() => void setTimeout(40).then(() => tell()));
      assert.equal((await ask({ messenger: late, pollInterval: 30 })).finished_at, event.finished_at);
    });

    it("asks again when the invoker's answer is broken, or there is none", async () => {
      state = "broken";
      const asked = ask({ messenger: messengerThat(() => {}) });
      await setTimeout(60);
      state = undefined;
      await setTimeout(60);
      state = { ...running, state: "succeeded" };
      assert.equal((await asked).status, "succeeded");
    });

    it("fails when it becomes a dead letter, with the reason, and not with another's", async () => {
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
        message: /run-1 gave no sign of its end within 0.08 s/i,
      });
    });

    it("fails when it can't be published", async () => {
      const broken = messengerThat(() => Promise.reject(new Error("no Messenger")));
      await assert.rejects(ask({ messenger: broken }), { message: "no Messenger" });
    });

    it("is not made when the invoker is not well, not there, or silent", async () => {
      const answers = { name: "UserError", status: 503 };
      const unused = messengerThat(() => {});
      health = 500;
      await assert.rejects(ask({ messenger: unused }), { ...answers, message: /it answered 500/ });
      health = 0;
      await assert.rejects(ask({ messenger: unused, timeLimit: 50 }), { ...answers, message: /timeout/ });
      await assert.rejects(ask({ messenger: unused, invokerUrl: "http://127.0.0.1:1" }), answers);
      assert.deepEqual(seen, []);
    });

    it("ends at once when it is interrupted: before, while publishing, while waiting", async () => {
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
    /** Answers by the first table that a query names. */
    const warehouseOf = (answers: Record<string, Row | Error>): Warehouse => ({
      project: "p",
      query: async (sql, parameters) => {
        assert.deepEqual(parameters, {
          run_id: { type: "STRING", value: "run-1" },
          run_date: { type: "DATE", value: "2024-01-01" },
        });
        const [, answer] = Object.entries(answers).find(([part]) => sql.includes(part))!;
        if (answer instanceof Error) throw answer;
        return [answer];
      },
      stream: () => assert.fail(),
      materialize: () => assert.fail(),
      replaceRows: () => assert.fail(),
      close: () => assert.fail(),
    });
    const truth = {
      "NOT IN": { customers: 0 },
      "mlops_mkt.rfm": { customers: 7, model_id: "m-1" },
      "ops.checks": { checks: 10, failed: 0 },
    };

    it("tells what was found", async () => {
      assert.deepEqual(await confirmRun(event, warehouseOf(truth)), { customers: 7, modelId: "m-1" });
      const rfmOnly = { ...truth, "mlops_mkt.rfm": { customers: 7, model_id: null } };
      assert.deepEqual(await confirmRun(event, warehouseOf(rfmOnly)), { customers: 7, modelId: null });
    });

    const lies: [string, Record<string, Row | Error>, RegExp][] = [
      ["no rows", { "mlops_mkt.rfm": { customers: 0, model_id: null } }, /mlops_mkt\.rfm has no rows/],
      ["no checks", { "ops.checks": { checks: 0, failed: 0 } }, /no assertion was checked/],
      ["failed assertions", { "ops.checks": { checks: 10, failed: 2 } }, /2 assertions failed/],
      ["scores of no champion", { "NOT IN": { customers: 3 } }, /3 customers were scored by no champion/],
      [
        "no tables",
        { "ops.checks": new QueryError("no table ops.checks") },
        /can't be read: no table ops\.checks/,
      ],
    ];
    for (const [lie, answers, message] of lies) {
      it(`finds a run out that says it succeeded, but has ${lie}`, async () => {
        await assert.rejects(confirmRun(event, warehouseOf({ ...truth, ...answers })), {
          name: "UserError",
          message,
        });
      });
    }

    it("names all that is wrong, and the run", async () => {
      const all = warehouseOf({
        ...truth,
        "mlops_mkt.rfm": { customers: 0 },
        "ops.checks": { checks: 0, failed: 0 },
      });
      await assert.rejects(confirmRun(event, all), {
        message: /run-1 says that it succeeded, but .*rows.*, no assertion/,
      });
    });
  });
});
