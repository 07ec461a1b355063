import { z } from "zod";

/** When runs start, and when they fit a new model. */
export const retrainingSchedule = z.strictObject({
  schedule: z.string().describe("When runs start: a cron expression of five fields."),
  retrain_schedule: z.string().describe("When a new model is due: a cron expression of five fields."),
  time_zone: z.string().describe("Time zone of both."),
});
export type RetrainingSchedule = z.output<typeof retrainingSchedule>;
