import { z } from "zod";

/** The parsed JSON, or the text itself if it is not JSON. */
export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A text that is the JSON of a value, as a setting or a variable has it. */
export const json = <S extends z.ZodType>(value: S) => z.string().transform(jsonOrText).pipe(value);
