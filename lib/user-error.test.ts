import assert from "node:assert/strict";
import { z } from "zod";
import { parse } from "./user-error.ts";

describe("parse", () => {
  const count = z.coerce.number().int();

  it("reports the text that was given where a number is expected", () => {
    assert.throws(() => parse(count, "many", "--count"), {
      name: "UserError",
      message: '--count: Invalid input: expected number, received NaN (given: "many")',
    });
    const schema = z.object({ limits: z.array(count) });
    assert.throws(() => parse(schema, { limits: ["1", "many"] }, "settings"), {
      message: 'settings: limits.1: Invalid input: expected number, received NaN (given: "many")',
    });
    assert.throws(() => parse(z.object({ count }), {}, "settings"), {
      message: "settings: count: Invalid input: expected number, received NaN",
    });
  });
});
