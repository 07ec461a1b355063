import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { openPublisher } from "./publisher.ts";
import { PubSubMessenger } from "./pubsub.ts";

describe("openPublisher", () => {
  let server: Server;
  let url: string;
  let received: unknown[];
  let statuses: number[];

  before(async () => {
    server = createServer(async (request, response) => {
      received.push({
        what: `${request.method} ${request.url}`,
        type: request.headers["content-type"],
        body: await json(request),
      });
      const status = statuses.shift() ?? 200;
      if (status === 0) return;
      response.writeHead(status).end(status === 200 ? '{"id":"7"}' : `answered ${status}`);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());
  beforeEach(() => {
    received = [];
    statuses = [];
  });

  it("publishes to the local stack over HTTP", async () => {
    const publisher = await openPublisher(url);
    assert.equal(await publisher.publish("events", { a: 1 }, { run_id: "r" }), "7");
    assert.deepEqual(received, [
      {
        what: "POST /topics/events",
        type: "application/json",
        body: { data: { a: 1 }, attributes: { run_id: "r" } },
      },
    ]);
    await publisher.close();
  });

  it("publishes again after an answer of 5xx, and not after one of 4xx", async () => {
    const publisher = await openPublisher(url);
    statuses = [503];
    assert.equal(await publisher.publish("events", {}, {}), "7");
    statuses = [400];
    await assert.rejects(
      publisher.publish("events", {}, {}),
      /^Error: Messenger answered 400: answered 400$/,
    );
    assert.equal(received.length, 3);
  });

  it("publishes again when there is no answer in time", async () => {
    const publisher = await openPublisher(url, 200);
    statuses = [0];
    assert.equal(await publisher.publish("events", {}, {}), "7");
    assert.equal(received.length, 2);
  });

  it("opens Pub/Sub", async () => {
    const publisher = await openPublisher("pubsub://project?events=topic");
    assert.ok(publisher instanceof PubSubMessenger);
    await publisher.close();
  });

  it("says what is allowed if the URL is neither", async () => {
    const allowed = "allowed are pubsub://project?events=topic and http://host:port.";
    await assert.rejects(openPublisher("amqp://x"), {
      name: "UserError",
      message: `MESSENGER_URL is amqp://x; ${allowed}`,
    });
    await assert.rejects(openPublisher(""), { message: `MESSENGER_URL is not set; ${allowed}` });
  });
});
