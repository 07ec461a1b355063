import type { Request, Response } from "@google-cloud/functions-framework";
import { closest, distance } from "fastest-levenshtein";
import type { Launcher } from "../../contracts/launcher.ts";
import { pushEnvelope, type RunRequest, runEvent, runRequest } from "../../contracts/messages.ts";
import type { RetrainingSchedule } from "../../contracts/retraining.ts";
import { newRunId, runId, runSettings, today } from "../../contracts/run.ts";
import type { Logger } from "../../lib/log.ts";
import { parse, UserError } from "../../lib/user-error.ts";
import { openapi } from "./openapi.ts";
import { planQuery, planRun } from "./plan.ts";

export interface InvokerOptions {
  /** Starts runs and knows their state: adapters/vertex-ai.ts in the cloud, local/runtime/launcher.ts on one machine. */
  readonly launcher: Launcher;
  /** Day of the first order, YYYY-MM-DD, if known. A run date must be after it. */
  readonly firstOrderDate?: string;
  /** When runs fit a new model. @default in each run */
  readonly retraining?: RetrainingSchedule;
  readonly log: Logger;
}

/** What a request is about (run_id, message_id). Handlers add to it; every log line of the request has it. */
export type Subject = Record<string, string>;
type Handler = (request: Request, response: Response, subject: Subject) => Promise<void> | void;

/**
 * The contact point of Workload. Validates run requests from Messenger (POST /) or a person (GET /invoke), launches the
 * runs and returns their state. Logs the final events of runs (POST /events). A request that comes again succeeds, because Pub/Sub delivers at least once.
 * The handler throws a UserError for a request that it refuses.
 */
export function createInvoker({ launcher, firstOrderDate, retraining, log }: InvokerOptions): Handler {
  const routes: Record<string, Record<string, Handler>> = {
    "/healthcheck": { GET: (_request, response) => void response.json({ status: "ok" }) },
    "/invoke": { GET: invoke },
    "/plan": { GET: plan },
    "/": { POST: push },
    "/events": { POST: logEvent },
    "/runs/{run_id}": { GET: sendState },
    "/openapi.json": { GET: (_request, response) => void response.json(openapi) },
  };
  return (request, response, subject) => handlerOf(routes, request, response)(request, response, subject);

  async function invoke(request: Request, response: Response, subject: Subject): Promise<void> {
    const remedy = `For example: /invoke?run_date=${today()}`;
    const query = queryOf(request, runRequest.shape);
    if (query.run_date === undefined) throw new UserError("The parameter run_date is missing.", { remedy });
    const given = parse(runRequest.partial({ run_id: true }), query, "The query is not valid", remedy);
    const { run_date } = given;
    const run_id = given.run_id ?? newRunId(run_date);
    const created = await launch({ ...given, run_id }, subject);
    const state_url = `/runs/${run_id}`;
    response.status(202).location(state_url).json({ run_id, run_date, created, state_url });
  }

  async function plan(request: Request, response: Response, subject: Subject): Promise<void> {
    const query = parse(
      planQuery,
      queryOf(request, planQuery.shape),
      "The query is not valid",
      `For example: /plan?run_date=${today()}`,
    );
    const planned = await planRun(launcher, query, retraining);
    subject.run_id = planned.run_id;
    response.json(planned);
  }

  async function push(request: Request, response: Response, subject: Subject): Promise<void> {
    const data = pushed(request, subject);
    await launch(parse(runRequest, data, "The message is not a run request"), subject);
    response.status(204).end();
  }

  /** The stack counts these lines: the log lines of jobs have no fields in Vertex AI. */
  function logEvent(request: Request, response: Response, subject: Subject): void {
    const data = pushed(request, subject);
    const { run_id, run_date, status, failed_step } = parse(runEvent, data, "The message is not a run event");
    subject.run_id = run_id;
    log.info({ ...subject, run_date, status, failed_step }, "run ended");
    response.status(204).end();
  }

  async function sendState(request: Request, response: Response, subject: Subject): Promise<void> {
    const id = parse(runId, runIdIn(request.path), "This is not a run id");
    subject.run_id = id;
    const state = await launcher.state(id);
    if (state === undefined)
      throw new UserError(`There is no run ${id}.`, {
        status: 404,
        remedy: "Use the run_id of the run request, or the one that GET /invoke returned.",
      });
    response.json(state);
  }

  async function launch(request: RunRequest, subject: Subject): Promise<boolean> {
    const { run_id, run_date, ...settings } = request;
    subject.run_id = run_id;
    if (firstOrderDate !== undefined && run_date <= firstOrderDate)
      throw new UserError(
        `run_date ${run_date} is not after the day of the first order, ${firstOrderDate}.`,
        { remedy: `Use a day after ${firstOrderDate}, up to today (${today()}).` },
      );
    const created = await launcher.launch(run_id, { run_date, ...runSettings.parse(settings) });
    log.info({ ...subject, run_date, created }, created ? "run launched" : "run was launched before");
    return created;
  }
}

