import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { declared, evaluate, LATER } from "../test/evaluate-policies.ts";
import { pushWithToken, subscriptionDeadLetter, subscriptionNeverExpires } from "./subscriptions.ts";

type Args = Partial<gcp.pubsub.SubscriptionArgs>;
const subscription = (args: Args, name = "requests") => declared(gcp.pubsub.Subscription, name, args);

describe("subscriptions", () => {
  it("must have a dead-letter topic", async () => {
    const check = (args: Args, name?: string) =>
      evaluate([subscriptionDeadLetter()], subscription(args, name));
    assert.match(
      (await check({ topic: "requests" })).join(),
      /"requests": found no deadLetterPolicy.deadLetterTopic/,
    );
    assert.match((await check({ deadLetterPolicy: { maxDeliveryAttempts: 5 } })).join(), /found no dead/);
    assert.deepEqual(await check({ deadLetterPolicy: { deadLetterTopic: LATER } }), []);
    for (const name of ["requests-dead-letter", "requests-deadletter"])
      assert.deepEqual(await check({ topic: "t" }, name), []);
    assert.deepEqual(await check({ name: "cvp-dev-events-dead-letters" }), []);
  });

  it("must never expire", async () => {
    const check = (args: Args) => evaluate([subscriptionNeverExpires()], subscription(args));
    assert.match((await check({})).join(), /found no expirationPolicy, which means 31 days/);
    assert.match((await check({ expirationPolicy: { ttl: "86400s" } })).join(), /ttl "86400s"/);
    for (const ttl of ["", LATER]) assert.deepEqual(await check({ expirationPolicy: { ttl } }), []);
  });

  it("must push with a token", async () => {
    const check = (pushConfig: NonNullable<Args["pushConfig"]>) =>
      evaluate([pushWithToken()], subscription({ pushConfig }));
    assert.match((await check({ pushEndpoint: LATER })).join(), /found a push without oidcToken/);
    const oidcToken = { serviceAccountEmail: LATER };
    assert.deepEqual(await check({ pushEndpoint: "https://invoker", oidcToken }), []);
    assert.deepEqual(await evaluate([pushWithToken()], subscription({})), []);
  });
});
