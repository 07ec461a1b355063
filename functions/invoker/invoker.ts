import type { HttpFunction, Request, Response } from "@google-cloud/functions-framework";
import { closest, distance } from "fastest-levenshtein";
import type { Launcher } from "../../contracts/launcher.ts";
import { pushEnvelope, type RunRequest, runRequest } from "../../contracts/messages.ts";
import { runId, runIdFor, runSettings, today } from "../../contracts/run.ts";
import type { Logger } from "../../lib/log.ts";
import { parse, UserError } from "../../lib/user-error.ts";
import { openapi } from "./openapi.ts";
import { sendProblem } from "./problem-response.ts";

/** Largest request body taken, bytes: 1 MiB. A run request has some hundred. */
const MAX_BODY_BYTES = 2 ** 20;

export interface InvokerOptions {
  /** Starts runs and knows how they are. */
  readonly launcher: Launcher;
  /** The first order's day, YYYY-MM-DD, when it is known: a run date must be after it. */
  readonly earliestRunDate?: () => string | undefined;
  readonly log: Logger;
}

/** What a request turned out to be about (run_id, message_id); every log line on it carries that. */
type Subject = Record<string, string>;
type Handler = (request: Request, response: Response, subject: Subject) => Promise<void> | void;

/**
 * The contact point of Workload: validates run requests, from Messenger (POST /) or from a person (GET /invoke),
 * launches them, and tells how runs are. Its routes are described by GET /openapi.json; errors are
 * application/problem+json. A request that was launched before is a success, as Pub/Sub delivers at least once.
 */
export function createInvoker({ launcher, earliestRunDate, log }: InvokerOptions): HttpFunction {
  const routes: Record<string, Record<string, Handler>> = {
    "/healthcheck": { GET: (_request, response) => void response.json({ status: "ok" }) },
    "/invoke": { GET: invoke },
    "/": { POST: push },
    "/runs/{run_id}": { GET: tellState },
    "/openapi.json": { GET: (_request, response) => void response.json(openapi) },
  };

  return async (request, response) => {
    const started = performance.now();
    const subject: Subject = {};
    let handler: Handler | undefined;
    response.set("Cache-Control", "no-store");
    try {
      handler = handlerOf(routes, request, response);
      refuseLargeBody(request);
      await handler(request, response, subject);
    } catch (error) {
      // Nobody reads the answer to a push: Pub/Sub delivers the message again, then dead-letters it.
      if (handler === push && error instanceof UserError)
        log.error({ ...subject, reason: error.message }, "message refused");
      else if (!(error instanceof UserError)) log.error({ ...subject, err: error }, "request failed");
      sendProblem(request, response, error);
    }
    const { method, path } = request;
    const ms = Math.round(performance.now() - started);
    log.info({ ...subject, method, path, status: response.statusCode, ms }, "request");
  };

  async function invoke(request: Request, response: Response, subject: Subject): Promise<void> {
    const remedy = `For example: /invoke?run_date=${today()}`;
    const query = runParameters(request);
    if (query.run_date === undefined) throw new UserError("The parameter run_date is missing.", { remedy });
    const given = parse(runRequest.partial({ run_id: true }), query, "The query is not valid", remedy);
    const { run_date } = given;
    const run_id = given.run_id ?? runIdFor(run_date, `manual:${new Date().toISOString()}`);
    const created = await launch({ ...given, run_id }, subject);
    const state_url = `/runs/${run_id}`;
    response.status(202).location(state_url).json({ run_id, run_date, created, state_url });
  }

  async function push(request: Request, response: Response, subject: Subject): Promise<void> {
    subject.message_id = String(request.body?.message?.messageId ?? "unknown");
    const { message } = parse(
      pushEnvelope,
      request.body,
      "This is not a Pub/Sub push request",
      'Send application/json like {"message": {"messageId": "1", "data": "<base64>"}, "subscription": "requests"}.',
    );
    await launch(parse(runRequest, decode(message.data), "The message is not a run request"), subject);
    response.status(204).end();
  }

  async function tellState(request: Request, response: Response, subject: Subject): Promise<void> {
    const id = parse(runId, runIdIn(request.path), "This is not a run id");
    subject.run_id = id;
    const state = await launcher.state(id);
    if (state === undefined)
      throw new UserError(`No run ${id} was ever launched.`, {
        status: 404,
        remedy: "Take the run_id that GET /invoke or the run request told.",
      });
    response.json(state);
  }

  async function launch(request: RunRequest, subject: Subject): Promise<boolean> {
    const { run_id, run_date, ...settings } = request;
    subject.run_id = run_id;
    const firstOrder = earliestRunDate?.();
    if (firstOrder !== undefined && run_date <= firstOrder)
      throw new UserError(`run_date ${run_date} is not after the day of the first order, ${firstOrder}.`, {
        remedy: `Take a day after ${firstOrder}, up to today (${today()}).`,
      });
    const created = await launcher.launch(run_id, { run_date, ...runSettings.parse(settings) });
    log.info({ ...subject, run_date, created }, created ? "run launched" : "run was launched before");
    return created;
  }
}

