import { Cron } from "croner";

// Nine years contain every leap day, and 20,000 runs contain every weekday of a frequent schedule.
const YEARS = 9;
const MAX_RUNS = 20_000;

/**
 * The longest time between two runs of a schedule, in seconds; Infinity when it runs at most once in nine years.
 * A list of minutes or hours that all fall into the hour that daylight saving skips has no run on that day.
 */
export function longestGap(cron: string, timeZone: string): number {
  const schedule = new Cron(cron, { mode: "5-part", timezone: timeZone });
  const end = new Date(Date.UTC(2024 + YEARS, 0, 1));
  let longest = 0;
  let last = schedule.nextRun(new Date(Date.UTC(2024, 0, 1)));
  for (let runs = 0; runs < MAX_RUNS && last !== null; runs++) {
    const next = schedule.nextRun(last);
    if (next === null || next > end) return runs === 0 ? Infinity : longest;
    longest = Math.max(longest, (next.getTime() - last.getTime()) / 1000);
    last = next;
  }
  return longest;
}
