import type { Server } from "node:http";
import { http, type Request, type Response } from "@google-cloud/functions-framework";
import { getTestServer } from "@google-cloud/functions-framework/testing";
import { UserError } from "../../lib/user-error.ts";
import { createInvoker, type InvokerOptions, refuseLargeBody } from "./invoker.ts";
import { sendProblem } from "./problem-response.ts";

/**
 * The functions-framework's server for the invoker, not yet listening. What the framework refuses before the
 * invoker is asked (a body that is no JSON, a path that can't be decoded) is answered as a problem too; by
 * itself the framework answers with an HTML page, with the stack unless NODE_ENV is production.
 */
export function createServer(options: InvokerOptions): Server {
  http("invoker", createInvoker(options));
  // The one way that the framework exports to its server; the server's only listener is its express application.
  const server = getTestServer("invoker");
  const application = server.listeners("request")[0] as Request["app"];
  // express knows a handler of errors by its four parameters.
  application.use((error: unknown, request: Request, response: Response, _next: unknown) => {
    const { method, path } = request;
    const problem = unreadable(error, request);
    // A body parser's error holds the whole body, which is not for the log.
    if (problem instanceof UserError)
      options.log.warn({ method, path, reason: problem.message }, "request refused");
    else options.log.error({ method, path, err: error }, "request failed");
    sendProblem(request, response, problem);
  });
  return server;
}

/** The problem that an error of the framework is to the caller; one that isn't the caller's stays as it is. */
function unreadable(error: unknown, request: Request): unknown {
  const { status } = error as { status?: number };
  if (!(error instanceof Error) || status === undefined || status >= 500) return error;
  try {
    refuseLargeBody(request);
  } catch (problem) {
    return problem;
  }
  return new UserError(`The request can't be read: ${error.message}.`, {
    status,
    remedy: "Send JSON in UTF-8 as application/json; GET /openapi.json describes what is taken.",
  });
}