/** The handler of the request's path and method; throws a UserError, 404 or 405 with its Allow header. */
function handlerOf(
  routes: Record<string, Record<string, Handler>>,
  { path, method }: Request,
  response: Response,
): Handler {
  const handlers = routes[runIdIn(path) === undefined ? path : "/runs/{run_id}"];
  if (handlers === undefined)
    throw new UserError(`There is nothing at ${path}.`, {
      status: 404,
      remedy: `There is ${Object.keys(routes).join(", ")}; GET /openapi.json describes them.`,
    });
  // A look at the headers must launch nothing.
  const takesHead = path !== "/invoke";
  const handler = handlers[method === "HEAD" && takesHead ? "GET" : method];
  if (handler !== undefined) return handler;
  const allowed = Object.keys(handlers).flatMap((name) =>
    name === "GET" && takesHead ? ["GET", "HEAD"] : [name],
  );
  response.set("Allow", allowed.join(", "));
  throw new UserError(`${path} does not take ${method}.`, {
    status: 405,
    remedy: `Use ${allowed.join(" or ")}; GET /openapi.json describes the routes.`,
  });
}

const runIdIn = (path: string): string | undefined => /^\/runs\/([^/]+)$/.exec(path)?.[1];

/** Throws a UserError, 413, when the request's body is over MAX_BODY_BYTES, compressed or not. */
export function refuseLargeBody(request: Request): void {
  const bytes = Math.max(Number(request.get("content-length") ?? 0), request.rawBody?.length ?? 0);
  if (bytes > MAX_BODY_BYTES)
    throw new UserError(`The body has ${bytes} bytes; at most ${MAX_BODY_BYTES} are allowed.`, {
      status: 413,
      remedy: "A run request needs a run id, a run date and settings only: GET /openapi.json describes it.",
    });
}

/** The query's parameters, each known and given once; throws a UserError that names the allowed ones. */
function runParameters({ query }: Request): Record<string, string> {
  const allowed = Object.keys(runRequest.shape);
  const remedy = `Allowed, each once: ${allowed.join(", ")}.`;
  const parameters: Record<string, string> = {};
  for (const [name, value] of Object.entries(query)) {
    if (!allowed.includes(name))
      throw new UserError(`There is no parameter ${name}${nearest(name, allowed)}.`, { remedy });
    if (typeof value !== "string") throw new UserError(`The parameter ${name} is repeated.`, { remedy });
    // Number("") is 0, which a setting would take.
    if (value === "") throw new UserError(`The parameter ${name} has no value.`, { remedy });
    parameters[name] = value;
  }
  return parameters;
}

/** A name like it, if there is one. */
function nearest(name: string, allowed: readonly string[]): string {
  const near = closest(name, allowed);
  return distance(name, near) <= near.length / 3 ? `; the nearest is ${near}` : "";
}

function decode(data: string): unknown {
  try {
    return JSON.parse(Buffer.from(data, "base64").toString("utf8"));
  } catch (cause) {
    throw new UserError("The message's data is not JSON in base64.", {
      remedy: "Publish a run request as GET /openapi.json describes it.",
      cause,
    });
  }
}
