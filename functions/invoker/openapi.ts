import { z } from "zod";
import { createDocument, type ZodOpenApiResponsesObject } from "zod-openapi";
import { runState } from "../../contracts/launcher.ts";
import { pushEnvelope, runRequest } from "../../contracts/messages.ts";
import { runDate, runId } from "../../contracts/run.ts";
import { problemDocument } from "./problem-response.ts";

const json = (schema: z.ZodType) => ({ "application/json": { schema } });

/** The problems that a route can answer with, by status code. */
function problems(descriptions: Record<`${4 | 5}${number}`, string>): ZodOpenApiResponsesObject {
  const content = { "application/problem+json": { schema: problemDocument } };
  return Object.fromEntries(
    Object.entries({ ...descriptions, 500: "A defect; the service's log tells more." }).map(
      ([status, description]) => [status, { description, content }],
    ),
  );
}

/** What GET /openapi.json answers: the invoker's routes, made from the contracts that validate them. */
export const openapi = createDocument({
  openapi: "3.1.0",
  info: {
    title: "Customer value pipeline: invoker",
    version: "1.0.0",
    description:
      "The contact point of Workload: launches runs of the pipeline and tells how they are. " +
      "Where GET is, HEAD is, but for /invoke. A body over 1 MiB is answered with 413, whatever the route.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  paths: {
    "/healthcheck": {
      get: {
        operationId: "healthcheck",
        summary: "Whether the invoker is up",
        responses: {
          200: { description: "It is.", content: json(z.strictObject({ status: z.literal("ok") })) },
        },
      },
    },
    "/invoke": {
      get: {
        operationId: "invoke",
        summary: "Launches a run",
        description: "Without run_id every call launches a run of its own.",
        requestParams: { query: runRequest.partial({ run_id: true }) },
        responses: {
          202: {
            description: "The run is launched, now (created) or by an earlier request of the same run_id.",
            headers: z.object({ Location: z.string().describe("Where the run's state is told.") }),
            content: json(
              z.strictObject({
                run_id: runId,
                run_date: runDate,
                created: z.boolean(),
                state_url: z.string().describe("Where the run's state is told."),
              }),
            ),
          },
          ...problems({
            400: "run_date is missing, or a parameter is unknown, repeated or out of its range.",
          }),
        },
      },
    },
    "/": {
      post: {
        operationId: "push",
        summary: "Launches the run of a message that Pub/Sub pushes",
        description: "The message's data is a RunRequest: JSON, in base64. Every message may come again.",
        requestBody: { required: true, content: json(pushEnvelope) },
        responses: {
          204: { description: "The run is launched, now or by an earlier delivery." },
          ...problems({
            400: "Not a run request. Pub/Sub delivers it again, then dead-letters it.",
            413: "The body is over 1 MiB.",
          }),
        },
      },
    },
    "/runs/{run_id}": {
      get: {
        operationId: "state",
        summary: "How a run is",
        requestParams: { path: z.object({ run_id: runId }) },
        responses: {
          200: { description: "State of the run and of its steps.", content: json(runState) },
          ...problems({ 400: "Not a run id.", 404: "No run of this id was ever launched." }),
        },
      },
    },
    "/openapi.json": {
      get: {
        operationId: "openapi",
        summary: "This document",
        responses: {
          200: { description: "OpenAPI 3.1.", content: json(z.record(z.string(), z.unknown())) },
        },
      },
    },
  },
  components: {
    schemas: {
      Problem: problemDocument,
      RunRequest: runRequest.meta({ unusedIO: "input" }),
      RunState: runState,
      Push: pushEnvelope,
    },
  },
});
