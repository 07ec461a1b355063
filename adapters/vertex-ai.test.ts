import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { type AuthClient, GoogleAuth, OAuth2Client } from "google-auth-library";
import { stepStarted } from "../contracts/step.ts";
import { VertexAiLauncher } from "./vertex-ai.ts";

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
    const job = jobs.get(pathname.split("/").at(-1)!.replace(":cancel", ""));
    if (job === undefined) return [404, { error: { message: "not found" } }];
    if (pathname.endsWith(":cancel")) job.state = "PIPELINE_STATE_CANCELLED";
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
    await assert.rejects(launcher.launch("clv-a", {}), /no pipeline at gs:\/\/b\/pipeline.json/);
    assert.deepEqual(received, []);
  });

  it("gives the state of a run, with the reports of its steps", async () => {
    assert.equal(await launcher.state("clv-a"), undefined);
    await launcher.launch("clv-a", { run_date: "2024-01-01" });
    assert.deepEqual(await launcher.state("clv-a"), {
      run_id: "clv-a",
      run_date: "2024-01-01",
      state: "running",
      error: null,
      steps: [],
    });
    const report = stepStarted("train");
    files.set("gs://b/runs/clv-a/steps/train.json", JSON.stringify(report));
    Object.assign(jobs.get("clv-a")!, {
      state: "PIPELINE_STATE_FAILED",
      error: { code: 9, message: "train failed" },
      jobDetail: { taskDetails: [{ taskName: "train" }, { taskName: "score" }] },
    });
    const failed = await launcher.state("clv-a");
    assert.deepEqual([failed?.state, failed?.error], ["failed", "train failed"]);
    assert.deepEqual(failed?.steps, [{ ...report, status: "failed" }]);
  });

  it("cancels a run", async () => {
    await launcher.launch("clv-a", { run_date: "2024-01-01" });
    await launcher.cancel("clv-a");
    assert.equal((await launcher.state("clv-a"))?.state, "cancelled");
  });
});
