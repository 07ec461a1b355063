import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sqlDir } from "./edition.ts";
import { describeTables } from "./tables.ts";

describe("sql/tables.json", () => {
  it("is what the SQL project makes", async () => {
    assert.deepEqual(
      JSON.parse(readFileSync(join(sqlDir, "tables.json"), "utf8")),
      await describeTables(),
      "The SQL project's tables have changed. If they should: npm run tables, and look at the difference.",
    );
  });
});
