import assert from "node:assert/strict";
import { retrainingSchedule } from "./retraining.ts";

describe("the schedule of retraining", () => {
  it("has both schedules and their time zone, and nothing else", () => {
    const schedule = { schedule: "0 6 * * 1", retrain_schedule: "0 6 1 * *", time_zone: "Europe/Berlin" };
    assert.deepEqual(retrainingSchedule.parse(schedule), schedule);
    for (const name of Object.keys(schedule))
      assert.equal(retrainingSchedule.safeParse({ ...schedule, [name]: undefined }).success, false, name);
    assert.equal(retrainingSchedule.safeParse({ ...schedule, retrain: "yes" }).success, false);
  });
});
