import { z } from "zod";
import { runSettings } from "./run.ts";

const seconds = z.number().int().positive();
const table = z.string().regex(/^[^.`]+\.[^.`]+\.[^.`]+$/, "must be project.dataset.table");

/** What Airflow's DAG is told: the stack uploads it beside the DAG, which checks it against the same schema. */
export const dagSettings = z.strictObject({
  dag_id: z.string().regex(/^[\w.-]+$/),
  environment: z.enum(["dev", "prod"]),
  project: z.string(),
  region: z.string(),
  schedule: z.strictObject({
    cron: z.string().describe("Five fields."),
    time_zone: z.string().describe("As the IANA names it."),
    start_date: z.iso.date().describe("No run is scheduled before this day."),
    catchup: z.boolean().describe("Whether runs that were missed are made up for."),
    max_active_runs: z.number().int().positive().describe("Runs at a time."),
  }),
  invoker_url: z.url().describe("Also the audience of the token."),
  requests_topic: z.string(),
  events_topic: z.string(),
  warehouse_location: z.string(),
  maximum_bytes_billed: z.number().int().positive(),
  tables: z.strictObject({ mart: table, checks: table, models: table }),
  run: runSettings.describe("What each run is told."),
  limits: z.strictObject({
    run_seconds: seconds.describe("From request to final event."),
    poll_seconds: seconds.describe("How often Messenger is asked for the event."),
    ask_seconds: seconds.describe(
      "How often the invoker is asked for the run's state, as an event can be lost.",
    ),
    retries: z.number().int().min(0).describe("Of each task."),
    retry_delay_seconds: seconds,
  }),
  notification_emails: z.array(z.email()).describe("Who gets a mail, where Airflow can send any."),
  runbook_url: z.string().describe("What to do when a run failed."),
  labels: z.record(z.string(), z.string()),
});
export type DagSettings = z.output<typeof dagSettings>;

/** The same as JSON Schema, for readers in other languages. */
export const dagSettingsSchema = () => z.toJSONSchema(dagSettings, { io: "output", target: "draft-7" });