/** The handler for the request's path and method. @throws UserError with status 404, or 405 and the Allow header. */
function handlerOf(
  routes: Record<string, Record<string, Handler>>,
  { path, method }: Request,
  response: Response,
): Handler {
  const handlers = routes[runIdIn(path) === undefined ? path : "/runs/{run_id}"];
  if (handlers === undefined)
    throw new UserError(`There is nothing at ${path}.`, {
      status: 404,
      remedy: `Use one of ${Object.keys(routes).join(", ")}: GET /openapi.json describes them.`,
    });
  // HEAD must have no effect, so it can't stand for a GET that launches a run.
  const allowsHead = path !== "/invoke";
  const handler = handlers[method === "HEAD" && allowsHead ? "GET" : method];
  if (handler !== undefined) return handler;
  const allowed = Object.keys(handlers).flatMap((name) =>
    name === "GET" && allowsHead ? ["GET", "HEAD"] : [name],
  );
  response.set("Allow", allowed.join(", "));
  throw new UserError(`${path} does not allow ${method}.`, {
    status: 405,
    remedy: `Use ${allowed.join(" or ")}: GET /openapi.json describes the routes.`,
  });
}

const runIdIn = (path: string): string | undefined => /^\/runs\/([^/]+)$/.exec(path)?.[1];

/** The query's parameters, which are keys of the shape. @throws UserError when one is unknown, repeated or empty. */
function queryOf({ query }: Request, shape: object): Record<string, string> {
  const allowed = Object.keys(shape);
  const remedy = `Allowed, each once: ${allowed.join(", ")}.`;
  const parameters: Record<string, string> = {};
  for (const [name, value] of Object.entries(query)) {
    if (!allowed.includes(name))
      throw new UserError(`There is no parameter ${name}${nearest(name, allowed)}.`, { remedy });
    if (typeof value !== "string") throw new UserError(`The parameter ${name} is repeated.`, { remedy });
    // Number("") is 0, which is a valid value of some settings.
    if (value === "") throw new UserError(`The parameter ${name} has no value.`, { remedy });
    parameters[name] = value;
  }
  return parameters;
}

function nearest(name: string, allowed: readonly string[]): string {
  const near = closest(name, allowed);
  return distance(name, near) <= near.length / 3 ? `; the nearest is ${near}` : "";
}

/** The data of the message that Pub/Sub pushes. @throws UserError for another body. */
function pushed({ body }: Request, subject: Subject): unknown {
  subject.message_id = String(body?.message?.messageId ?? "unknown");
  const { message } = parse(
    pushEnvelope,
    body,
    "This is not a Pub/Sub push request",
    'Send application/json like {"message": {"messageId": "1", "data": "<base64>"}, "subscription": "requests"}.',
  );
  return decode(message.data);
}

function decode(data: string): unknown {
  try {
    return JSON.parse(Buffer.from(data, "base64").toString("utf8"));
  } catch (cause) {
    throw new UserError("The message's data is not JSON in base64.", {
      remedy: "Publish a run request or a run event: GET /openapi.json describes them.",
      cause,
    });
  }
}
