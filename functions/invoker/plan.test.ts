import assert from "node:assert/strict";
import fc from "fast-check";
import type { z } from "zod";
import { type RunState, runState } from "../../contracts/launcher.ts";
import { runIdFor } from "../../contracts/run.ts";
import { planQuery, planRun } from "./plan.ts";

const DAY = "1997-10-01";

/** A launcher whose runs of the day are in these states. */
const launcherOf = (states: readonly RunState["state"][]) => ({
  state: async (run_id: string): Promise<RunState | undefined> => {
    const state = states.find((_, index) => runIdFor(DAY, index + 1) === run_id);
    return state && { run_id, run_date: DAY, state, error: null, steps: [] };
  },
});
const attemptOf = async (states: readonly RunState["state"][], again: "yes" | "no") => {
  const query = { run_date: DAY, again, horizon_weeks: 26 };
  const { attempt, ...plan } = await planRun(launcherOf(states), query);
  const run_id = runIdFor(DAY, attempt);
  assert.deepEqual(plan, {
    run_id,
    run_date: DAY,
    state: states[attempt - 1] ?? "new",
    request: { run_id, run_date: DAY, horizon_weeks: 26, retrain: "yes" },
  });
  return attempt;
};

describe("the plan of a run", () => {
  it("starts with attempt 1", async () => {
    assert.equal(await attemptOf([], "no"), 1);
    assert.equal(await attemptOf([], "yes"), 1);
  });

  it("reuses a run that is queued or running, and one that succeeded unless the date runs again", async () => {
    for (const state of ["queued", "running"] as const)
      for (const again of ["yes", "no"] as const) assert.equal(await attemptOf(["failed", state], again), 2);
    assert.equal(await attemptOf(["cancelled", "succeeded"], "no"), 2);
    assert.equal(await attemptOf(["cancelled", "succeeded"], "yes"), 3);
    assert.equal(await attemptOf(["succeeded", "failed"], "no"), 3);
  });

  it("fits a new model when its schedule says so, unless the query decides", async () => {
    const retraining = { schedule: "0 6 * * *", retrain_schedule: "0 6 1 * *", time_zone: "Etc/UTC" };
    const retrainOf = async (run_date: string, query: Partial<z.output<typeof planQuery>> = {}) =>
      (await planRun(launcherOf([]), { run_date, again: "no", ...query }, retraining)).request.retrain;
    assert.equal(await retrainOf("1997-10-01"), "yes");
    assert.equal(await retrainOf("1997-10-02"), "no");
    assert.equal(await retrainOf("1997-10-01", { retrain: "no" }), "no");
    assert.equal(await retrainOf("1997-10-02", { retrain: "yes" }), "yes");
    // The query of a request has no value for what it does not set.
    assert.equal(await retrainOf("1997-10-02", planQuery.parse({ run_date: "1997-10-02" })), "no");
  });

  it("never plans a second run of a date while one is queued or running", async () => {
    const state = fc.constantFrom(...runState.shape.state.options);
    const again = fc.constantFrom("yes" as const, "no" as const);
    // The states of a date's runs when each new run is requested only as planned.
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(state, again)), async (requests) => {
        const states: RunState["state"][] = [];
        for (const [next, again] of requests) {
          const attempt = await attemptOf(states, again);
          assert.ok(attempt <= states.length + 1);
          const isActive = (state: string) => state === "queued" || state === "running";
          if (states.some(isActive)) assert.ok(isActive(states[attempt - 1] ?? "none"));
          states[attempt - 1] = next;
        }
      }),
    );
  });
});
