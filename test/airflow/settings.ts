import type { DagSettings } from "../../contracts/dag-settings.ts";
import { EVENTS, REQUESTS } from "../../contracts/messages.ts";
import { runSettings } from "../../contracts/run.ts";

/** Settings of the DAG for a run on one machine. */
export const localSettings = ({
  project,
  invokerUrl,
  limits,
}: {
  project: string;
  invokerUrl: string;
  limits?: Partial<DagSettings["limits"]>;
}): DagSettings => ({
  dag_id: "customer-value-dev",
  environment: "dev",
  project,
  region: "europe-west1",
  schedule: {
    cron: "0 6 * * 1",
    time_zone: "Europe/Berlin",
    start_date: "1996-01-01",
    catchup: false,
    max_active_runs: 1,
  },
  invoker_url: invokerUrl,
  requests_topic: REQUESTS,
  events_topic: EVENTS,
  warehouse_location: "EU",
  maximum_bytes_billed: 1e9,
  tables: {
    mart: `${project}.mlops_mkt.rfm`,
    checks: `${project}.ops.checks`,
    models: `${project}.rfm.models`,
  },
  run: runSettings.parse({}),
  limits: {
    run_seconds: 900,
    poll_seconds: 1,
    ask_seconds: 60,
    retries: 0,
    retry_delay_seconds: 1,
    ...limits,
  },
  notification_emails: ["marketing@example.com"],
  runbook_url: "docs/runbook.md#failed-run",
  labels: { app: "customer-value" },
});
