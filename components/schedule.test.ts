import assert from "node:assert/strict";
import fc from "fast-check";
import { longestGap } from "./schedule.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;

describe("longestGap", () => {
  for (const [cron, timeZone, gap] of [
    ["0 6 * * *", "Etc/UTC", DAY],
    ["0 6 * * *", "Europe/Paris", 25 * HOUR], // the day that daylight saving ends
    ["0,1 2 * * *", "America/New_York", 47 * HOUR - 60], // no run on the day that daylight saving starts
    ["0 6 * * 1", "Etc/UTC", 7 * DAY],
    ["0 6 * * 1-5", "Etc/UTC", 3 * DAY],
    ["0 6 1 * *", "Etc/UTC", 31 * DAY],
    ["*/10 * * * *", "Etc/UTC", 600],
    ["* 9-17 * * 1-5", "Etc/UTC", 63 * HOUR + 60],
    ["0 6 29 2 *", "Etc/UTC", (4 * 365 + 1) * DAY],
  ] as const)
    it(`${cron} in ${timeZone}: ${gap / HOUR} hours`, () => {
      assert.equal(longestGap(cron, timeZone), gap);
    });

  it("is at most 25 hours for daily times, except in the hour that daylight saving skips", () => {
    const numbers = (max: number) => fc.uniqueArray(fc.nat(max), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(numbers(59), numbers(23), (minutes, hours) => {
        const gap = longestGap(`${minutes} ${hours} * * *`, "America/New_York");
        const limit = hours.every((hour) => hour === 2) ? 2 * DAY : 25 * HOUR;
        assert.ok(gap > 0 && gap <= limit, String(gap));
      }),
      { numRuns: 3, examples: [[[0, 1], [2]]] },
    );
  });
});
