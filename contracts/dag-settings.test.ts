import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { dagSettingsSchema } from "./dag-settings.ts";

describe("DAG settings", () => {
  it("match the JSON Schema beside the DAG (golden)", () => {
    const golden = new URL("../composer/dags/customer_value.schema.json", import.meta.url);
    const schema = dagSettingsSchema();
    if (process.env.UPDATE_GOLDEN === "1") writeFileSync(golden, `${JSON.stringify(schema, null, 2)}\n`);
    assert.deepEqual(
      JSON.parse(readFileSync(golden, "utf8")),
      JSON.parse(JSON.stringify(schema)),
      "The contract has changed. If this is right: npm run update, then review the difference.",
    );
  });
});
