import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { type AddressInfo, connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PubSub } from "@google-cloud/pubsub";
import { Server, ServerCredentials, type ServiceDefinition, type sendUnaryData, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { PubSubMessenger } from "../adapters/pubsub.ts";
import { assertExpirationIsAllowed, type PubSubEmulator, startPubSub } from "./emulators/pubsub.ts";

describe("Pub/Sub messenger", () => {
  let emulator: PubSubEmulator;
  let client: PubSub;
  let messenger: PubSubMessenger;
  let stop: AbortController;

  before(async () => {
    emulator = await startPubSub();
    process.env.PUBSUB_EMULATOR_HOST = emulator.host;
    client = new PubSub({ projectId: "demo" });
    await client.createTopic("app-events");
  });
  after(async () => {
    delete process.env.PUBSUB_EMULATOR_HOST;
    await client?.close();
    await emulator?.close();
  });
  beforeEach(() => {
    messenger = new PubSubMessenger("pubsub://demo?events=app-events");
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await messenger.close();
  });

  const subscriptions = async (): Promise<string[]> => {
    const [all] = await client.getSubscriptions();
    return all.map(({ name }) => name);
  };

  it("delivers later messages that match the filter, and deletes its subscription at the end", async () => {
    await messenger.publish("events", { n: 0 }, { run_id: "a" });
    const messages = await messenger.subscribe("events", { run_id: "a" }, stop.signal);
    const [subscription] = await subscriptions();
    const [metadata] = await client.subscription(subscription!).getMetadata();
    assert.equal(metadata.filter, 'attributes.run_id = "a"');
    assert.equal(Number(metadata.expirationPolicy?.ttl?.seconds), 172_800);
    assertExpirationIsAllowed(metadata);
    await messenger.publish("events", { n: 1 }, { run_id: "b" });
    const id = await messenger.publish("events", { n: 2, text: "«ü»" }, { run_id: "a", status: "succeeded" });
    for await (const message of messages) {
      assert.deepEqual(message, {
        id,
        data: { n: 2, text: "«ü»" },
        attributes: { run_id: "a", status: "succeeded" },
      });
      break;
    }
    assert.deepEqual(await subscriptions(), []);
  });

  it("ends the messages when the signal aborts", async () => {
    const messages = await messenger.subscribe("events", {}, stop.signal);
    setTimeout(() => stop.abort(), 100);
    assert.deepEqual(await Array.fromAsync(messages), []);
    assert.deepEqual(await subscriptions(), []);
  });

  it("delivers data that is not JSON as text", async () => {
    const messages = await messenger.subscribe("events", {}, stop.signal);
    await client.topic("app-events").publishMessage({ data: Buffer.from("{no") });
    for await (const { data } of messages) {
      assert.equal(data, "{no");
      break;
    }
  });

  it("names the topics that its URL lacks, and the format of a URL", async () => {
    await assert.rejects(
      messenger.publish("requests", {}, {}),
      /no topic for requests; it has topics for: events/,
    );
    assert.throws(() => new PubSubMessenger("pubsub:"), /allowed is pubsub:\/\/project\?events=topic/);
  });

  it("publishes after connections broke", async () => {
    let broken = 0;
    const proxy = createServer((socket) => {
      broken += 1;
      if (broken <= 2) return socket.destroy();
      const upstream = connect(emulator.port, "127.0.0.1");
      for (const end of [socket, upstream]) end.on("error", () => undefined);
      return socket.pipe(upstream).pipe(socket);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    process.env.PUBSUB_EMULATOR_HOST = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const shaken = new PubSubMessenger("pubsub://demo?events=app-events");
    try {
      assert.match(await shaken.publish("events", {}, {}), /^\d+$/);
      assert.ok(broken > 2);
    } finally {
      process.env.PUBSUB_EMULATOR_HOST = emulator.host;
      await shaken.close();
      proxy.close();
    }
  });

  describe("with a server that fails", () => {
    /** Answers before the message is accepted, and their delay in milliseconds. */
    let failures: status[];
    let late: number;
    let published: number;
    let server: Server;
    let failing: PubSubMessenger;

    before(async () => {
      // The client's definitions, and those of Google that they import.
      const pubsub = fileURLToPath(import.meta.resolve("@google-cloud/pubsub"));
      const gax = createRequire(pubsub).resolve("google-gax");
      const includeDirs = [pubsub, gax].map((main) => join(dirname(main), "../protos"));
      const loaded = loadSync("google/pubsub/v1/pubsub.proto", { includeDirs });
      server = new Server();
      server.addService(loaded["google.pubsub.v1.Publisher"] as ServiceDefinition, {
        publish: (_: unknown, answer: sendUnaryData<object>) => {
          published += 1;
          const code = failures.shift();
          setTimeout(
            () =>
              code === undefined
                ? answer(null, { messageIds: ["7"] })
                : answer({ code, details: "injected" }),
            late,
          );
        },
      });
      const port = await promisify(server.bindAsync.bind(server))(
        "127.0.0.1:0",
        ServerCredentials.createInsecure(),
      );
      process.env.PUBSUB_EMULATOR_HOST = `127.0.0.1:${port}`;
    });
    after(() => {
      process.env.PUBSUB_EMULATOR_HOST = emulator.host;
      server?.forceShutdown();
    });
    beforeEach(() => {
      [failures, late, published] = [[], 0, 0];
      failing = new PubSubMessenger("pubsub://demo?events=app-events");
    });
    afterEach(() => failing.close());

    for (const [code, http] of [
      [status.RESOURCE_EXHAUSTED, 429],
      [status.INTERNAL, 500],
      [status.UNAVAILABLE, 503],
    ] as const)
      it(`publishes after answers ${status[code]} (HTTP ${http})`, async () => {
        failures = [code, code];
        assert.equal(await failing.publish("events", {}, {}), "7");
        assert.equal(published, 3);
      });

    it("waits for a slow answer", async () => {
      late = 3000;
      assert.equal(await failing.publish("events", {}, {}), "7");
      assert.equal(published, 1);
    });

    it("does not publish a refused message again", async () => {
      failures = [status.PERMISSION_DENIED];
      await assert.rejects(failing.publish("events", {}, {}), /PERMISSION_DENIED: injected/);
      assert.equal(published, 1);
    });
  });

  it("fails when there is no such topic", async () => {
    const lost = new PubSubMessenger("pubsub://demo?events=nowhere");
    try {
      await assert.rejects(lost.publish("events", {}, {}), /NOT_FOUND|not found/i);
    } finally {
      await lost.close();
    }
  });
});
