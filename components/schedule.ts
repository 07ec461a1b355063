import { Cron } from "croner";

// Nine years contain every leap day, and 20,000 runs contain every weekday of a frequent schedule.
const START = new Date("2024-01-01");
const END = new Date("2033-01-01");
const MAX_RUNS = 20_000;

/**
 * The longest time between two runs of a schedule, in seconds. A list of minutes or hours that all fall into the hour that
 * daylight saving skips has no run on that day.
 */
export function longestGap(cron: string, timeZone: string): number {
  const schedule = new Cron(cron, { mode: "5-part", timezone: timeZone, stopAt: END });
  const runs = schedule.nextRuns(MAX_RUNS, START).map((run) => run.getTime() / 1000);
  return Math.max(...runs.slice(1).map((run, index) => run - runs[index]!));
}
