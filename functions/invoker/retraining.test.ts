import assert from "node:assert/strict";
import fc from "fast-check";
import { isRetrainingDue } from "./retraining.ts";

const DAILY = "0 6 * * *";
const MONDAYS = "0 6 * * 1";
const FIRST_OF_MONTH = "0 6 1 * *";

/** The days of March and April 2026 whose run fits a new model. */
const dueDays = (schedule: string, retrain_schedule: string, time_zone = "Etc/UTC"): string[] =>
  Array.from({ length: 61 }, (_, day) =>
    new Date(Date.UTC(2026, 2, 1 + day)).toISOString().slice(0, 10),
  ).filter((day) => isRetrainingDue(day, { schedule, retrain_schedule, time_zone }));

describe("a new model is due", () => {
  it("on the days of its schedule", () => {
    assert.deepEqual(dueDays(DAILY, FIRST_OF_MONTH), ["2026-03-01", "2026-04-01"]);
    assert.deepEqual(dueDays(DAILY, "0 6 15 * *", "Asia/Tokyo"), ["2026-03-15", "2026-04-15"]);
  });

  it("with any hours of the two schedules", () => {
    for (const hour of ["0 0", "59 23"])
      for (const time_zone of ["Pacific/Auckland", "America/Los_Angeles"])
        for (const schedule of [DAILY, "0 0 * * *", "59 23 * * *"])
          assert.deepEqual(dueDays(schedule, `${hour} 1 * *`, time_zone), ["2026-03-01", "2026-04-01"]);
  });

  it("until the next run, when no run starts on the day", () => {
    // The first days are a Sunday and a Wednesday. A run by hand on the days before the next Monday fits one, too.
    assert.deepEqual(dueDays(MONDAYS, FIRST_OF_MONTH), [
      ...["2026-03-01", "2026-03-02"],
      ...["2026-04-01", "2026-04-02", "2026-04-03", "2026-04-04", "2026-04-05", "2026-04-06"],
    ]);
  });

  it("in each run when it is due at least as often as runs start", () => {
    assert.equal(dueDays(MONDAYS, DAILY).length, 61);
  });

  it("in exactly one scheduled run for each time that it is due, if runs start more often", () => {
    const days = (minimum: number, maximum: number) =>
      fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: minimum, maxLength: maximum });
    fc.assert(
      fc.property(days(1, 7), fc.integer({ min: 1, max: 28 }), (weekdays, monthday) => {
        const schedule = `0 6 * * ${weekdays.join(",")}`;
        const scheduled = dueDays(schedule, `30 3 ${monthday} * *`).filter((day) =>
          weekdays.includes(new Date(day).getUTCDay()),
        );
        // March and April have one each. The run can be after April, and the first can be due since February.
        const since = scheduled.filter((day) => day >= `2026-03-${String(monthday).padStart(2, "0")}`);
        assert.ok(since.length === 2 || (since.length === 1 && monthday > 23), JSON.stringify(scheduled));
      }),
      { numRuns: 10 },
    );
  });
});
