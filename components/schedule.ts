import { Cron } from "croner";

/** How far ahead the schedule is looked at: nine years have every leap day, so many runs every weekday. */
const YEARS = 9;
const RUNS = 20_000;

/** The longest time between two runs of a schedule, seconds; Infinity when it runs once at most in nine years. */
export function longestGap(cron: string, timeZone: string): number {
  const schedule = new Cron(cron, { mode: "5-part", timezone: timeZone });
  const end = new Date(Date.UTC(2024 + YEARS, 0, 1));
  let longest = 0;
  let last = schedule.nextRun(new Date(Date.UTC(2024, 0, 1)));
  for (let runs = 0; runs < RUNS && last !== null; runs++) {
    const next = schedule.nextRun(last);
    if (next === null || next > end) return runs === 0 ? Infinity : longest;
    longest = Math.max(longest, (next.getTime() - last.getTime()) / 1000);
    last = next;
  }
  return longest;
}
