import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { planWorkflow } from "../components/workflows-orchestrator.ts";
import { localSettings } from "./airflow/settings.ts";
import { checkRequest } from "./google-apis/check.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";
import { type Execution, runWorkflow } from "./workflows/workflow.ts";

type Response = readonly [status: number, body: object, type?: string];
/** Responses by method and path without the query: the first for the first request, the last for all later ones. */
type Responses = Readonly<Record<string, readonly Response[]>>;

const RUN = { run_id: "clv-1", run_date: "1997-10-01" };
const SUBSCRIPTION = "/v1/projects/shop/subscriptions/clv-1";
const QUERIES = "/bigquery/v2/projects/shop/queries";
const PROBLEM = "application/problem+json";
const event = (end: object) => ({
  receivedMessages: [
    {
      ackId: "1",
      message: {
        attributes: { run_id: RUN.run_id },
        data: Buffer.from(JSON.stringify({ ...RUN, failed_step: null, reason: null, ...end })).toString(
          "base64",
        ),
      },
    },
  ],
});
const answer = (problems: string | null) => ({
  jobComplete: true,
  jobReference: { jobId: "job" },
  rows: [{ f: [{ v: "235" }, { v: "model" }, { v: problems }] }],
});

/** A run that succeeds. */
const GOOD: Responses = {
  "GET /healthcheck": [[200, { status: "ok" }]],
  "GET /plan": [[200, { ...RUN, attempt: 1, request: RUN }]],
  "GET /runs/clv-1": [[404, { detail: "There is no run clv-1." }, PROBLEM]],
  [`PUT ${SUBSCRIPTION}`]: [[200, {}]],
  "POST /v1/projects/shop/topics/requests:publish": [[200, { messageIds: ["1"] }]],
  [`POST ${SUBSCRIPTION}:pull`]: [
    [200, {}],
    [200, event({ status: "succeeded" })],
  ],
  [`POST ${QUERIES}`]: [[200, answer(null)]],
  [`DELETE ${SUBSCRIPTION}`]: [[200, {}]],
};

