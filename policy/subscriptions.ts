import { policy } from "./rule.ts";
import { at, isEmpty, UNKNOWN } from "./value.ts";

const types = ["gcp:pubsub/subscription:Subscription"];

/** A message that can't be handled ends in a dead-letter topic. What reads dead letters is exempt, known by its name. */
export function subscriptionDeadLetter() {
  return policy({
    name: "subscription-dead-letter",
    description:
      "Every subscription has a dead-letter topic, except those named dead-letter, which read one.",
    remedy: "Set deadLetterPolicy.deadLetterTopic.",
    types,
    *violations({ name, properties }) {
      const isDeadLetter = [name, at(properties, "name")].some((text) => /dead-?letter/i.test(String(text)));
      if (!isDeadLetter && isEmpty(at(properties, "deadLetterPolicy.deadLetterTopic")))
        yield "no deadLetterPolicy.deadLetterTopic";
    },
  });
}

/** Unread for 31 days, a subscription is deleted by default, and what is published after that is lost. */
export function subscriptionNeverExpires() {
  return policy({
    name: "subscription-never-expires",
    description: "Subscriptions never expire.",
    remedy: 'Set expirationPolicy: { ttl: "" }, which means never.',
    types,
    *violations({ properties }) {
      const ttl = at(properties, "expirationPolicy.ttl");
      if (ttl === undefined) yield "no expirationPolicy, which means 31 days";
      else if (ttl !== "" && ttl !== UNKNOWN) yield `expirationPolicy.ttl ${JSON.stringify(ttl)}`;
    },
  });
}

/** A push says who it is, so that the endpoint can refuse everybody else. */
export function pushWithToken() {
  return policy({
    name: "push-with-token",
    description: "Pub/Sub pushes with the OIDC token of a service account.",
    remedy: "Set pushConfig.oidcToken.serviceAccountEmail to an account that may invoke the endpoint.",
    types,
    *violations({ properties }) {
      const email = at(properties, "pushConfig.oidcToken.serviceAccountEmail");
      if (!isEmpty(at(properties, "pushConfig.pushEndpoint")) && isEmpty(email))
        yield "a push without oidcToken";
    },
  });
}
