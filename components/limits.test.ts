/** Limits that Google documents and refuses to exceed, held against what the stack and its programs ask for. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { longestTime } from "../adapters/retry.ts";
import { REQUEST_TIMEOUT } from "../adapters/vertex-ai.ts";
import type { RecordedResource } from "../test/recording-mocks.ts";
import { resourcesIn, runStack, type Stack, type StackProgram } from "../test/stack-program.ts";
import { toSeconds } from "./duration.ts";
import { INVOKER_DEADLINE } from "./workload.ts";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const seconds = (duration: unknown): number => Number(String(duration).replace("s", ""));
const [MINUTE, HOUR, DAY] = [toSeconds("1 minute"), toSeconds("1 hour"), toSeconds("1 day")];

/** Asserts that the value is in the range, with the name of what has it. */
function assertBetween(least: number, value: number, most: number, what: string): void {
  assert.ok(value >= least && value <= most, `${what} is ${value}; allowed are ${least} to ${most}`);
}

describe("limits of Google Cloud", function () {
  this.timeout(60_000);
  for (const stack of ["dev", "prod"] satisfies Stack[])
    describe(stack, () => {
      let program: StackProgram;
      let ofType: (end: string) => RecordedResource[];
      before(async () => {
        program = await runStack(stack);
        ofType = (end) => resourcesIn(program).filter(({ type }) => type.endsWith(`:${end}`));
      });

      // cloud.google.com/pubsub/docs/subscription-properties, …/handling-failures
      it("of subscriptions: retention, acknowledgment, dead letters, back-off", () => {
        const subscriptions = ofType("Subscription");
        assert.ok(subscriptions.length > 4);
        for (const { name, inputs } of subscriptions) {
          assertBetween(10 * MINUTE, seconds(inputs.messageRetentionDuration), 31 * DAY, `${name} retention`);
          assertBetween(10, Number(inputs.ackDeadlineSeconds ?? 10), 600, `${name} acknowledgment`);
          const letters = inputs.deadLetterPolicy as { maxDeliveryAttempts: number } | undefined;
          if (letters) assertBetween(5, letters.maxDeliveryAttempts, 100, `${name} attempts`);
          const retry = inputs.retryPolicy as { minimumBackoff: string; maximumBackoff: string } | undefined;
          for (const wait of Object.values(retry ?? {})) assertBetween(0, seconds(wait), 600, `${name} wait`);
        }
      });

      it("of the invoker: it answers before Cloud Run and Pub/Sub stop waiting", () => {
        // A read of Cloud Storage comes before the request of Vertex AI.
        const worst = longestTime(REQUEST_TIMEOUT) / 1000 + 20;
        assertBetween(worst, toSeconds(INVOKER_DEADLINE), 600, "the invoker's deadline");
        const { timeout } = ofType("Service")[0]!.inputs.template as { timeout: string };
        for (const { name, inputs } of ofType("Subscription"))
          if (inputs.pushConfig !== undefined)
            assertBetween(seconds(timeout), Number(inputs.ackDeadlineSeconds), 600, name);
      });

      // cloud.google.com/run/docs/reference/rest/v2/Container#Probe
      it("of probes: they time out before the next one", () => {
        const { containers } = ofType("Service")[0]!.inputs.template as {
          containers: Record<string, { timeoutSeconds: number; periodSeconds: number }>[];
        };
        for (const probe of ["startupProbe", "livenessProbe"]) {
          const { timeoutSeconds, periodSeconds } = containers[0]![probe]!;
          assertBetween(1, timeoutSeconds, periodSeconds - 1, probe);
        }
      });

      // cloud.google.com/workflows/quotas
      it("of workflows: source, environment variables, expressions", () => {
        for (const { inputs } of ofType("Workflow")) {
          assertBetween(1, Buffer.byteLength(String(inputs.sourceContents)), 128 * 1024, "the source");
          const variables = Object.entries(inputs.userEnvVars as Record<string, string>);
          assertBetween(1, variables.length, 20, "the number of variables");
          for (const [key, value] of variables) {
            assert.doesNotMatch(key, /^(GOOGLE|WORKFLOWS)/);
            assertBetween(1, Buffer.byteLength(value), 4096, key);
          }
          const expressions = String(inputs.sourceContents).match(/\$\{[^\n]*\}/g) ?? [];
          assert.ok(expressions.length > 20);
          for (const text of expressions) assertBetween(1, text.length, 400, text);
        }
      });

      // cloud.google.com/iam/docs/reference/rest/v1/projects.roles, …/creating-custom-roles
      it("of custom roles: id, title, description, permissions", () => {
        const roles = ofType("IAMCustomRole");
        assert.ok(roles.length > 2);
        for (const { name, inputs } of roles) {
          assert.match(String(inputs.roleId), /^[\w.]{3,64}$/, name);
          assertBetween(1, String(inputs.title).length, 100, `${name} title`);
          assertBetween(1, String(inputs.description).length, 300, `${name} description`);
          assertBetween(1, (inputs.permissions as string[]).length, 3000, `${name} permissions`);
        }
      });
    });

  /** Retention and expiration in seconds of the subscription that each of these creates for a run. */
  const ofRun: Readonly<Record<string, RegExp>> = {
    "composer/dags/customer_value.py":
      /message_retention_duration={"seconds": ([\d* ]+)},\s+expiration_policy={"ttl": {"seconds": ([\d* ]+)}}/,
    "workflows/customer_value.yaml": /messageRetentionDuration: (\d+)s\s+expirationPolicy: { ttl: (\d+)s }/,
    "adapters/pubsub.ts":
      /messageRetentionDuration: { seconds: ([\d* ]+) },\s+expirationPolicy: { ttl: { seconds: ([\d* ]+) } }/,
  };
  const product = (text: string) => text.split("*").reduce((result, factor) => result * Number(factor), 1);
  for (const [file, pattern] of Object.entries(ofRun))
    it(`of a run's subscription: it keeps messages for the run, and expires later (${file})`, () => {
      const [, retention = "", expiration = ""] = pattern.exec(read(file)) ?? assert.fail("not found");
      const runLimit = /RUN_LIMIT = "(\d+) hours"/.exec(read("index.ts"))?.[1];
      assertBetween(Number(runLimit) * HOUR, product(retention), 31 * DAY, "the retention");
      assertBetween(
        Math.max(DAY, product(retention) + DAY),
        product(expiration),
        365 * DAY,
        "the expiration",
      );
    });
});
