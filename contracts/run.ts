import { createHash } from "node:crypto";
import { z } from "zod";

/** Today's date in UTC, YYYY-MM-DD. */
export const today = (): string => new Date().toISOString().slice(0, 10);

/** The day that a run looks back from: only orders before it count. From 1900-01-01 to today. */
export const runDate = z.iso
  .date({ error: "must be a date like 1997-10-01", abort: true })
  .regex(/^(19|[2-9]\d)/, { error: "must not be before 1900-01-01", abort: true })
  .refine((date) => date <= today(), { error: () => `must not be after today (${today()})` })
  .meta({
    format: "date",
    description:
      "Only orders before this day count. Ages are measured to the day before it. From 1900-01-01 to today.",
  });

/** Identifies one run in messages, jobs, labels, log lines and tables. Valid as a Vertex AI job id and a Google Cloud label. */
export const runId = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{2,62}$/,
    "must be 3 to 63 lower-case letters, digits and hyphens, starting with a letter",
  )
  .describe("Identifies the run in messages, jobs, log lines and tables.");

/** The run id for a date, a slot of the schedule (or a person's request) and an attempt. The same arguments give the same id. */
export function runIdFor(date: string, slot: string, attempt = 1): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([date, slot, attempt]))
    .digest("hex");
  return `clv-${date.replaceAll("-", "")}-${hash.slice(0, 10)}`;
}

const wholeNumber = (minimum: number, maximum: number, standard: number, description: string) =>
  z.coerce.number().int().min(minimum).max(maximum).default(standard).describe(description);
const share = (standard: number, description: string) =>
  z.coerce.number().min(0).max(1).default(standard).describe(description);

/** Settings of a run. Each has a default, so a request needs only a run date. */
export const runSettings = z.strictObject({
  horizon_weeks: wholeNumber(1, 520, 39, "Weeks ahead for which purchases and value are predicted."),
  holdout_weeks: wholeNumber(
    0,
    520,
    0,
    "Last weeks of the history, on which the model is evaluated. 0: a quarter of the history, at most the horizon.",
  ),
  rfm_window_days: wholeNumber(
    0,
    36_500,
    0,
    "Days before the run date that count for frequency and monetary value. 0: all history.",
  ),
  annual_discount_rate: share(0.1, "Yearly discount rate of the expected value. 0.1 is 10 %."),
  max_rejected_share: share(0.05, "The run fails when a larger share of the orders is invalid."),
  promotion_metric: z
    .enum(["count_mae", "count_rmse", "top_decile_revenue_share", "spearman"])
    .default("count_mae")
    .describe("Hold-out metric on which a new model is compared with the champion."),
  promotion_tolerance: share(
    0.02,
    "How much worse than the champion a new model may be and still replace it, as a share. 0.02 is 2 %.",
  ),
  retrain: z
    .enum(["yes", "no"])
    .default("yes")
    .describe("Whether to fit a new model. no: the current champion scores."),
  // At the end: the place in the list is the number of the field in the schema of the topic.
  model_customers: wholeNumber(
    0,
    1e9,
    1e6,
    "Most customers that the model is fitted and evaluated on. A hash of the customer id selects them; all customers are scored. 0: all.",
  ),
});
export type RunSettings = z.output<typeof runSettings>;
