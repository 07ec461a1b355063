import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request as rawRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { type DestinationStream, pino } from "pino";
import { type Launcher, type RunState, runState } from "../../contracts/launcher.ts";
import { runRequest } from "../../contracts/messages.ts";
import { runDate, runIdFor, runSettings, today } from "../../contracts/run.ts";
import { openapi } from "./openapi.ts";
import { problemDocument } from "./problem-response.ts";
import { createServer } from "./server.ts";

const FIRST_ORDER = "1997-01-01";
const defaults = runSettings.parse({});

/** Records the launched runs; fails with `failure` if it is set. */
class FakeLauncher implements Launcher {
  readonly runs = new Map<string, Readonly<Record<string, string | number>>>();
  failure: Error | undefined;

  async launch(runId: string, parameters: Readonly<Record<string, string | number>>): Promise<boolean> {
    if (this.failure !== undefined) throw this.failure;
    if (this.runs.has(runId)) return false;
    this.runs.set(runId, parameters);
    return true;
  }
  async state(runId: string): Promise<RunState | undefined> {
    const parameters = this.runs.get(runId);
    if (parameters === undefined) return undefined;
    return {
      run_id: runId,
      run_date: String(parameters.run_date),
      state: "running",
      error: null,
      steps: [],
    };
  }
}

