import { z } from "zod";
import { runSettings } from "./run.ts";

const seconds = z.number().int().positive();
const table = z.string().regex(/^[^.`]+\.[^.`]+\.[^.`]+$/, "must be project.dataset.table");

/** Settings of the Airflow DAG. The stack uploads them with the DAG, which validates them against the same schema. */
export const dagSettings = z.strictObject({
  dag_id: z.string().regex(/^[\w.-]+$/),
  environment: z.enum(["dev", "prod"]),
  project: z.string(),
  region: z.string(),
  schedule: z.strictObject({
    cron: z.string().describe("Cron expression of five fields."),
    time_zone: z.string().describe("IANA time zone, for example Europe/Berlin."),
    start_date: z.iso.date().describe("The schedule starts on this day."),
    catchup: z.boolean().describe("Whether to run slots that were missed."),
    max_active_runs: z.number().int().positive().describe("Maximum number of runs at the same time."),
  }),
  invoker_url: z.url().describe("Also the audience of the identity token."),
  requests_topic: z.string(),
  events_topic: z.string(),
  warehouse_location: z.string(),
  maximum_bytes_billed: z.number().int().positive(),
  tables: z.strictObject({ mart: table, checks: table, models: table }),
  run: runSettings
    .extend({
      retrain: runSettings.shape.retrain
        .unwrap()
        .optional()
        .describe(
          "Whether to fit a new model. Absent: as the schedule of retraining says, which the invoker has.",
        ),
    })
    .describe("Settings of each run."),
  limits: z.strictObject({
    run_seconds: seconds.describe("Longest time from request to final event."),
    poll_seconds: seconds.describe("Time between two pulls of the event."),
    ask_seconds: seconds.describe(
      "Time between two requests for the run's state, in case the event is lost.",
    ),
    retries: z.number().int().min(0).describe("Retries of each task."),
    retry_delay_seconds: seconds,
  }),
  notification_emails: z
    .array(z.email())
    .describe("Who gets a mail of a failed task, if Airflow has the connection smtp_default."),
  runbook_url: z.string().describe("Page that says what to do when a run fails."),
  labels: z.record(z.string(), z.string()),
});
export type DagSettings = z.output<typeof dagSettings>;

/** The schema as JSON Schema, for the DAG. */
export const dagSettingsSchema = () => z.toJSONSchema(dagSettings, { target: "draft-7" });
