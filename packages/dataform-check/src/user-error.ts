import { z } from "zod";

/** An error that a person can act on: what was given, what is allowed, what to do next. */
export class UserError extends Error {
  /** One sentence on what to do next. */
  readonly remedy: string | undefined;

  constructor(message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "UserError";
    this.remedy = options.remedy;
  }
}

/** The text to show a person for any error. */
export function formatError(error: unknown): string {
  if (error instanceof UserError && error.remedy !== undefined) return `${error.message}\n${error.remedy}`;
  return error instanceof Error ? error.message : String(error);
}

/** @throws UserError that names the source and every wrong field. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, source: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new UserError(`${source}: ${z.prettifyError(result.error)}`);
}
