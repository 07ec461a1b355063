import { createHash } from "node:crypto";
import { z } from "zod";

/** Today's date in UTC, YYYY-MM-DD. */
export const today = (): string => new Date().toISOString().slice(0, 10);

/** The day that a run looks back from: orders before it count. */
export const runDate = z.iso
  .date({ error: "must be a date like 1997-10-01", abort: true })
  .refine((date) => date <= today(), { error: () => `must not be after today (${today()})` })
  .describe("Orders before this day count; ages are measured to the day before it.");

/** Names one run everywhere: messages, jobs, labels, log lines, tables. Fits Vertex AI job ids and Google Cloud labels. */
export const runId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{2,62}$/, "must be 3 to 63 lower-case letters, digits and hyphens, a letter first")
  .describe("Names the run everywhere: messages, jobs, log lines, tables.");

/** The id of the run of a date, in a slot of the schedule (or a person's request), at an attempt; the same for the same. */
export function runIdFor(date: string, slot: string, attempt = 1): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([date, slot, attempt]))
    .digest("hex");
  return `clv-${date.replaceAll("-", "")}-${hash.slice(0, 10)}`;
}

/** What a run can be told; each has a default, so that a request needs a run date only. */
export const runSettings = z.strictObject({
  horizon_weeks: z.coerce
    .number()
    .int()
    .min(1)
    .max(520)
    .default(39)
    .describe("How far ahead purchases and value are expected, weeks."),
  holdout_weeks: z.coerce
    .number()
    .int()
    .min(0)
    .max(520)
    .default(0)
    .describe(
      "Last weeks of the history that the model is judged on; 0: a quarter of it, at most the horizon.",
    ),
  rfm_window_days: z.coerce
    .number()
    .int()
    .min(0)
    .max(36500)
    .default(0)
    .describe("Days before the run date that frequency and monetary value look back over; 0: all history."),
  annual_discount_rate: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("Yearly rate that discounts expected value, 0.1 for 10 %."),
  max_rejected_share: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.05)
    .describe("Share of invalid orders above which the run fails."),
  promotion_metric: z
    .enum(["count_mae", "count_rmse", "top_decile_revenue_share", "spearman"])
    .default("count_mae")
    .describe("Hold-out figure on which a newly fitted model must not be worse than the champion."),
  promotion_tolerance: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.02)
    .describe("How much worse, relatively, a newly fitted model may be and still replace the champion."),
  retrain: z
    .enum(["yes", "no"])
    .default("yes")
    .describe("Whether a model is fitted; no: the champion so far scores."),
});
export type RunSettings = z.output<typeof runSettings>;
