import { z } from "zod";
import { createDocument } from "zod-openapi";
import { runState } from "../../contracts/launcher.ts";
import { pushEnvelope, runEvent, runRequest } from "../../contracts/messages.ts";
import { runDate, runId } from "../../contracts/run.ts";
import { planQuery, runPlan } from "./plan.ts";
import { problemDocument } from "./problem-response.ts";

const json = (schema: z.ZodType) => ({ "application/json": { schema } });
const success = (description: string, schema: z.ZodType) => ({ description, content: json(schema) });

const error = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: problemDocument } },
});
const DEFECT = { 500: error("The invoker failed. See the service's log.") };
const HEALTH = z.strictObject({ status: z.literal("ok") });

/** A route to which Pub/Sub pushes messages. */
const push = (operationId: string, summary: string, data: string, done: string, what: string) => ({
  post: {
    operationId,
    summary,
    description: `The message's data is a ${data}`,
    requestBody: { required: true, content: json(pushEnvelope) },
    responses: {
      204: { description: done },
      400: error(`Not a ${what}. Pub/Sub delivers it again, then moves it to the dead letters.`),
      413: error("The body is over 1 MiB."),
      ...DEFECT,
    },
  },
});

/** The body of GET /openapi.json: the invoker's routes, from the schemas that validate requests. */
export const openapi = createDocument({
  openapi: "3.1.0",
  info: {
    title: "Customer value pipeline: invoker",
    version: "1.0.0",
    description:
      "The contact point of Workload: launches runs of the pipeline and returns their state. " +
      "Each route with GET allows HEAD too, except /invoke. Each route refuses a body over 1 MiB with 413.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  paths: {
    "/healthcheck": {
      get: {
        operationId: "healthcheck",
        summary: "Checks that the invoker is up",
        responses: { 200: success("The invoker is up.", HEALTH) },
      },
    },
    "/invoke": {
      get: {
        operationId: "invoke",
        summary: "Launches a run",
        description: "Without run_id, every call launches a new run.",
        requestParams: { query: runRequest.partial({ run_id: true }) },
        responses: {
          202: {
            description:
              "The run is launched: by this request (created), or by an earlier one with the same run_id.",
            headers: z.object({ Location: z.string().describe("Path of the run's state.") }),
            content: json(
              z.strictObject({
                run_id: runId,
                run_date: runDate,
                created: z.boolean(),
                state_url: z.string().describe("Path of the run's state."),
              }),
            ),
          },
          400: error(
            "run_date is missing or not after the first order, or a parameter is unknown, repeated or out of range.",
          ),
          ...DEFECT,
        },
      },
    },
    "/plan": {
      get: {
        operationId: "plan",
        summary: "Returns the run to request for a date",
        description:
          "The run of the date that is queued or running, otherwise its first attempt that has not failed. " +
          "Launches nothing.",
        requestParams: { query: planQuery },
        responses: {
          200: success("The run to request.", runPlan),
          400: error("A parameter is missing, unknown, repeated or out of range."),
          ...DEFECT,
        },
      },
    },
    "/": push(
      "push",
      "Launches the run that a Pub/Sub message requests",
      "RunRequest as JSON, in base64. A message can be delivered again.",
      "The run is launched: by this delivery or an earlier one.",
      "run request",
    ),
    "/events": push(
      "logEvent",
      "Logs the final event of a run that a Pub/Sub message has",
      "RunEvent as JSON, in base64. A message can be delivered again, and is logged again.",
      "The event is logged.",
      "run event",
    ),
    "/runs/{run_id}": {
      get: {
        operationId: "state",
        summary: "Returns the state of a run",
        requestParams: { path: z.object({ run_id: runId }) },
        responses: {
          200: success("The state of the run and of its steps.", runState),
          400: error("Not a run id."),
          404: error("There is no run with this id."),
          ...DEFECT,
        },
      },
    },
    "/openapi.json": {
      get: {
        operationId: "openapi",
        summary: "This document",
        responses: { 200: success("OpenAPI 3.1.", z.record(z.string(), z.unknown())) },
      },
    },
  },
  components: {
    schemas: {
      Problem: problemDocument,
      RunRequest: runRequest.meta({ unusedIO: "input" }),
      RunEvent: runEvent.meta({ unusedIO: "input" }),
      RunState: runState,
      Push: pushEnvelope,
    },
  },
});
