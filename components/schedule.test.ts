import assert from "node:assert/strict";
import fc from "fast-check";
import { longestGap } from "./schedule.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;

describe("schedule", () => {
  for (const [cron, timeZone, gap] of [
    ["0 6 * * *", "Etc/UTC", DAY],
    ["0 6 * * *", "Europe/Paris", 25 * HOUR], // the day that summer time ends
    ["0 6 * * 1", "Etc/UTC", 7 * DAY],
    ["0 6 * * 1-5", "Etc/UTC", 3 * DAY],
    ["0 6 1 * *", "Etc/UTC", 31 * DAY],
    ["*/10 * * * *", "Etc/UTC", 600],
    ["* 9-17 * * 1-5", "Etc/UTC", 63 * HOUR + 60],
    ["0 6 29 2 *", "Etc/UTC", (4 * 365 + 1) * DAY],
  ] as const)
    it(`${cron} in ${timeZone} runs at least every ${gap / HOUR} hours`, () => {
      assert.equal(longestGap(cron, timeZone), gap);
    });

  it("of given minutes and hours leaves no longer gap than a day and an hour", () => {
    const list = (most: number) =>
      fc.uniqueArray(fc.nat(most), { minLength: 1, maxLength: 4 }).map((numbers) => numbers.join());
    fc.assert(
      fc.property(list(59), list(23), (minutes, hours) => {
        const gap = longestGap(`${minutes} ${hours} * * *`, "America/New_York");
        assert.ok(gap > 0 && gap <= 25 * HOUR, String(gap));
      }),
      { numRuns: 3 },
    );
  });
});
