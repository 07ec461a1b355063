import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { PubSub } from "@google-cloud/pubsub";
import { PubSubMessenger } from "./pubsub.ts";

/** A client of Pub/Sub that records what is asked of it. */
class FakePubSub {
  readonly calls: unknown[] = [];
  readonly subscription = Object.assign(new EventEmitter(), {
    close: async () => void this.calls.push("close subscription"),
    delete: async () => void this.calls.push("delete subscription"),
  });

  topic(name: string, options: object) {
    this.calls.push(["topic", name, options]);
    return {
      publishMessage: async ({ data, attributes }: { data: Buffer; attributes: object }) => {
        this.calls.push(["publish", data.toString(), attributes]);
        return "7";
      },
      createSubscription: async (subscription: string, settings: object) => {
        this.calls.push(["subscribe", subscription, settings]);
        return [this.subscription];
      },
    };
  }

  async close() {
    this.calls.push("close client");
  }

  /** Delivers a message; its acknowledgment is recorded. */
  deliver(id: string, text: string, attributes: Record<string, string>) {
    const ack = () => this.calls.push(`ack ${id}`);
    this.subscription.emit("message", { id, data: Buffer.from(text), attributes, ack });
  }
}

describe("Pub/Sub messenger", () => {
  let client: FakePubSub;
  let messenger: PubSubMessenger;
  beforeEach(() => {
    client = new FakePubSub();
    messenger = new PubSubMessenger("pubsub://p?events=app-events", client as unknown as PubSub);
  });

  const LIMIT = { gaxOpts: { timeout: 60_000 } };

  it("publishes JSON with attributes to the topic of the URL, and closes the client", async () => {
    assert.equal(await messenger.publish("events", { a: "ä" }, { run_id: "r" }), "7");
    await messenger.close();
    assert.deepEqual(client.calls, [
      ["topic", "app-events", LIMIT],
      ["publish", '{"a":"ä"}', { run_id: "r" }],
      "close client",
    ]);
  });

  it("gives the messages with the attributes of the filter, and acknowledges all", async () => {
    const messages = await messenger.subscribe(
      "events",
      { run_id: "r", kind: "k" },
      new AbortController().signal,
    );
    const [, subscribe] = client.calls as [unknown, [string, string, object]];
    assert.match(subscribe[1], /^events-[0-9a-f-]{36}$/);
    assert.deepEqual(subscribe[2], {
      filter: 'attributes.run_id = "r" AND attributes.kind = "k"',
      expirationPolicy: { ttl: { seconds: 172_800 } },
      messageRetentionDuration: { seconds: 43_200 },
    });
    const iterator = messages[Symbol.asyncIterator]();
    const next = iterator.next();
    client.deliver("1", "{}", { run_id: "other", kind: "k" });
    client.deliver("2", "{}", { run_id: "r" });
    client.deliver("3", '{"a":1}', { run_id: "r", kind: "k" });
    client.deliver("4", "{no", { run_id: "r", kind: "k", more: "x" });
    assert.deepEqual((await next).value, { id: "3", data: { a: 1 }, attributes: { run_id: "r", kind: "k" } });
    assert.deepEqual((await iterator.next()).value.data, "{no");
    await iterator.return?.();
    assert.deepEqual(client.calls.slice(2), [
      "ack 1",
      "ack 2",
      "ack 3",
      "ack 4",
      "close subscription",
      "delete subscription",
    ]);
  });

  it("ends when the signal aborts, and deletes the subscription", async () => {
    const abort = new AbortController();
    const messages = await messenger.subscribe("events", {}, abort.signal);
    const next = messages[Symbol.asyncIterator]().next();
    abort.abort();
    assert.deepEqual(await next, { done: true, value: undefined });
    assert.deepEqual(client.calls.slice(2), ["close subscription", "delete subscription"]);
  });

  it("throws what the subscription reports, and deletes it", async () => {
    const messages = await messenger.subscribe("events", {}, new AbortController().signal);
    const next = messages[Symbol.asyncIterator]().next();
    client.subscription.emit("error", new Error("gone"));
    await assert.rejects(next, /gone/);
    assert.deepEqual(client.calls.slice(2), ["close subscription", "delete subscription"]);
  });

  it("says which topics its URL has, and what a URL must be like", async () => {
    await assert.rejects(messenger.publish("requests", {}, {}), {
      name: "UserError",
      message: "MESSENGER_URL has no topic for requests; it has topics for: events.",
      remedy: "Add requests=TOPIC to it.",
    });
    const none = new PubSubMessenger("pubsub://p", client as unknown as PubSub);
    await assert.rejects(none.publish("events", {}, {}), /it has topics for: none\./);
    const two = new PubSubMessenger("pubsub://p?a=x&b=y", client as unknown as PubSub);
    await assert.rejects(two.publish("events", {}, {}), /it has topics for: a, b\./);
    assert.throws(() => new PubSubMessenger("pubsub:"), {
      name: "UserError",
      message: "MESSENGER_URL is pubsub:; allowed is pubsub://project?events=topic.",
    });
  });

  it("makes a client of the project if none is given", async () => {
    await new PubSubMessenger("pubsub://p?events=topic").close();
  });
});
