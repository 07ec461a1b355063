import { randomBytes } from "node:crypto";
import { z } from "zod";
import { isTimeZone } from "../lib/time-zone.ts";

/** Today's date in a time zone, YYYY-MM-DD. */
export const today = (timeZone = "UTC"): string =>
  // The dates of Sweden are those of ISO 8601.
  new Date().toLocaleDateString("sv", { timeZone });

/** Today's date where a day begins first, UTC+14: a schedule can be in any zone. Intl would take most of a request's time. */
const latestToday = (): string => new Date(Date.now() + 14 * 3_600_000).toISOString().slice(0, 10);

/** The day that a run looks back from: only orders before it count. From 1900-01-01 to today, in any time zone. */
export const runDate = z.iso
  .date({ error: "must be a date like 1997-10-01", abort: true })
  .regex(/^(19|[2-9]\d)/, "must not be before 1900-01-01")
  .refine((date) => date <= latestToday(), { error: () => `must not be after today (${latestToday()})` })
  .meta({
    format: "date",
    description:
      "Only orders before this day count. Ages are measured to the day before it. From 1900-01-01 to today, in any time zone.",
  });

/** Identifies one run in messages, jobs, labels, log lines and tables. Valid as a Vertex AI job id and a Google Cloud label. */
export const runId = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{2,62}$/,
    "must be 3 to 63 lower-case letters, digits and hyphens, starting with a letter",
  )
  .describe("Identifies the run in messages, jobs, log lines and tables.");

/** The run id for a date and an attempt at it. The same arguments give the same id. */
export const runIdFor = (date: string, attempt: number | string): string =>
  `clv-${date.replaceAll("-", "")}-${attempt}`;

/** A run id for a date that no other run has: for a run by hand, which is not one of the date's attempts. */
export const newRunId = (date: string): string => runIdFor(date, `m${randomBytes(5).toString("hex")}`);

const wholeNumber = (minimum: number, maximum: number, standard: number) =>
  z.coerce.number().int().min(minimum).max(maximum).default(standard);
const share = (standard: number) => z.coerce.number().min(0).max(1).default(standard);

/** Settings of a run. Each has a default, so a request needs only a run date. */
export const runSettings = z.strictObject({
  horizon_weeks: wholeNumber(1, 520, 39).describe("Weeks ahead for which purchases and value are predicted."),
  holdout_weeks: wholeNumber(0, 520, 0).describe(
    "Last weeks of the history, on which the model is evaluated. 0: a quarter of the history, at most the horizon.",
  ),
  rfm_window_days: wholeNumber(0, 36_500, 0).describe(
    "Days before the run date that count for frequency and monetary value. 0: all history.",
  ),
  annual_discount_rate: share(0.1).describe("Yearly discount rate of the expected value. 0.1 is 10 %."),
  max_rejected_share: share(0.05).describe("The run fails when a larger share of the orders is invalid."),
  promotion_metric: z
    .enum(["count_mae", "count_rmse", "top_decile_revenue_share", "spearman", "value_mae"])
    .default("count_mae")
    .describe("Hold-out metric on which a new model is compared with the champion."),
  promotion_tolerance: share(0.02).describe(
    "How much worse than the champion a new model may be and still replace it, as a share. 0.02 is 2 %.",
  ),
  retrain: z
    .enum(["yes", "no"])
    .default("yes")
    .describe("Whether to fit a new model. no: the current champion scores, if there is one."),
  shop_time_zone: z
    .string()
    .refine(isTimeZone, "must be a time zone like Europe/Paris")
    .default("UTC")
    .describe("Time zone of the shop, like Europe/Paris. It decides on which day an order is."),
  refunds: z
    .enum(["separate", "net"])
    .default("separate")
    .describe(
      "What a negative amount does. separate: it is set aside. net: it lowers an earlier order of its customer.",
    ),
  // New settings come at the end: the position in the list is the number of the field in the schema of the topic.
  model_customers: wholeNumber(0, 1e9, 1e6).describe(
    "Most customers that the model is fitted and evaluated on. A hash of the customer id selects them; all customers are scored. 0: all.",
  ),
  max_psi: z.coerce
    .number()
    .min(0)
    .max(1000)
    .default(0.2)
    .describe(
      "The run warns when a feature or score differs more from those of the run that fitted the model, by the population stability index.",
    ),
  late_orders_days: wholeNumber(0, 36_500, 35).describe(
    "A run reads the orders of so many days again, counted back from the last order or, if that is earlier, from the run date. Orders can be added, changed or removed this late.",
  ),
  // Not yes and no: in the schema of the topic, a word can be in one list of values only.
  full_refresh: z
    .enum(["off", "on"])
    .default("off")
    .describe("on: the run reads the whole order log again, and not only what is new."),
});
export type RunSettings = z.output<typeof runSettings>;
