import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import type { z } from "zod";
import { openPublisher } from "../../adapters/publisher.ts";
import { type Message, pushEnvelope } from "../../contracts/messages.ts";
import { createLogger } from "../../lib/log.ts";
import { LocalMessenger, type PushOptions } from "./messenger.ts";

type Delivery = z.output<typeof pushEnvelope> & { readonly data: unknown };

const log = createLogger({ component: "test" }, "silent");

describe("messenger", () => {
  let messenger: LocalMessenger;
  const done: (() => unknown)[] = [];
  beforeEach(async () => {
    messenger = await LocalMessenger.start(log);
    done.push(() => messenger.close());
  });
  afterEach(async () => {
    for (const end of done.splice(0).toReversed()) await end();
  });

  /** The first messages of a subscription that starts now. */
  async function take(
    count: number,
    topic = "events",
    filter: Record<string, string> = {},
  ): Promise<Message[]> {
    const messages: Message[] = [];
    const stop = new AbortController();
    done.push(() => stop.abort());
    for await (const message of await messenger.subscribe(topic, filter, stop.signal)) {
      messages.push(message);
      if (messages.length === count) break;
    }
    return messages;
  }

  /** An endpoint that answers with these status codes, then with 204. It decodes what it receives. */
  async function endpoint(...statuses: number[]): Promise<{ url: string; got: Delivery[]; server: Server }> {
    const got: Delivery[] = [];
    const server = createServer(async (request, response) => {
      const body = (await json(request)) as z.output<typeof pushEnvelope>;
      got.push({ ...body, data: JSON.parse(Buffer.from(body.message.data, "base64").toString() || "null") });
      const status = statuses.shift() ?? 204;
      if (status === 0) request.socket.destroy();
      else response.writeHead(status).end(status === 204 ? undefined : "no");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    done.push(
      () => server.closeAllConnections(),
      () => server.close(),
    );
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, got, server };
  }
  const push = (url: string, options: Partial<PushOptions> = {}): void =>
    messenger.push({
      topic: "requests",
      url,
      maxDeliveryAttempts: 3,
      minimumBackoff: 5,
      ...options,
    });
  const untilLength = async (list: unknown[], length: number): Promise<void> => {
    while (list.length < length) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  describe("subscription", () => {
    it("receives the messages of its topic that have all its attributes, in order", async () => {
      const taken = take(2, "events", { run_id: "a", status: "ok" });
      await messenger.publish("events", 1, { run_id: "b", status: "ok" });
      await messenger.publish("events", 2, { run_id: "a" });
      await messenger.publish("other", 3, { run_id: "a", status: "ok" });
      await messenger.publish("events", { n: 4 }, { run_id: "a", status: "ok", more: "x" });
      await messenger.publish("events", 5, { run_id: "a", status: "ok" });
      assert.deepEqual(
        (await taken).map(({ data }) => data),
        [{ n: 4 }, 5],
      );
    });

    it("receives the same message as other subscriptions, with one id", async () => {
      const taken = [take(1), take(1)];
      const id = await messenger.publish("events", "x", {});
      for (const [message] of await Promise.all(taken))
        assert.deepEqual(message, { id, data: "x", attributes: {} });
      assert.notEqual(await messenger.publish("events", "x", {}), id);
    });

    it("receives nothing from before it started", async () => {
      await messenger.publish("events", "old", {});
      const taken = take(1);
      await messenger.publish("events", "new", {});
      assert.equal((await taken)[0]!.data, "new");
    });

    it("ends without an error when its signal aborts, before or while it waits", async () => {
      const stop = new AbortController();
      const drained = Array.fromAsync(await messenger.subscribe("events", {}, stop.signal));
      await messenger.publish("events", 1, {});
      await new Promise(setImmediate);
      stop.abort();
      assert.equal((await drained).length, 1);
      assert.deepEqual(await Array.fromAsync(await messenger.subscribe("events", {}, stop.signal)), []);
    });
  });

  describe("push", () => {
    it("delivers data, attributes and ids in the body of a Pub/Sub push", async () => {
      const { url, got } = await endpoint();
      push(url);
      const id = await messenger.publish("requests", { run: "ä" }, { run_id: "a" });
      await untilLength(got, 1);
      pushEnvelope.parse(got[0]);
      assert.deepEqual(got[0]!.data, { run: "ä" });
      assert.equal(got[0]!.message.messageId, id);
      assert.deepEqual(got[0]!.message.attributes, { run_id: "a" });
      assert.equal(got[0]!.deliveryAttempt, 1);
      assert.match(got[0]!.subscription, /^projects\/[\w-]+\/subscriptions\/requests-push$/);
    });

    it("delivers again until the endpoint acknowledges, even if only the answer was lost", async () => {
      // The endpoint does its work, then answers 500 or breaks the connection.
      const { url, got } = await endpoint(500, 0);
      push(url);
      const stop = new AbortController();
      const letters = Array.fromAsync(await messenger.subscribe("requests-dead-letter", {}, stop.signal));
      await messenger.publish("requests", "x", {});
      await untilLength(got, 3);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual(
        got.map(({ deliveryAttempt }) => deliveryAttempt),
        [1, 2, 3],
      );
      assert.equal(new Set(got.map(({ message }) => message.messageId)).size, 1);
      stop.abort();
      assert.deepEqual(await letters, []);
    });

    it("delivers again when the endpoint does not answer in time", async () => {
      let received = 0;
      const silent = createServer((_, response) => void (++received > 1 && response.writeHead(204).end()));
      await once(silent.listen(0, "127.0.0.1"), "listening");
      done.push(
        () => silent.closeAllConnections(),
        () => silent.close(),
      );
      push(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/`, { ackDeadline: 50 });
      await messenger.publish("requests", "x", {});
      while (received < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    });

    it("doubles the delay before each delivery", async () => {
      const at: number[] = [];
      const { url, got, server } = await endpoint(500, 500);
      server.prependListener("request", () => at.push(performance.now()));
      push(url, { minimumBackoff: 40 });
      await messenger.publish("requests", "x", {});
      await untilLength(got, 3);
      assert.ok(at[1]! - at[0]! >= 38 && at[2]! - at[1]! >= 78, String(at));
    });

    it("publishes a message that is always refused as a dead letter, with the reason", async () => {
      const { url, got } = await endpoint(400, 400, 400);
      push(url);
      const taken = take(1, "requests-dead-letter", { run_id: "a" });
      const id = await messenger.publish("requests", "x", { run_id: "a" });
      const [letter] = await taken;
      assert.deepEqual(letter, { id, data: "x", attributes: { run_id: "a", reason: "400: no" } });
      assert.equal(got.length, 3);
    });

    it("delivers other messages while one fails", async () => {
      const { url, got } = await endpoint(500);
      push(url, { minimumBackoff: 100 });
      await messenger.publish("requests", "first", {});
      await untilLength(got, 1);
      await messenger.publish("requests", "second", {});
      await untilLength(got, 3);
      assert.deepEqual(
        got.map(({ data }) => data),
        ["first", "second", "first"],
      );
    });

    it("delivers a message without data", async () => {
      const { url, got } = await endpoint();
      push(url);
      await messenger.publish("requests", undefined, { run_id: "a" });
      await untilLength(got, 1);
      assert.equal(got[0]!.message.data, "");
    });
  });

  describe("over HTTP", () => {
    it("accepts messages from other processes, which publish again when the answer was lost", async () => {
      const taken = take(1, "events", { run_id: "a" });
      const id = await (await openPublisher(messenger.url)).publish("events", { n: 1 }, { run_id: "a" });
      assert.deepEqual(await taken, [{ id, data: { n: 1 }, attributes: { run_id: "a" } }]);

      let tries = 0;
      const flaky = createServer((_, response) => {
        tries += 1;
        if (tries === 1) response.destroy();
        else response.writeHead(200).end(JSON.stringify({ id: "7" }));
      }).listen(0, "127.0.0.1");
      await once(flaky, "listening");
      done.push(() => flaky.close());
      const url = `http://127.0.0.1:${(flaky.address() as AddressInfo).port}`;
      assert.equal(await (await openPublisher(url)).publish("events", 1, {}), "7");
      assert.equal(tries, 2);
    });

    it("answers 400 with the reason to an invalid message", async () => {
      const cases: [string, string, string | null, RegExp][] = [
        ["GET", "/topics/events", null, /Use POST \/topics\/\{topic\}/],
        ["POST", "/", "{}", /Use POST/],
        ["POST", "/topics/a%20b", "{}", /Use POST/],
        ["POST", "/topics/events", "{no json", /JSON/],
        ["POST", "/topics/events", "{}", /data/],
        ["POST", "/topics/events", '{"data": 1, "attributes": {"run_id": 2}}', /attributes\.run_id/],
        ["POST", "/topics/events", '{"data": 1, "more": 2}', /more/],
      ];
      for (const [method, path, body, reason] of cases) {
        const response = await fetch(messenger.url + path, { method, body });
        assert.equal(response.status, 400, `${method} ${path} ${body}`);
        assert.match(await response.text(), reason);
      }
    });
  });
});
