import type { z } from "zod";

/**
 * An error that a person can act on: what was given, what is allowed, what to do next. All other errors are defects. Over
 * HTTP it is an application/problem+json document (RFC 9457).
 */
export class UserError extends Error {
  /** Status code over HTTP. */
  readonly status: number;
  /** One sentence on what to do next. */
  readonly remedy: string | undefined;

  constructor(
    message: string,
    options: { status?: number; remedy?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "UserError";
    this.status = options.status ?? 400;
    this.remedy = options.remedy;
  }
}

/**
 * Validates input. `what` names it in the error.
 * @throws UserError with each wrong field, what was given and what is allowed.
 */
export function parse<S extends z.ZodType>(
  schema: S,
  value: unknown,
  what: string,
  remedy?: string,
): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const details = result.error.issues.map((issue) => {
    const field = issue.path.join(".");
    // NaN is the result of coercing text: a person gave the text.
    const input = Number.isNaN(issue.input)
      ? issue.path.reduce<unknown>((outer, key) => (outer as Record<PropertyKey, unknown>)?.[key], value)
      : issue.input;
    const given =
      input === undefined || Number.isNaN(input) ? "" : ` (given: ${shorten(JSON.stringify(input))})`;
    return `${field === "" ? "" : `${field}: `}${issue.message}${given}`;
  });
  throw new UserError(`${what}: ${details.join("; ")}`, { remedy });
}

/** Whether an error is a UserError of this project or of a package. */
export const isUserError = (error: unknown): error is UserError =>
  error instanceof Error && error.name === "UserError";

/** The text to show for anything that was thrown. */
export function formatError(error: unknown): string {
  if (isUserError(error)) return error.remedy ? `${error.message}\n${error.remedy}` : error.message;
  return error instanceof Error ? error.message : String(error);
}

function shorten(text: string | undefined): string {
  return text === undefined ? "nothing" : text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
