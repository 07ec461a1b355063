import assert from "node:assert/strict";
import { runState } from "./launcher.ts";
import { stepStarted } from "./step.ts";

describe("the state of a run", () => {
  const state = { run_id: "clv-1", run_date: "1997-10-01", state: "queued", error: null, steps: [] };

  it("is one of five, with the reason of an end and the steps", () => {
    for (const each of ["queued", "running", "succeeded", "failed", "cancelled"])
      assert.deepEqual(runState.parse({ ...state, state: each }), { ...state, state: each });
    const failed = { ...state, state: "failed", error: "No memory.", steps: [stepStarted("train")] };
    assert.deepEqual(runState.parse(failed), failed);
  });

  it("must be complete", () => {
    for (const name of Object.keys(state))
      assert.equal(runState.safeParse({ ...state, [name]: undefined }).success, false, name);
    for (const wrong of [{ state: "" }, { state: "done" }, { steps: [{}] }])
      assert.equal(runState.safeParse({ ...state, ...wrong }).success, false, JSON.stringify(wrong));
  });
});
