import type { Server } from "node:http";
import { http, type Request, type Response } from "@google-cloud/functions-framework";
import { getTestServer } from "@google-cloud/functions-framework/testing";
import { UserError } from "../../lib/user-error.ts";
import { createInvoker, type InvokerOptions, type Subject } from "./invoker.ts";
import { sendProblem } from "./problem-response.ts";

/** Largest request body, in bytes: 1 MiB. A run request has some hundred bytes. */
const MAX_BODY_BYTES = 2 ** 20;

/**
 * Returns the HTTP server of the invoker, not yet listening: the functions-framework with a limit for bodies, one log
 * line per request, and problem documents for all errors.
 */
export function createServer(options: InvokerOptions): Server {
  const { log } = options;
  const invoke = createInvoker(options);
  http("invoker", async (request, response) => {
    const started = performance.now();
    const { method, path } = request;
    const subject: Subject = {};
    response.set("Cache-Control", "no-store");
    try {
      const refusal = tooLarge(request);
      if (refusal !== undefined) throw refusal;
      await invoke(request, response, subject);
    } catch (error) {
      if (!(error instanceof UserError)) log.error({ ...subject, err: error }, "request failed");
      // Nobody reads the response to a push: Pub/Sub delivers the message again, then moves it to the dead letters.
      else if (method === "POST" && ["/", "/events"].includes(path))
        log.error({ ...subject, reason: error.message }, "message refused");
      sendProblem(request, response, error);
    }
    const ms = Math.round(performance.now() - started);
    log.info({ ...subject, method, path, status: response.statusCode, ms }, "request");
  });
  // The framework exports no other way to its server, and no handler for errors that occur before the function is
  // called. Without this one it sends an HTML page, which contains the stack unless NODE_ENV is production.
  const server = getTestServer("invoker");
  const [application] = server.listeners("request") as Request["app"][];
  // Express recognizes an error handler by its four parameters.
  application!.use((error: unknown, request: Request, response: Response, _next: unknown) => {
    const { method, path } = request;
    const problem = unreadable(error, request);
    // A body parser's error contains the whole body. Keep it out of the log.
    if (problem instanceof UserError) log.warn({ method, path, reason: problem.message }, "request refused");
    else log.error({ method, path, err: error }, "request failed");
    sendProblem(request, response, problem);
  });
  return server;
}

/** A UserError when the body, compressed or not, is larger than MAX_BODY_BYTES. */
function tooLarge(request: Request): UserError | undefined {
  const bytes = Math.max(Number(request.get("content-length") ?? 0), request.rawBody?.length ?? 0);
  if (bytes <= MAX_BODY_BYTES) return undefined;
  return new UserError(`The body has ${bytes} bytes; at most ${MAX_BODY_BYTES} are allowed.`, {
    status: 413,
    remedy: "A run request needs a run id, a run date and settings only: GET /openapi.json describes it.",
  });
}

/** The UserError for an error of the framework that the caller caused. Other errors are returned unchanged. */
function unreadable(error: unknown, request: Request): unknown {
  const { status } = error as { status?: number };
  if (!(error instanceof Error) || status === undefined || status >= 500) return error;
  const remedy = "Send JSON in UTF-8 as application/json: GET /openapi.json describes it.";
  return (
    tooLarge(request) ?? new UserError(`The request can't be read: ${error.message}.`, { status, remedy })
  );
}
