import { STATUS_CODES } from "node:http";
import type { Request, Response } from "@google-cloud/functions-framework";
import { z } from "zod";
import { UserError } from "../../lib/user-error.ts";

/** What every error is answered with, as application/problem+json (RFC 9457, section 3). */
export const problemDocument = z.strictObject({
  type: z.literal("about:blank").describe("The status code says what kind of problem it is."),
  title: z.string().describe("The status code in words."),
  status: z.number().int().min(400).max(599),
  detail: z.string().describe("What was given and what is allowed."),
  instance: z.string().describe("The path that was asked for."),
  remedy: z.string().optional().describe("What to do next."),
});

const defect = new UserError("The invoker failed.", {
  status: 500,
  remedy: "Try again; if it stays so, the service's log tells why.",
});

/** Answers with the problem; of anything but a UserError nothing is told, for it may hold internals. */
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
