import { STATUS_CODES } from "node:http";
import type { Request, Response } from "@google-cloud/functions-framework";
import { z } from "zod";
import { UserError } from "../../lib/user-error.ts";

/** Body of every error response, as application/problem+json (RFC 9457, section 3). */
export const problemDocument = z.strictObject({
  type: z.literal("about:blank").describe("The status code defines the kind of problem."),
  title: z.string().describe("The status code in words."),
  status: z.number().int().min(400).max(599),
  detail: z.string().describe("What was given and what is allowed."),
  instance: z.string().describe("The requested path."),
  remedy: z.string().optional().describe("What to do next."),
});

const defect = new UserError("The invoker failed.", {
  status: 500,
  remedy: "Try again. If it fails again, see the service's log.",
});

/** Sends the error as a problem document. Only the text of a UserError is sent: others can contain internals. */
export function sendProblem(request: Request, response: Response, error: unknown): void {
  const { status, message, remedy } = error instanceof UserError ? error : defect;
  const document: z.input<typeof problemDocument> = {
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Error",
    status,
    detail: message,
    instance: request.path,
    ...(remedy === undefined ? {} : { remedy }),
  };
  response.status(status).type("application/problem+json").send(JSON.stringify(document));
}
