import assert from "node:assert/strict";
import { localSettings } from "../test/airflow/settings.ts";
import { dagSettings, dagSettingsSchema } from "./dag-settings.ts";

describe("DAG settings", () => {
  const settings = localSettings({ project: "p", invokerUrl: "https://invoker.example.com" });
  const isTaken = (more: object) => dagSettings.safeParse({ ...settings, ...more }).success;

  it("are taken complete, and no others", () => {
    assert.deepEqual(dagSettings.parse(settings), settings);
    for (const name of Object.keys(settings)) assert.equal(isTaken({ [name]: undefined }), false, name);
    for (const part of ["schedule", "limits", "tables"] as const) {
      for (const name of Object.keys(settings[part]))
        assert.equal(isTaken({ [part]: { ...settings[part], [name]: undefined } }), false, `${part}.${name}`);
      assert.equal(isTaken({ [part]: { ...settings[part], other: 1 } }), false, part);
    }
    assert.equal(isTaken({ other: 1 }), false);
    for (const environment of ["dev", "prod"]) assert.ok(isTaken({ environment }), environment);
  });

  it("are in their limits", () => {
    const limits = (more: object) => ({ limits: { ...settings.limits, ...more } });
    const tables = (mart: string) => ({ tables: { ...settings.tables, mart } });
    for (const right of [
      limits({ retries: 0, poll_seconds: 1 }),
      { dag_id: "shop.dev-1" },
      { maximum_bytes_billed: 1 },
    ])
      assert.ok(isTaken(right), JSON.stringify(right));
    for (const wrong of [
      ...[limits({ retries: -1 }), limits({ retries: 0.5 }), limits({ poll_seconds: 0 })],
      ...[limits({ run_seconds: 1.5 }), { maximum_bytes_billed: 0 }, { maximum_bytes_billed: 1.5 }],
      ...[{ schedule: { ...settings.schedule, max_active_runs: 0 } }, { environment: "" }],
      ...[{ schedule: { ...settings.schedule, max_active_runs: 1.5 } }, { invoker_url: "invoker" }],
      ...[{ schedule: { ...settings.schedule, start_date: "1996" } }, { notification_emails: ["team"] }],
      ...[{ dag_id: "shop dev" }, { dag_id: " shop" }, { dag_id: "shop " }, { dag_id: "" }],
      ...["mlops_mkt.rfm", "p.d.t.x", "`p`.d.t", "p.d.", ".d.t", "p..t", "p.`d`.t", "p.d.`t`"].map(tables),
    ])
      assert.equal(isTaken(wrong), false, JSON.stringify(wrong));
    const { error } = dagSettings.safeParse({ ...settings, ...tables("mlops_mkt.rfm") });
    assert.match(error!.message, /must be project\.dataset\.table/);
  });

  it("are a JSON Schema of the draft that Airflow's package reads, without what the schedule decides", () => {
    const schema = dagSettingsSchema();
    assert.equal(schema.$schema, "http://json-schema.org/draft-07/schema#");
    assert.deepEqual(schema.required, Object.keys(settings));
    assert.ok(!(schema.properties!.run as { required: string[] }).required.includes("retrain"));
  });
});