describe("invoker", () => {
  const launcher = new FakeLauncher();
  let lines: Record<string, unknown>[];
  let server: Server;
  let url: string;

  before(async () => {
    const stream: DestinationStream = { write: (line) => void lines.push(JSON.parse(line)) };
    const log = pino({ messageKey: "message", formatters: { level: (label) => ({ level: label }) } }, stream);
    server = createServer({ launcher, firstOrderDate: FIRST_ORDER, log });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    launcher.runs.clear();
    launcher.failure = undefined;
    lines = [];
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const get = (path: string, method = "GET") => fetch(url + path, { method });
  const post = (body: string, type = "application/json", path = "/") =>
    fetch(url + path, { method: "POST", body, headers: { "content-type": type } });
  const push = (data: unknown, messageId = "m-1", path = "/") =>
    post(
      JSON.stringify({
        message: { messageId, message_id: messageId, publishTime: "2026-01-01T00:00:00Z", data },
        subscription: "projects/p/subscriptions/requests",
      }),
      "application/json",
      path,
    );
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");

  /** The problem document of a response; checks that it contains no internals. */
  async function problemOf(response: Response, status: number) {
    assert.equal(response.status, status);
    assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json\b/);
    const text = await response.text();
    assert.doesNotMatch(text, /node_modules|\.[jt]s:\d/, "the problem contains a stack");
    const problem = problemDocument.parse(JSON.parse(text));
    assert.equal(problem.status, status);
    return problem;
  }
  const logged = (level: string) => lines.filter((line) => line.level === level);

  it("answers the health check", async () => {
    const response = await get("/healthcheck");
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { status: "ok" });
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(response.headers.get("etag"), null);
  });

  it("writes one request line: method, path, status, milliseconds", async () => {
    await get("/healthcheck");
    const [line, ...others] = logged("info");
    assert.deepEqual(others, []);
    assert.equal(typeof line?.ms, "number");
    const { method, path, status } = line ?? {};
    assert.deepEqual({ method, path, status }, { method: "GET", path: "/healthcheck", status: 200 });
  });

  describe("GET /invoke", () => {
    it("launches a run with all settings, and returns its id and the path of its state", async () => {
      const response = await get("/invoke?run_date=2022-09-25&horizon_weeks=26");
      assert.equal(response.status, 202);
      const answer = (await response.json()) as Record<string, string>;
      const id = answer.run_id!;
      assert.deepEqual(answer, {
        run_id: id,
        run_date: "2022-09-25",
        created: true,
        state_url: `/runs/${id}`,
      });
      assert.match(id, /^clv-20220925-/);
      assert.equal(response.headers.get("location"), `/runs/${id}`);
      assert.deepEqual(launcher.runs.get(id), { run_date: "2022-09-25", ...defaults, horizon_weeks: 26 });
      assert.ok(lines.length >= 2 && lines.every((line) => line.run_id === id));
    });

    it("launches a run id once", async () => {
      const path = "/invoke?run_date=2022-09-25&run_id=clv-by-hand";
      assert.equal(((await (await get(path)).json()) as { created: boolean }).created, true);
      const again = await get(path);
      assert.equal(again.status, 202);
      assert.equal(((await again.json()) as { created: boolean }).created, false);
      assert.equal(launcher.runs.size, 1);
    });

    // Tomorrow is already today in the first time zone.
    const later = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
    const refused: Record<string, RegExp[]> = {
      "/invoke": [/run_date is missing/, /\/invoke\?run_date=\d{4}-/],
      "/invoke?horizon_weeks=4": [/run_date is missing/],
      "/invoke?run_date=": [/run_date has no value/],
      "/invoke?run_date=foo": [/"foo"/, /a date like 1997-10-01/],
      "/invoke?run_date=1997-02-30": [/"1997-02-30"/, /a date like 1997-10-01/],
      "/invoke?run_date=0020-01-01": [/"0020-01-01"/, /must not be before 1900-01-01/],
      [`/invoke?run_date=${later}`]: [new RegExp(later), /must not be after today/],
      [`/invoke?run_date=${FIRST_ORDER}`]: [/the first order, 1997-01-01/, /after 1997-01-01, up to today/],
      "/invoke?run_date=1970-01-01": [/1970-01-01 is not after .* first order, 1997-01-01/],
      "/invoke?run_date=1997-10-01&run_date=1997-10-02": [/run_date is repeated/, /Allowed, each once/],
      "/invoke?run_date=1997-10-01&horizon_week=4": [
        /no parameter horizon_week;/,
        /nearest is horizon_weeks/,
      ],
      "/invoke?rundate=1997-10-01": [/nearest is run_date/, /Allowed.*promotion_tolerance/],
      "/invoke?run_date=1997-10-01&horizon_weeks=0": [/horizon_weeks/, />=1/],
      "/invoke?run_date=1997-10-01&horizon_weeks=many": [/horizon_weeks/],
      "/invoke?run_date=1997-10-01&holdout_weeks=": [/holdout_weeks has no value/],
      "/invoke?run_date=1997-10-01&run_id=NOT%20ONE": [/run_id/, /"NOT ONE"/, /lower-case letters/],
      "/invoke?run_date=1997-10-01&__proto__=x": [/no parameter __proto__/],
    };
    for (const [path, patterns] of Object.entries(refused))
      it(`refuses ${path}`, async () => {
        const { detail, remedy, title, instance } = await problemOf(await get(path), 400);
        for (const pattern of patterns) assert.match(`${detail} ${remedy}`, pattern);
        assert.deepEqual([title, instance], ["Bad Request", "/invoke"]);
        assert.equal(launcher.runs.size, 0);
      });
  });

  describe("GET /plan", () => {
    it("returns the run to request, and launches nothing", async () => {
      const path = "/plan?run_date=2022-09-25&horizon_weeks=26";
      const run_id = runIdFor("2022-09-25", 1);
      for (const _request of [1, 2]) {
        const response = await get(path);
        assert.equal(response.status, 200);
        const run = { run_id, run_date: "2022-09-25" };
        assert.deepEqual(await response.json(), {
          ...run,
          attempt: 1,
          state: "new",
          request: runRequest.parse({ ...run, horizon_weeks: 26 }),
        });
      }
      assert.equal(launcher.runs.size, 0);
      assert.ok(lines.every((line) => line.run_id === run_id));
    });

    const refused: Record<string, RegExp> = {
      "/plan": /run_date/,
      "/plan?run_date=2022-09-25&slot=s": /no parameter slot/,
      "/plan?run_date=2022-09-31": /a date like 1997-10-01.*"2022-09-31"/,
      "/plan?run_date=2022-09-25&again=true": /again/,
      "/plan?run_date=2022-09-25&horizon_weeks=0": /horizon_weeks/,
      "/plan?run_date=2022-09-25&attempt=2": /no parameter attempt/,
    };
    for (const [path, pattern] of Object.entries(refused))
      it(`refuses ${path}`, async () => {
        const { detail, remedy } = await problemOf(await get(path), 400);
        assert.match(`${detail} ${remedy}`, pattern);
      });
  });

  describe("POST /", () => {
    const request = { run_id: "clv-pushed", run_date: "1997-10-01", holdout_weeks: 13 };

    it("launches the pushed request, and accepts the same message again", async () => {
      for (const _delivery of [1, 2]) {
        const response = await push(encode(request));
        assert.equal(response.status, 204);
        assert.equal(await response.text(), "");
      }
      const parameters = { run_date: "1997-10-01", ...defaults, holdout_weeks: 13 };
      assert.deepEqual([...launcher.runs], [["clv-pushed", parameters]]);
      assert.ok(
        lines.every((line) => line.run_id === "clv-pushed" && line.message_id === "m-1"),
        "a log line without run_id or message_id",
      );
    });

    const refused: Record<string, [unknown, RegExp]> = {
      "data that is not base64": ["not base64!", /message\.data: .*base64/],
      "data that is not JSON": [Buffer.from("run!").toString("base64"), /not JSON in base64/],
      "no data": [undefined, /message\.data: /],
      "empty data": ["", /message\.data: must not be empty/],
      "a request without run_date": [encode({ run_id: "clv-x" }), /run_date/],
      "a request without run_id": [encode({ run_date: "1997-10-01" }), /run_id/],
      "a request with an unknown field": [encode({ ...request, color: 1 }), /color/],
      "a run date before the first order": [encode({ ...request, run_date: "1990-01-01" }), /1997-01-01/],
      "a JSON number": [encode(7), /expected object/],
    };
    for (const [name, [data, pattern]] of Object.entries(refused))
      it(`refuses ${name}, and logs the message id`, async () => {
        assert.match((await problemOf(await push(data, "m-bad"), 400)).detail, pattern);
        assert.equal(launcher.runs.size, 0);
        assert.deepEqual(
          logged("error").map((line) => [line.message, line.message_id]),
          [["message refused", "m-bad"]],
        );
      });

    it("refuses a body that is not a push request", async () => {
      assert.match((await problemOf(await post("{}"), 400)).detail, /message: .*subscription: /);
      assert.match((await problemOf(await post("run_date=1997-10-01", "text/plain"), 400)).detail, /push/);
      assert.match((await problemOf(await get("/", "POST"), 400)).remedy ?? "", /"messageId"/);
      assert.equal(logged("error").length, 3);
    });

    it("refuses a body that is not JSON; neither sends a stack nor logs the body", async () => {
      const response = await post(`{"message": ${"secret ".repeat(1000)}`);
      assert.match((await problemOf(response, 400)).detail, /not valid JSON/);
      assert.deepEqual(
        logged("warn").map((line) => line.message),
        ["request refused"],
      );
      assert.ok(JSON.stringify(lines).length < 1000);
    });

    for (const megabytes of [2, 10])
      for (const [kind, fill, type] of [
        ["JSON", JSON.stringify({ message: "x".repeat(megabytes * 1e6) }), "application/json"],
        ["broken JSON", "x".repeat(megabytes * 1e6), "application/json"],
        ["binary", "x".repeat(megabytes * 1e6), "application/octet-stream"],
      ] as const)
        it(`refuses ${megabytes} MB of ${kind}`, async () => {
          const { detail } = await problemOf(await post(fill, type), 413);
          assert.match(detail, new RegExp(`${fill.length} bytes; at most 1048576`));
        });

    it("refuses a large body in chunks, and accepts one of 1 MB", async () => {
      const chunks = new Blob(["x".repeat(2e6)]).stream();
      const init = {
        method: "POST",
        body: chunks,
        duplex: "half",
        headers: { "content-type": "text/plain" },
      };
      await problemOf(await fetch(url, init as RequestInit), 413);
      const envelope = { message: { messageId: "1", data: encode(request) }, subscription: "s" };
      assert.equal((await post(JSON.stringify({ ...envelope, pad: "x".repeat(1e6) }))).status, 204);
    });
  });

  describe("GET /runs/{run_id}", () => {
    it("returns the run's state", async () => {
      await get("/invoke?run_date=1997-10-01&run_id=clv-known");
      lines = [];
      const response = await get("/runs/clv-known");
      assert.equal(response.status, 200);
      const { run_id, run_date, state } = runState.parse(await response.json());
      assert.deepEqual([run_id, run_date, state], ["clv-known", "1997-10-01", "running"]);
      assert.ok(lines.every((line) => line.run_id === "clv-known"));
    });
    it("answers 404 for an unknown run", async () => {
      assert.match((await problemOf(await get("/runs/clv-unknown"), 404)).detail, /clv-unknown/);
    });
    it("refuses an invalid run id", async () => {
      for (const id of ["X", "clv_1", "a", "clv%2d1", "toString", "%00"])
        assert.match((await problemOf(await get(`/runs/${id}`), 400)).detail, /not a run id/);
    });
  });

  describe("POST /events", () => {
    const event = {
      run_id: "clv-ended",
      run_date: "1997-10-01",
      status: "failed",
      failed_step: "train",
      reason: "no repeat purchases",
      finished_at: "1997-10-01T06:00:00Z",
      steps: [],
    };

    it("logs how a run ended, in one line with fields", async () => {
      const response = await push(encode(event), "m-1", "/events");
      assert.equal(response.status, 204);
      const [line] = logged("info");
      const { message, run_id, run_date, status, failed_step, message_id } = line ?? {};
      assert.deepEqual(
        { message, run_id, run_date, status, failed_step, message_id },
        {
          message: "run ended",
          run_id: "clv-ended",
          run_date: "1997-10-01",
          status: "failed",
          failed_step: "train",
          message_id: "m-1",
        },
      );
      assert.equal(launcher.runs.size, 0);
    });

    it("refuses what is not an event, and logs the message id", async () => {
      for (const data of [encode({ ...event, status: "over" }), encode({ run_id: "clv-x" }), "not base64!"]) {
        lines = [];
        await problemOf(await push(data, "m-bad", "/events"), 400);
        assert.deepEqual(
          logged("error").map((line) => [line.message, line.message_id]),
          [["message refused", "m-bad"]],
        );
        assert.ok(!lines.some(({ message }) => message === "run ended"));
      }
    });
  });

  it("answers 404 for other paths, and names the valid ones", async () => {
    for (const path of ["/runs", "/runs/", "/runs/a/b", "/Invoke", "//", "/__proto__", "/constructor"]) {
      const { remedy } = await problemOf(await get(path), 404);
      for (const route of Object.keys(openapi.paths ?? {})) assert.ok(remedy?.includes(route), route);
    }
  });

  it("refuses a path that can't be decoded", async () => {
    await problemOf(await get("/%E0%A4%A"), 400);
  });

  it("refuses other methods, and names the allowed ones", async () => {
    for (const [method, path, allow] of [
      ["POST", "/invoke", "GET"],
      ["HEAD", "/invoke?run_date=1997-10-01", "GET"],
      ["DELETE", "/runs/clv-x", "GET, HEAD"],
      ["OPTIONS", "/healthcheck", "GET, HEAD"],
      ["GET", "/", "POST"],
      ["GET", "/events", "POST"],
    ] as const) {
      const response = await get(path, method);
      assert.equal(response.headers.get("allow"), allow);
      assert.equal(response.status, 405);
      if (method !== "HEAD") assert.match((await problemOf(response, 405)).detail, new RegExp(method));
    }
    assert.equal(launcher.runs.size, 0);
  });

  it("answers HEAD like GET, without a body", async () => {
    for (const [path, status] of [
      ["/healthcheck", 200],
      ["/openapi.json", 200],
      ["/runs/clv-unknown", 404],
    ] as const) {
      const response = await get(path, "HEAD");
      assert.equal(response.status, status);
      assert.equal(await response.text(), "");
    }
  });

  it("sends no details of a defect, and logs it with its stack and the run", async () => {
    launcher.failure = new Error("password hunter2 refused");
    const problem = await problemOf(await get("/invoke?run_date=1997-10-01&run_id=clv-defect"), 500);
    assert.doesNotMatch(JSON.stringify(problem), /hunter2/);
    const [line] = logged("error");
    assert.match((line?.err as Error | undefined)?.stack ?? "", /hunter2[\s\S]*invoker\.test\.ts/);
    assert.equal(line?.run_id, "clv-defect");
    await problemOf(await push(encode({ run_id: "clv-defect", run_date: "1997-10-01" })), 500);
    assert.deepEqual([logged("error")[1]?.run_id, logged("error")[1]?.message_id], ["clv-defect", "m-1"]);
  });

  it("answers any query with 202 or 400", async () => {
    const name = fc.oneof(
      fc.constantFrom(...Object.keys(runRequest.shape), "__proto__", "run_date[]", "%E0%A4%A"),
      fc.webQueryParameters(),
    );
    const value = fc.oneof(
      fc.constantFrom(
        "1997-10-01",
        "2022-09-25",
        "39",
        "0",
        "-1",
        "1e400",
        "NaN",
        "count_mae",
        "clv-1",
        "",
        "%",
      ),
      fc.webQueryParameters(),
      fc.string().map((text) => encodeURIComponent(text.toWellFormed())),
    );
    const query = fc.array(fc.tuple(name, value), { maxLength: 5 });
    let launched = 0;
    await fc.assert(
      fc.asyncProperty(query, fc.boolean(), async (pairs, withDate) => {
        const text = pairs.map((pair) => pair.join("=")).join("&");
        const response = await get(`/invoke?${withDate ? "run_date=1997-10-01&" : ""}${text}`);
        if (response.status === 202) launched += 1;
        else await problemOf(response, 400);
        await response.body?.cancel().catch(() => undefined);
      }),
      { numRuns: 300 },
    );
    assert.ok(launched > 0, "no query was valid");
  });

  it("answers any pushed message with 204 or 400", async () => {
    // The first value is valid.
    const of = (valid: unknown, ...others: unknown[]) =>
      fc.oneof(
        { weight: 20, arbitrary: fc.constant(valid) },
        { weight: 2, arbitrary: fc.constantFrom(valid, ...others) },
        fc.jsonValue(),
      );
    const fields = {
      run_id: of("clv-any", "A", "../clv-x", "clv-x".repeat(50), "$(id)", "__proto__"),
      run_date: of("1997-10-01", "2022-09-25", "0020-01-01", "1997-02-30", `'1997-10-01'; DROP TABLE x`),
      status: of("succeeded", "failed", "over"),
      failed_step: of(null, "train"),
      reason: of(null, "\u0000"),
      finished_at: of("1997-10-01T06:00:00Z", "now"),
      steps: of([], [{}]),
      horizon_weeks: of(39, -1, 1e308, "39"),
    };
    const request = fc.record(fields, { requiredKeys: ["run_id", "run_date"] });
    const runs = request.map(({ run_id, run_date }) => ({ run_id, run_date }));
    const { horizon_weeks: _, ...ofEvent } = fields;
    const data = fc.oneof(
      fc.oneof(runs, fc.record(ofEvent), request, fc.jsonValue()).map(encode),
      fc.uint8Array({ maxLength: 99 }).map((bytes) => Buffer.from(bytes).toString("base64")),
      fc.jsonValue(),
    );
    const message = fc.record({ data, messageId: of("m-1"), attributes: of({ run_id: "x" }, { a: 1 }) });
    const envelope = fc.record({ message: fc.oneof(message, fc.jsonValue()), subscription: of("s") });
    const body = fc.oneof({ weight: 9, arbitrary: envelope }, fc.jsonValue(), fc.constant({ __proto__: 1 }));
    const accepted = { "/": 0, "/events": 0 };
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom("/" as const, "/events" as const), async (json, path) => {
        const response = await post(JSON.stringify(json), "application/json", path);
        if (response.status === 204) accepted[path] += 1;
        else await problemOf(response, 400);
      }),
      { numRuns: 1000 },
    );
    assert.ok(accepted["/"] > 0 && accepted["/events"] > 0, JSON.stringify(accepted));
    for (const run of launcher.runs.keys()) assert.match(run, /^[a-z][a-z0-9-]*$/);
  });

  it("answers an invalid path with a problem", async () => {
    const { port } = server.address() as AddressInfo;
    for (const path of ['/invoke?run_date="<>', "http://x//", "/runs/|", "/?#%"]) {
      // fetch would correct the path.
      const message = rawRequest({ host: "127.0.0.1", port, path }).end();
      const [response] = (await once(message, "response")) as [IncomingMessage];
      response.resume();
      const { statusCode = 0, headers } = response;
      assert.ok(statusCode >= 400 && statusCode < 500, `${path}: ${statusCode}`);
      assert.match(headers["content-type"] ?? "", /^application\/problem\+json/, path);
    }
  });

  describe("GET /openapi.json", () => {
    type Operation = {
      operationId: string;
      parameters?: { in: string; name: string; required?: boolean; schema: object }[];
      responses: Record<string, { description: string; content?: Record<string, unknown> }>;
    };
    const operations = Object.entries(openapi.paths ?? {}).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        path,
        method,
        operation: operation as Operation,
      })),
    );

    it("returns the document, with all its references", async () => {
      const document = (await (await get("/openapi.json")).json()) as Record<string, unknown>;
      assert.deepEqual(document, JSON.parse(JSON.stringify(openapi)));
      assert.match(String(document.openapi), /^3\.1\.\d$/);
      const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
      assert.ok(references.length > 5);
      for (const [, pointer] of references) {
        const target = pointer!.split("/").reduce<unknown>((at, key) => (at as never)?.[key], document);
        assert.equal(typeof target, "object", pointer);
      }
    });

    it("describes operations by the rules of OpenAPI", () => {
      const ids = operations.map(({ operation }) => operation.operationId);
      assert.equal(new Set(ids).size, ids.length);
      for (const { path, operation } of operations) {
        const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
        assert.deepEqual(
          inPath.map(({ name, required }) => [name, required]),
          [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, true]),
        );
        assert.ok(Object.keys(operation.responses).some((status) => status.startsWith("2")));
        for (const [status, { description, content }] of Object.entries(operation.responses)) {
          assert.match(status, /^[2-5]\d\d$/);
          assert.ok(description.length > 0);
          if (status >= "400") assert.deepEqual(Object.keys(content ?? {}), ["application/problem+json"]);
        }
      }
    });

    it("lists the parameters of GET /invoke; only run_date is required", () => {
      const { operation } = operations.find(({ path }) => path === "/invoke")!;
      const parameters = operation.parameters ?? [];
      assert.deepEqual(
        parameters.map(({ name }) => name),
        Object.keys(runRequest.shape),
      );
      assert.deepEqual(
        parameters.filter(({ required }) => required).map(({ name }) => name),
        ["run_date"],
      );
    });

    it("allows the same run dates and message data as the validation", () => {
      const { Push, RunRequest } = JSON.parse(JSON.stringify(openapi.components?.schemas));
      const { allOf, format } = RunRequest.properties.run_date;
      assert.equal(format, "date");
      for (const date of ["0020-01-01", "1899-12-31", "1900-01-01", "1997-02-30", "1997-10-01", today()]) {
        const isDescribed = allOf.every(({ pattern }: { pattern: string }) => new RegExp(pattern).test(date));
        assert.equal(isDescribed, runDate.safeParse(date).success, date);
      }
      const { required, properties } = Push.properties.message;
      assert.deepEqual([required.includes("data"), properties.data.minLength], [true, 1]);
    });

    it("has a handler for each route, which answers as described", async () => {
      assert.equal(operations.length, 7);
      for (const { path, method, operation } of operations) {
        const response = await get(path.replace("{run_id}", "clv-unknown"), method.toUpperCase());
        const described = operation.responses[response.status];
        assert.ok(described !== undefined, `${method} ${path} answered ${response.status}`);
        const type = response.headers.get("content-type")?.replace(/;.*/, "");
        assert.deepEqual([type], Object.keys(described.content ?? {}));
      }
    });
  });
});
