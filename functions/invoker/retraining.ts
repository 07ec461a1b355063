import { Cron } from "croner";
import type { RetrainingSchedule } from "../../contracts/retraining.ts";

/**
 * Whether the run of a date (YYYY-MM-DD) fits a new model: no run has started since the model was due. The days decide, so
 * the runs of a date agree. A model that is due on a day without a run is fitted by the next one.
 */
export function isRetrainingDue(
  runDate: string,
  { schedule, retrain_schedule, time_zone }: RetrainingSchedule,
): boolean {
  const cron = (pattern: string) => new Cron(pattern, { mode: "5-part", timezone: time_zone });
  // The dates of Sweden are those of ISO 8601. Croner reads a time without an offset in the time zone.
  const dayOf = (time: Date) => time.toLocaleDateString("sv", { timeZone: time_zone });
  const [due] = cron(retrain_schedule).previousRuns(1, `${dayAfter(runDate, 1)}T00:00:00`);
  if (due === undefined) return false;
  const next = cron(schedule).nextRun(`${dayAfter(dayOf(due), -1)}T23:59:59`);
  return next === null || dayOf(next) >= runDate;
}

const dayAfter = (day: string, days: number): string =>
  new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10);
