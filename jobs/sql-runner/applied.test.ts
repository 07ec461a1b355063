import assert from "node:assert/strict";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import { UserError } from "../../lib/user-error.ts";
import type { Action, Graph } from "../../packages/dataform-check/src/dataform.ts";
import { keepApplied, readApplied } from "./applied.ts";

describe("what the tables were made from", () => {
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
  });
  const on = (value: string) => ({ run_date: { type: "DATE", value } }) as const;

  it("is each action as it last ran, step by step, without those that are gone", async () => {
    assert.equal(await readApplied(store, "gs://b"), undefined);
    const [a, b, c] = [action("a", "SELECT 1"), action("b", "SELECT 2"), action("c", "SELECT 3")];
    await keepApplied(store, "gs://b", graph(a, b, c), [a, c], on("2024-01-01"));
    await keepApplied(store, "gs://b", graph(a, b, c), [b], on("2024-01-01"));
    assert.deepEqual(await readApplied(store, "gs://b/"), {
      parameters: on("2024-01-01"),
      actions: [a, b, c],
    });

    const edited = action("a", "SELECT 4");
    await keepApplied(store, "gs://b", graph(edited, action("b", "SELECT 5")), [edited], on("2024-01-02"));
    assert.deepEqual(await readApplied(store, "gs://b"), {
      parameters: on("2024-01-02"),
      actions: [edited, b], // b has not run since it was edited, c is gone
    });
  });

  it("says what to do when it can't be read, and is written anew by the next run", async () => {
    for (const broken of [JSON.stringify({ actions: [{ kind: "table" }] }), '{"actions"']) {
      files.set("gs://b/applied.json", broken);
      await assert.rejects(
        readApplied(store, "gs://b"),
        (error) => error instanceof UserError && error.remedy?.includes("Run again") === true,
      );
    }
    const a = action("a", "SELECT 1");
    await keepApplied(store, "gs://b", graph(a), [a], on("2024-01-01"));
    assert.deepEqual((await readApplied(store, "gs://b"))?.actions, [a]);
  });
});
