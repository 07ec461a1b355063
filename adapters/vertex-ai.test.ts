import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { type AuthClient, GoogleAuth, OAuth2Client } from "google-auth-library";

import { stepStarted } from "../contracts/step.ts";
import { checkRequest } from "../test/google-apis/check.ts";
import { VertexAiLauncher } from "./vertex-ai.ts";

type GaxiosOptions = Parameters<GoogleAuth["request"]>[0];

interface ReceivedRequest {
  readonly what: string;
  readonly token: string | undefined;
  readonly body: unknown;
}

/** Vertex AI's REST interface by its reference, with jobs in memory. */
describe("Vertex AI launcher", () => {
  const jobs = new Map<string, Record<string, unknown>>();
  const files = new Map<string, string>();
  let received: ReceivedRequest[];
  /** Statuses that are answered before anything is done. */
  let failures: (number | object)[];
  let server: Server;
  let launcher: VertexAiLauncher;

  async function answer(request: IncomingMessage): Promise<[number, object]> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://vertex");
    const body = request.method === "POST" ? await json(request) : undefined;
    const url = `https://europe-west1-aiplatform.googleapis.com${request.url}`;
    const { problems } = checkRequest({ method: request.method ?? "", url, body });
    assert.deepEqual(problems, [], "Google's own description of the API");
    received.push({ what: `${request.method} ${request.url}`, token: request.headers.authorization, body });
    const failure = failures.shift();
    if (typeof failure === "object") return [400, { error: failure }];
    if (failure !== undefined) return [failure, { error: { message: `answered ${failure}` } }];
    const id = searchParams.get("pipelineJobId");
    if (id !== null) {
      if (jobs.has(id)) return [409, { error: { message: "already exists" } }];
      jobs.set(id, { ...(body as object), state: "PIPELINE_STATE_PENDING" });
      return [200, jobs.get(id)!];
    }
    const job = jobs.get(pathname.split("/").at(-1)!);
    if (job === undefined) return [404, { error: { message: "not found" } }];
    return [200, job];
  }

  before(async () => {
    server = createServer(async (request, response) => {
      const [status, body] = await answer(request);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => server.close());
  beforeEach(() => {
    jobs.clear();
    files.clear();
    received = [];
    failures = [];
    files.set("gs://b/pipeline.json", '{"root": {}}');
    const authClient: AuthClient = new OAuth2Client();
    authClient.setCredentials({ access_token: "made-up" });
    launcher = new VertexAiLauncher({
      project: "p",
      region: "europe-west1",
      serviceAccount: "jobs@p.iam.gserviceaccount.com",
      pipelineSpecUrl: "gs://b/pipeline.json",
      artifactsUrl: "gs://b",
      artifacts: {
        read: async (url) => files.get(url),
        write: async (url, text) => void files.set(url, text),
      },
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      auth: new GoogleAuth({ authClient }),
    });
  });

  it("creates a job of the run's id, with the pipeline, its parameters and its account", async () => {
    assert.equal(await launcher.launch("clv-a", { run_date: "2024-01-01", horizon_weeks: 39 }), true);
    assert.deepEqual(received, [
      {
        what: "POST /v1/projects/p/locations/europe-west1/pipelineJobs?pipelineJobId=clv-a",
        token: "Bearer made-up",
        body: {
          displayName: "clv-a",
          labels: { run_id: "clv-a" },
          serviceAccount: "jobs@p.iam.gserviceaccount.com",
          pipelineSpec: { root: {} },
          runtimeConfig: {
            gcsOutputDirectory: "gs://b/runs/clv-a",
            parameterValues: { run_id: "clv-a", run_date: "2024-01-01", horizon_weeks: 39 },
          },
        },
      },
    ]);
  });

  it("counts a job that exists as launched", async () => {
    await launcher.launch("clv-a", { run_date: "2024-01-01" });
    assert.equal(await launcher.launch("clv-a", { run_date: "2024-01-01" }), false);
    assert.equal(jobs.size, 1);
  });

  it("asks the caller to wait while Vertex AI creates its own accounts, and throws another refusal", async () => {
    failures = [
      { code: 400, status: "FAILED_PRECONDITION", message: "Service agents are being provisioned" },
    ];
    await assert.rejects(launcher.launch("clv-a", { run_date: "2024-01-01" }), {
      name: "UserError",
      status: 503,
      message: /not ready: Service agents/,
    });
    failures = [{ code: 400, status: "INVALID_ARGUMENT", message: "no such field" }];
    await assert.rejects(
      launcher.launch("clv-a", { run_date: "2024-01-01" }),
      /refused the pipeline: no such field/,
    );
    assert.equal(await launcher.launch("clv-a", { run_date: "2024-01-01" }), true);
  });

  it("sends a request again after 429 and 503, and throws other refusals", async () => {
    failures = [429, 503];
    assert.equal(await launcher.launch("clv-a", { run_date: "2024-01-01" }), true);
    assert.equal(received.length, 3);
    failures = [403];
    await assert.rejects(launcher.launch("clv-b", { run_date: "2024-01-01" }), /answered 403/);
    assert.equal(received.length, 4);
  }).timeout(60_000);

  it("says what to do when no pipeline was published", async () => {
    files.clear();
    await assert.rejects(launcher.launch("clv-a", {}), {
      name: "UserError",
      message: "There is no pipeline at gs://b/pipeline.json.",
      status: 500,
      remedy: "Deploy the stack, which publishes it: pulumi up.",
    });
    assert.deepEqual(received, []);
  });

  describe("the state of a run", () => {
    const running = stepStarted("train");
    const done = { ...stepStarted("features"), status: "succeeded" as const };
    const tasks = [{ taskName: "features" }, { taskName: "train" }, { taskName: "score" }];
    beforeEach(async () => {
      await launcher.launch("clv-a", { run_date: "2024-01-01" });
      files.set("gs://b/runs/clv-a/steps/features.json", JSON.stringify(done));
      files.set("gs://b/runs/clv-a/steps/train.json", JSON.stringify(running));
    });

    it("is undefined for a run that was never launched, which is asked once", async () => {
      received = [];
      assert.equal(await launcher.state("clv-b"), undefined);
      assert.deepEqual(
        received.map(({ what }) => what),
        ["GET /v1/projects/p/locations/europe-west1/pipelineJobs/clv-b"],
      );
    });

    it("is running at first, without steps", async () => {
      assert.deepEqual(await launcher.state("clv-a"), {
        run_id: "clv-a",
        run_date: "2024-01-01",
        state: "running",
        error: null,
        steps: [],
      });
    });

    it("has the reports of the steps as they are while the run goes on", async () => {
      Object.assign(jobs.get("clv-a")!, {
        state: "PIPELINE_STATE_RUNNING",
        jobDetail: { taskDetails: tasks },
      });
      assert.deepEqual((await launcher.state("clv-a"))?.steps, [done, running]);
    });

    it("has a step that was killed as failed when the run has ended", async () => {
      const error = { code: 9, message: "train failed" };
      const jobDetail = { taskDetails: tasks };
      Object.assign(jobs.get("clv-a")!, { state: "PIPELINE_STATE_FAILED", error, jobDetail });
      const failed = await launcher.state("clv-a");
      assert.deepEqual([failed?.state, failed?.error], ["failed", "train failed"]);
      assert.deepEqual(failed?.steps, [done, { ...running, status: "failed" }]);
    });

    it("is succeeded or cancelled when Vertex AI says so, and without an error if that is empty", async () => {
      for (const [state, expected] of [
        ["PIPELINE_STATE_SUCCEEDED", "succeeded"],
        ["PIPELINE_STATE_CANCELLED", "cancelled"],
        ["PIPELINE_STATE_CANCELLING", "running"],
      ]) {
        Object.assign(jobs.get("clv-a")!, { state, error: {} });
        const found = await launcher.state("clv-a");
        assert.deepEqual([found?.state, found?.error], [expected, null]);
      }
      delete jobs.get("clv-a")?.state;
      assert.equal((await launcher.state("clv-a"))?.state, "running");
    });

    it("is refused when the answer is not that of a job", async () => {
      jobs.set("clv-a", { state: "PIPELINE_STATE_RUNNING" });
      await assert.rejects(
        launcher.state("clv-a"),
        /^UserError: Vertex AI's answer about clv-a: runtimeConfig: /,
      );
    });
  });

  it("asks the endpoint of the region, and takes no redirect for an answer", async () => {
    const requests: GaxiosOptions[] = [];
    const auth = {
      request: async (options: GaxiosOptions) => {
        requests.push(options);
        return { status: 404, data: {} };
      },
    } as unknown as Pick<GoogleAuth, "request">;
    const options = { project: "p", region: "asia-east1", serviceAccount: "", pipelineSpecUrl: "" };
    const artifacts = { read: async () => undefined, write: async () => undefined };
    await new VertexAiLauncher({ ...options, artifactsUrl: "", artifacts, auth }).state("clv-a");
    const [{ url, timeout, validateStatus }] = requests as [GaxiosOptions];
    assert.equal(
      url,
      "https://asia-east1-aiplatform.googleapis.com/v1/projects/p/locations/asia-east1/pipelineJobs/clv-a",
    );
    assert.equal(timeout, 20_000);
    assert.deepEqual(
      [199, 200, 299, 300, 404].map((status) => validateStatus!(status)),
      [false, true, true, false, true],
    );
  });
});
