import type * as gcp from "@pulumi/gcp";
import { type Duration, googleDuration, toSeconds } from "./duration.ts";
import type { Names } from "./names.ts";
import { longestGap } from "./schedule.ts";

/** What the alerts watch, and their limits. */
export interface AlertPlanArgs {
  readonly names: Names;
  readonly schedule: { readonly cron: string; readonly timeZone: string };
  /** A run that takes longer is late. */
  readonly runLimit: Duration;
  /** The DAG whose failures Airflow reports. */
  readonly dagId: string;
  /** Bytes that queries of the project may bill in a day. */
  readonly dailyBytesBilledLimit: number;
}

/** An alert: when it is raised, and what the person who gets it must know. */
export interface AlertPlan {
  readonly title: string;
  readonly severity: "CRITICAL" | "ERROR" | "WARNING";
  readonly condition: Omit<gcp.types.input.monitoring.AlertPolicyCondition, "displayName">;
  /** What happened, and what to do first. */
  readonly text: string;
}

type Alert =
  | "dead-letters"
  | "failed-run"
  | "unconfirmed-run"
  | "no-success"
  | "invoker-errors"
  | "invoker-latency"
  | "bytes-billed";

/** The longest time that a condition of PromQL looks back here; a schedule with longer gaps can't be watched by it. */
const LONGEST_LOOKBACK = toSeconds("180 days");

/** Metrics as cloud.google.com/monitoring/api/metrics_gcp lists them. */
export const METRICS = {
  undelivered: "pubsub.googleapis.com/subscription/num_undelivered_messages",
  requests: "run.googleapis.com/request_count",
  latencies: "run.googleapis.com/request_latencies",
  bytesBilled: "bigquery.googleapis.com/query/scanned_bytes_billed",
} as const;

/** The alerts of a stack; no-success only where the schedule can be watched. */
export function planAlerts(args: AlertPlanArgs): Readonly<Partial<Record<Alert, AlertPlan>>> {
  const { names, dailyBytesBilledLimit, dagId } = args;
  const { subscriptions, services } = names;
  const success = successWithin(args);
  const invoker = (metric: string) => `metric.type="${metric}" AND ${invokerFilter(services.invoker)}`;
  return {
    "dead-letters": {
      title: "Messages could not be delivered",
      severity: "ERROR",
      condition: above(
        waiting([subscriptions["requests-dead-letter"], subscriptions["events-dead-letter"]]),
        0,
        { align: "ALIGN_MAX", over: "60 seconds" },
      ),
      text: "Pub/Sub could not deliver a run request or an event in its last attempt. Read the message, fix the cause and publish it again.",
    },
    "failed-run": {
      title: "A run failed",
      severity: "ERROR",
      condition: above(waiting([subscriptions.failures]), 0, { align: "ALIGN_MAX", over: "60 seconds" }),
      text: "The final event of a run says that it failed, in which step and why. Pull it, fix the cause and run the date again.",
    },
    "unconfirmed-run": {
      title: "A run could not be confirmed",
      severity: "ERROR",
      condition: { conditionMatchedLog: { filter: failureFilter(dagId) } },
      text: "A step of the Orchestrator failed: the invoker did not answer, the run failed or did not end in time, or its tables are not right. The log line has the run, the step and the reason.",
    },
    ...(success === undefined
      ? {}
      : {
          "no-success": {
            title: `No run has succeeded for ${success.hours} hours`,
            severity: "CRITICAL" as const,
            condition: {
              conditionPrometheusQueryLanguage: {
                query: success.query,
                duration: "0s",
                evaluationInterval: "300s",
                // The metric begins with the first run.
                disableMetricValidation: true,
              },
            },
            text: "The schedule starts runs more often than this. Check that the Orchestrator works and is not paused, and find the step where the last run stopped.",
          },
        }),
    "invoker-errors": {
      title: "The invoker answers with errors",
      severity: "ERROR",
      condition: above(`${invoker(METRICS.requests)} AND metric.labels.response_code_class="5xx"`, 3, {
        align: "ALIGN_DELTA",
        over: "600 seconds",
        reduce: "REDUCE_SUM",
      }),
      text: "More than 3 requests in 10 minutes were answered with 5xx. Its log lines of severity ERROR say why.",
    },
    "invoker-latency": {
      title: "The invoker is slow",
      severity: "WARNING",
      condition: above(invoker(METRICS.latencies), 10_000, {
        align: "ALIGN_PERCENTILE_95",
        over: "600 seconds",
        reduce: "REDUCE_MAX",
      }),
      text: "One request in twenty takes more than 10 seconds; Pub/Sub waits 120 seconds at most. Check that Vertex AI answers, and look at the invoker's instances.",
    },
    "bytes-billed": {
      title: "Queries bill too much",
      severity: "WARNING",
      condition: above(
        `metric.type="${METRICS.bytesBilled}" AND resource.type="global"`,
        dailyBytesBilledLimit,
        { align: "ALIGN_SUM", over: "1 day", reduce: "REDUCE_SUM" },
      ),
      text: "The queries of a day bill more than the setting dailyBytesBilledLimit. INFORMATION_SCHEMA.JOBS has each query, its user and its bytes.",
    },
  };
}

/**
 * The line of a failure, which the DAG and the workflow log with the same words. The words may be in any field: Composer
 * keeps lines as text, or with Airflow 3 perhaps as JSON.
 */
const failureFilter = (dagId: string): string =>
  `resource.type=("cloud_composer_environment" OR "workflows.googleapis.com/Workflow") AND "run_failed" AND "${dagId}"`;

/**
 * A query that is true when the last success is older than the longest gap of the schedule plus the time that a run may
 * take; undefined when that is longer than a query can look back.
 */
function successWithin({ names, schedule, runLimit }: AlertPlanArgs) {
  const gap = longestGap(schedule.cron, schedule.timeZone) + toSeconds(runLimit);
  if (gap > LONGEST_LOOKBACK) return undefined;
  const hours = Math.ceil(gap / 3600);
  // A metric of logs in PromQL: cloud.google.com/monitoring/promql/promql-mapping
  const metric = `logging_googleapis_com:user_${names.metrics.successes.replaceAll("-", "_")}`;
  // A count of zero and no count at all are the same here.
  const count = `sum(increase(${metric}{monitored_resource="cloud_run_revision"}[${hours}h]))`;
  return { hours, query: `(${count} or vector(0)) < 0.5` };
}

/** The invoker, in filters of metrics and of logs. */
export const invokerFilter = (service: string): string =>
  `resource.type="cloud_run_revision" AND resource.labels.service_name="${service}"`;

/** Messages that wait in subscriptions: cloud.google.com/monitoring/api/v3/filters#comparisons */
export const waiting = (subscriptions: readonly string[]): string =>
  `metric.type="${METRICS.undelivered}" AND resource.type="pubsub_subscription" AND resource.labels.subscription_id=one_of(${subscriptions.map((id) => JSON.stringify(id)).join(", ")})`;

function above(
  filter: string,
  thresholdValue: number,
  { align, over, reduce }: { align: string; over: Duration; reduce?: string },
): AlertPlan["condition"] {
  return {
    conditionThreshold: {
      filter,
      comparison: "COMPARISON_GT",
      thresholdValue,
      duration: "0s",
      aggregations: [
        {
          alignmentPeriod: googleDuration(over),
          perSeriesAligner: align,
          crossSeriesReducer: reduce,
        },
      ],
    },
  };
}
