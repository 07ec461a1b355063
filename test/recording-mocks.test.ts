import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { record, unwrap } from "./recording-mocks.ts";

const TOPIC = "gcp:pubsub/topic:Topic";

class Pair extends pulumi.ComponentResource {
  readonly second: gcp.pubsub.Topic;

  constructor(name: string) {
    super("test:components:Pair", name, {});
    const first = new gcp.pubsub.Topic(`${name}-first`, { labels: { of: "pair" } }, { parent: this });
    this.second = new gcp.pubsub.Topic(`${name}-second`, { name: first.id }, { parent: this });
  }
}

describe("recording mocks", () => {
  it("record every resource with its inputs and its parents", async () => {
    const { resources, get, ofType, result } = await record(() => new Pair("a"));
    assert.deepEqual(
      resources.map(({ type, name }) => [type, name]),
      [
        [TOPIC, "a-first"],
        [TOPIC, "a-second"],
        ["test:components:Pair", "a"],
      ],
    );
    assert.deepEqual(get(TOPIC, "a-first"), {
      type: TOPIC,
      name: "a-first",
      inputs: { labels: { of: "pair" } },
      path: ["test:components:Pair", TOPIC],
    });
    assert.equal(get(TOPIC, "a-second").inputs.name, "a-first-id");
    assert.equal(ofType(TOPIC).length, 2);
    assert.equal(await unwrap(result.second.name), "a-first-id");
    assert.throws(() => get(TOPIC, "third"), /There is no gcp:pubsub.topic:Topic third, only .*a-first/);
  });

  it("answer with the outputs that a test tells", async () => {
    const { result } = await record(
      () => new gcp.serviceaccount.Account("jobs", { accountId: "jobs" }),
      ({ inputs }) => ({ email: `${inputs.accountId}@p.iam.gserviceaccount.com` }),
    );
    assert.equal(await unwrap(result.email), "jobs@p.iam.gserviceaccount.com");
  });

  it("start anew each time", async () => {
    await record(() => new Pair("a"));
    assert.equal((await record(() => new Pair("b"))).resources.length, 3);
  });

  it("refuse two resources of one type and name", async () => {
    await assert.rejects(
      record(() => [new gcp.pubsub.Topic("a"), new gcp.pubsub.Topic("a")]),
      /Two resources are/,
    );
  });

  it("refuse to look anything up", async () => {
    await assert.rejects(
      record(() => gcp.organizations.getProject({}).catch(() => undefined)),
      /getProject is not implemented/,
    );
  });
});
