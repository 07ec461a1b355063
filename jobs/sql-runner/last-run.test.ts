import assert from "node:assert/strict";
import type { Action, Graph } from "dataform-check/dataform";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import { UserError } from "../../lib/user-error.ts";
import { readLastRun, saveLastRun } from "./last-run.ts";

describe("last run", () => {
  const files = new Map<string, string>();
  const store: ArtifactStore = {
    read: async (url) => files.get(url),
    write: async (url, text) => void files.set(url, text),
  };
  const action = (name: string, query: string): Action => ({
    kind: "model",
    target: { project: "p", dataset: "d", name },
    materialization: "partition",
    query,
    partitionBy: "run_date",
    clusterBy: [],
    tags: ["features"],
    description: "",
    columns: {},
    dependencies: [],
    file: `${name}.sqlx`,
  });
  const graph = (...actions: Action[]): Graph => ({
    actions,
    sources: [],
    home: { project: "p", dataset: "d" },
    opaque: [],
    ignored: [],
  });
  const on = (value: string) => ({ run_date: { type: "DATE", value } }) as const;

  it("has each action as it ran last, step by step, without removed actions", async () => {
    assert.equal(await readLastRun(store, "gs://b"), undefined);
    const [a, b, c] = [action("a", "SELECT 1"), action("b", "SELECT 2"), action("c", "SELECT 3")];
    await saveLastRun(store, "gs://b", graph(a, b, c), [a, c], on("2024-01-01"));
    await saveLastRun(store, "gs://b", graph(a, b, c), [b], on("2024-01-01"));
    assert.deepEqual(await readLastRun(store, "gs://b"), {
      parameters: on("2024-01-01"),
      actions: [a, b, c],
    });

    const edited = action("a", "SELECT 4");
    await saveLastRun(store, "gs://b", graph(edited, action("b", "SELECT 5")), [edited], on("2024-01-02"));
    assert.deepEqual(await readLastRun(store, "gs://b"), {
      parameters: on("2024-01-02"),
      actions: [edited, b], // b has not run since it was edited, c is removed
    });
  });

  it("says what to do when its file is damaged, and is replaced by the next run", async () => {
    for (const broken of [JSON.stringify({ actions: [{ kind: "table" }] }), '{"actions"']) {
      files.set("gs://b/last-run.json", broken);
      await assert.rejects(
        readLastRun(store, "gs://b"),
        (error) => error instanceof UserError && error.remedy?.includes("Run again") === true,
      );
    }
    const a = action("a", "SELECT 1");
    await saveLastRun(store, "gs://b", graph(a), [a], on("2024-01-01"));
    assert.deepEqual((await readLastRun(store, "gs://b"))?.actions, [a]);
  });
});