/** Runs the workflow against these responses. */
async function run(changed: Responses): Promise<{ execution: Execution; requests: string[] }> {
  const responses = { ...GOOD, ...changed };
  const requests: string[] = [];
  const wrong: string[] = [];
  const server = createServer(async (request, response) => {
    const sent = await text(request);
    wrong.push(...problemsOf(request.method!, request.url!, sent));
    const key = `${request.method} ${request.url?.split("?")[0]}`;
    const known = responses[key] ?? [[500, { error: `nothing is known of ${key}` }]];
    const earlier = requests.filter((each) => each === key).length;
    requests.push(key);
    const [status, body, type = "application/json"] = known[Math.min(earlier, known.length - 1)]!;
    response.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const settings = localSettings({ project: "shop", invokerUrl: url });
    const plan = planWorkflow(settings);
    const execution = await runWorkflow(plan, { pubsub: url, bigquery: url }, { run_date: RUN.run_date });
    assert.deepEqual(wrong, [], "Google's description of the APIs");
    return { execution, requests };
  } finally {
    server.close();
  }
}

/** What is wrong with a request to one of Google's APIs; the other requests are the invoker's. */
function problemsOf(method: string, url: string, body: string): readonly string[] {
  const api = /^\/(bigquery|v1)\//.exec(url)?.[1];
  if (api === undefined) return [];
  const host = api === "bigquery" ? "bigquery.googleapis.com" : "pubsub.googleapis.com";
  const parsed = body === "" ? undefined : JSON.parse(body);
  return checkRequest({ method, url: `https://${host}${url}`, body: parsed }).problems;
}

const NAME = "the workflow, when a request fails,";
if (!skipUnlessInstalled(NAME, ["Python 3.10 or later"]))
  describe(NAME, () => {
    const assertSucceeded = ({ execution }: Awaited<ReturnType<typeof run>>) =>
      assert.deepEqual(
        [execution.state, execution.state === "SUCCEEDED" && execution.result],
        ["SUCCEEDED", { ...RUN, attempt: 1, request: RUN, customers: 235 }],
        JSON.stringify(execution),
      );
    /** The failure, which is logged as it is raised. */
    const failureOf = ({ execution }: Awaited<ReturnType<typeof run>>) => {
      assert.equal(execution.state, "FAILED", JSON.stringify(execution));
      const errors = execution.log.filter(({ severity }) => severity === "ERROR");
      assert.deepEqual(
        errors.map(({ payload }) => payload),
        [execution.error],
      );
      return execution.error as Record<string, string | null>;
    };

    it("makes each request once if none fails", async () => {
      const done = await run({});
      assertSucceeded(done);
      assert.deepEqual(done.requests, [
        "GET /healthcheck",
        "GET /plan",
        `PUT ${SUBSCRIPTION}`,
        "POST /v1/projects/shop/topics/requests:publish",
        "GET /runs/clv-1",
        `POST ${SUBSCRIPTION}:pull`,
        `POST ${SUBSCRIPTION}:pull`,
        `POST ${QUERIES}`,
        `DELETE ${SUBSCRIPTION}`,
      ]);
    });

    it("repeats a request after 429 and 500, but not after 403", async () => {
      const busy: Response[] = [
        [500, {}],
        [429, {}],
      ];
      const key = "POST /v1/projects/shop/topics/requests:publish";
      const done = await run({ [key]: [...busy, ...GOOD[key]!] });
      assertSucceeded(done);
      assert.equal(done.requests.filter((each) => each === key).length, 3);
      const refused = await run({ [key]: [[403, { error: { message: "no publisher" } }]] });
      const { step, reason } = failureOf(refused);
      assert.equal(step, "request");
      assert.match(reason ?? "", /403 .*no publisher/s);
      assert.equal(refused.requests.filter((each) => each === key).length, 1);
    });

    it("uses a subscription that exists, and asks the invoker when another execution has deleted it", async () => {
      const steps: object[] = [];
      const done = await run({
        [`PUT ${SUBSCRIPTION}`]: [[409, {}]],
        [`POST ${SUBSCRIPTION}:pull`]: [[404, {}]],
        "GET /runs/clv-1": [
          [200, { ...RUN, state: "running", error: null, steps }],
          [200, { ...RUN, state: "succeeded", error: null, steps }],
        ],
        [`DELETE ${SUBSCRIPTION}`]: [[404, {}]],
      });
      assertSucceeded(done);
      assert.deepEqual(
        done.execution.log.map(({ severity }) => severity),
        ["WARNING"],
      );
    });

    it("reports the first failed step that the invoker knows, and deletes the subscription", async () => {
      const steps = ["succeeded", "failed", "failed"].map((status, index) => ({
        step: `step${index}`,
        status,
      }));
      const failed = await run({
        "GET /runs/clv-1": [[200, { ...RUN, state: "failed", error: "Too bad.", steps }]],
      });
      const { step, reason } = failureOf(failed);
      assert.equal(step, "wait");
      assert.match(reason ?? "", /^Run clv-1 failed in step step1: Too bad\. Its job: https:/);
      assert.ok(failed.requests.includes(`DELETE ${SUBSCRIPTION}`));
    });

    it("reports why the invoker refuses the plan; there is no run and no subscription then", async () => {
      const failed = await run({ "GET /plan": [[400, { detail: "run_date is too early" }, PROBLEM]] });
      const { step, run_id, reason } = failureOf(failed);
      assert.deepEqual([step, run_id], ["plan", null]);
      assert.match(reason ?? "", /400 .*run_date is too early/);
      assert.deepEqual(failed.requests, ["GET /healthcheck", "GET /plan"]);
      assert.equal(failed.execution.log.length, 1, "no warning of a subscription that is not deleted");
    });

    it("waits for a long query, and reports the problems that it finds", async () => {
      const slow: Response = [200, { jobComplete: false, jobReference: { jobId: "job" } }];
      const changed = (problems: string | null) => ({
        [`POST ${QUERIES}`]: [slow],
        [`GET ${QUERIES}/job`]: [slow, [200, answer(problems)] as const],
      });
      assertSucceeded(await run(changed(null)));
      const { step, reason } = failureOf(await run(changed("No assertion was checked. ")));
      assert.equal(step, "confirm");
      assert.equal(reason, "Run clv-1 reports success, but its tables do not. No assertion was checked. ");
    });
  });
