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
      isProtected: false,
      isKept: false,
      after: [],
      replacedWith: [],
      ignored: [],
      isDeletedFirst: false,
      urns: [`test:components:Pair$${TOPIC}::a-first`],
    });
    assert.equal(get(TOPIC, "a-second").inputs.name, "a-first-id");
    assert.equal(ofType(TOPIC).length, 2);
    assert.equal(await unwrap(result.second.name), "a-first-id");
    assert.throws(() => get(TOPIC, "third"), /There is no gcp:pubsub.topic:Topic third, only .*a-first/);
  });

  it("return the outputs that a test gives", async () => {
    const { result } = await record(
      () => new gcp.serviceaccount.Account("jobs", { accountId: "jobs" }),
      ({ inputs }) => ({ email: `${inputs.accountId}@p.iam.gserviceaccount.com` }),
    );
    assert.equal(await unwrap(result.email), "jobs@p.iam.gserviceaccount.com");
  });

  it("start with no resources each time", async () => {
    await record(() => new Pair("a"));
    assert.equal((await record(() => new Pair("b"))).resources.length, 3);
  });

  it("record the URNs of aliases, by name, type, parent and URN", async () => {
    const aliased = (alias: pulumi.Input<string> | pulumi.Alias) =>
      record(() => new gcp.pubsub.Topic("new", {}, { parent: new Pair("a"), aliases: [alias] }));
    const pair = "test:components:Pair";
    for (const [alias, urn] of [
      [{ name: "old" }, `${pair}$${TOPIC}::old`],
      [{ type: "gcp:old:Topic" }, `${pair}$gcp:old:Topic::new`],
      [{ parent: pulumi.rootStackResource }, `${TOPIC}::new`],
      [{ parent: "urn:pulumi:dev::customer-value::test:Old::b" }, `test:Old$${TOPIC}::new`],
      ["urn:pulumi:dev::customer-value::test:Old$gcp:old:Topic::c", "test:Old$gcp:old:Topic::c"],
    ] as const) {
      const { urns } = (await aliased(alias)).get(TOPIC, "new");
      assert.deepEqual(urns, [`${pair}$${TOPIC}::new`, urn]);
    }
  });

  it("record the URNs that children have by the aliases of their parent", async () => {
    const Type = class extends pulumi.ComponentResource {
      constructor() {
        super("test:components:New", "a", {}, { aliases: [{ type: "test:components:Old" }] });
        new gcp.pubsub.Topic("a-first", {}, { parent: this });
      }
    };
    const { urns } = (await record(() => new Type())).get(TOPIC, "a-first");
    assert.deepEqual(
      urns,
      ["New", "Old"].map((type) => `test:components:${type}$${TOPIC}::a-first`),
    );
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
