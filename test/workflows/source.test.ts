import assert from "node:assert/strict";
import { load } from "js-yaml";
import { planWorkflow } from "../../components/workflows-orchestrator.ts";
import { localSettings } from "../airflow/settings.ts";

/*
 * Limits of Workflows: cloud.google.com/workflows/quotas, and userEnvVars in the REST reference of workflows.
 */
const SOURCE_BYTES = 128 * 1024;
const VARIABLES = 20;
const VARIABLE_BYTES = 4 * 1024;
const EXPRESSION_LENGTH = 400;
const ASSIGNMENTS = 50;
const CONDITIONS = 50;
const STEPS_PER_EXECUTION = 100_000;
const CALL_DEPTH = 20;

type Step = Readonly<Record<string, unknown>>;
interface Workflow {
  readonly steps: readonly Readonly<Record<string, Step>>[];
}

const settings = localSettings({ project: "shop", invokerUrl: "https://invoker.example.com" });
const { source } = planWorkflow(settings);
const workflows = load(source) as Readonly<Record<string, Workflow>>;

/** A node of the source and all below it. */
function* nodesIn(node: unknown): Generator<unknown> {
  yield node;
  if (typeof node === "object" && node !== null)
    for (const child of Object.values(node)) yield* nodesIn(child);
}
const maps = (node: unknown) =>
  [...nodesIn(node)].filter(
    (each): each is Step => typeof each === "object" && each !== null && !Array.isArray(each),
  );
/** The names of the workflows that a part of the source calls, each as often as it calls it. */
const callsIn = (node: unknown) =>
  maps(node)
    .map(({ call }) => call as string)
    .filter((call) => call in workflows);
/** Steps of one pass through a part of the source: each step once, all branches, all retries, no jump back. */
function stepsOf(node: unknown): number {
  const parts = maps(node);
  const own = parts.filter((part) =>
    ["assign", "call", "switch", "for", "return", "raise", "try"].some((kind) => kind in part),
  );
  const retries = Math.max(
    0,
    ...parts.map(({ retry }) => (retry as { max_retries?: number })?.max_retries ?? 0),
  );
  return own.length * (1 + retries) + callsIn(node).reduce((sum, name) => sum + stepsOf(workflows[name]), 0);
}
const depthOf = (name: string): number =>
  1 + Math.max(0, ...callsIn(workflows[name]).map((called) => depthOf(called)));

describe("the source of the workflow", () => {
  it("is within the limits of Workflows", () => {
    assert.ok(Buffer.byteLength(source) <= SOURCE_BYTES);
    for (const text of [...nodesIn(workflows)].filter((node) => typeof node === "string")) {
      if (!text.includes("${")) continue;
      assert.match(text, /^\$\{.*\}$/s, "An expression must be the whole value");
      assert.ok(text.length <= EXPRESSION_LENGTH, text);
    }
    for (const { assign, switch: conditions } of maps(workflows)) {
      assert.ok(((assign as unknown[]) ?? []).length <= ASSIGNMENTS);
      assert.ok(((conditions as unknown[]) ?? []).length <= CONDITIONS);
    }
    assert.ok(depthOf("main") <= CALL_DEPTH);
  });

  it("takes at most 100,000 steps, even if each request is repeated as often as possible", () => {
    const { run_seconds } = settings.limits;
    // Pauses are as long as poll_seconds of the stack, after a few shorter ones.
    const polls = run_seconds / 30 + 10;
    const steps = stepsOf(workflows.main) + polls * stepsOf(workflows.wait_for_success);
    assert.ok(steps <= STEPS_PER_EXECUTION, `${steps} steps`);
  });

  it("jumps only to steps that exist, and calls only workflows and functions that exist", () => {
    const names = new Set(maps(workflows).flatMap((map) => Object.keys(map)));
    for (const { next } of maps(workflows))
      if (next !== undefined) assert.ok(names.has(next as string), `next: ${next}`);
    for (const { call } of maps(workflows))
      if (call !== undefined)
        assert.ok((call as string) in workflows || /^(http|sys)\.\w+$/.test(call as string));
  });

  it("sends Google's access token only to Google, and the invoker's identity token only to the invoker", () => {
    for (const { call, args } of maps(workflows)) {
      if (!/^http\./.test(String(call))) continue;
      const { url, auth } = args as { url: string; auth: { type: string; audience?: string } };
      const isInvoker = url.startsWith("${settings.invoker_url");
      assert.equal(auth.type, isInvoker ? "OIDC" : "OAuth2");
      if (isInvoker) assert.equal(auth.audience, "${settings.invoker_url}");
    }
    for (const { call, args } of maps(workflows)) {
      const { url = "", auth } = (args ?? {}) as { url?: string; auth?: { type: string } };
      // The call in call_google has the URL of its caller.
      if (call === "call_google" || (auth?.type === "OAuth2" && url !== "${url}"))
        assert.match(url, /^\$\{(subscription|queries|settings\.pubsub_url)\b/);
    }
  });
});

describe("the environment of the workflow", () => {
  it("is within the limits of Workflows with the longest names that the stack's settings allow", () => {
    const project = "p".repeat(30);
    const { environment } = planWorkflow({
      ...settings,
      project,
      tables: {
        mart: `${project}.${"d".repeat(1024)}.rfm`,
        checks: `${project}.ops.checks`,
        models: `${project}.rfm.models`,
      },
      invoker_url: `https://${"i".repeat(63)}-${"a".repeat(20)}.a.run.app`,
      requests_topic: "t".repeat(255),
      events_topic: "t".repeat(255),
      runbook_url: `https://github.com/${"r".repeat(140)}/blob/main/docs/runbook.md#failed-run`,
      labels: { app: "a".repeat(63), environment: "e".repeat(63) },
      notification_emails: Array(100).fill("on-call@example.com"),
    });
    assert.ok(Object.keys(environment).length <= VARIABLES);
    for (const [name, value] of Object.entries(environment)) {
      assert.doesNotMatch(name, /^(GOOGLE|WORKFLOWS)/);
      assert.ok(Buffer.byteLength(value) <= VARIABLE_BYTES, `${name} has ${value.length} bytes`);
    }
  });

  it("has the query of the DAG, with the tables of the stack", () => {
    const { CONFIRMATION } = planWorkflow(settings).environment;
    assert.match(CONFIRMATION, /FROM `shop\.mlops_mkt\.rfm` WHERE run_date = @run_date/);
    assert.match(CONFIRMATION, /FROM `shop\.ops\.checks`.*FROM `shop\.rfm\.models`/);
    assert.doesNotMatch(CONFIRMATION, /--|\$\{/);
  });
});
