import { invokerFilter, METRICS, waiting } from "./alerts.ts";
import type { Names } from "./names.ts";

/** The JSON of a dashboard (cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards): runs, the invoker, messages and costs. */
export function planDashboard(
  title: string,
  names: Pick<Names, "services" | "metrics" | "subscriptions">,
): string {
  const invoker = invokerFilter(names.services.invoker);
  const logged = (metric: string) => `metric.type="logging.googleapis.com/user/${metric}"`;
  const requests = `metric.type="${METRICS.requests}" AND ${invoker}`;
  const latencies = `metric.type="${METRICS.latencies}" AND ${invoker}`;
  const charts = [
    chart("Runs that succeeded", logged(names.metrics.successes), "ALIGN_DELTA", "1"),
    chart("Runs that failed", logged(names.metrics.failures), "ALIGN_DELTA", "1"),
    chart(
      "Requests of the invoker, by class of answer",
      requests,
      "ALIGN_DELTA",
      "1",
      "metric.label.response_code_class",
    ),
    chart("Latency of the invoker, 95th percentile", latencies, "ALIGN_PERCENTILE_95", "ms"),
    chart(
      "Messages that wait, by subscription",
      waiting(Object.values(names.subscriptions)),
      "ALIGN_MAX",
      "1",
      "resource.label.subscription_id",
    ),
    chart("Bytes billed by BigQuery", `metric.type="${METRICS.bytesBilled}"`, "ALIGN_SUM", "By"),
  ];
  const logs = {
    title: "Warnings and errors of the jobs and the invoker",
    logsPanel: {
      // Vertex AI marks all that a job writes to stderr as ERROR. The severity is in the text of the line.
      filter: `(resource.type="ml_job" AND jsonPayload.message=~"\\"severity\\":\\"(WARNING|ERROR|CRITICAL)\\"") OR (severity>=WARNING AND ${invoker})`,
    },
  };
  const tiles = [...charts, logs].map((content, index) => ({
    xPos: (index % 2) * 24,
    yPos: Math.floor(index / 2) * 16,
    width: index < charts.length ? 24 : 48,
    height: 16,
    widget: content,
  }));
  return JSON.stringify({ displayName: title, mosaicLayout: { columns: 48, tiles } });
}

/** `unit`: 1 (counts), ms or By. */
const chart = (title: string, filter: string, align: string, unit: string, groupBy = "") => ({
  title,
  xyChart: {
    dataSets: [
      {
        plotType: "LINE",
        timeSeriesQuery: {
          unitOverride: unit,
          timeSeriesFilter: {
            filter,
            aggregation: {
              alignmentPeriod: "3600s",
              perSeriesAligner: align,
              crossSeriesReducer: align === "ALIGN_PERCENTILE_95" ? "REDUCE_MAX" : "REDUCE_SUM",
              ...(groupBy === "" ? {} : { groupByFields: [groupBy] }),
            },
          },
        },
      },
    ],
  },
});
