import { invokerFilter, METRICS, waiting } from "./alerts.ts";
import type { Names } from "./names.ts";

interface Chart {
  readonly title: string;
  readonly filter: string;
  readonly align: string;
  readonly groupBy: string;
  /** Of what: 1 (counts), ms, By. */
  readonly unit: string;
}

/** The JSON of a dashboard (cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards): how runs and the invoker do. */
export function planDashboard(
  title: string,
  names: Pick<Names, "services" | "metrics" | "subscriptions">,
): string {
  const invoker = invokerFilter(names.services.invoker);
  const logged = (metric: string) => `metric.type="logging.googleapis.com/user/${metric}"`;
  const charts: readonly Chart[] = [
    {
      title: "Runs that succeeded",
      filter: logged(names.metrics.successes),
      align: "ALIGN_DELTA",
      groupBy: "",
      unit: "1",
    },
    {
      title: "Runs that failed",
      filter: logged(names.metrics.failures),
      align: "ALIGN_DELTA",
      groupBy: "",
      unit: "1",
    },
    {
      title: "Requests of the invoker, by class of answer",
      filter: `metric.type="${METRICS.requests}" AND ${invoker}`,
      align: "ALIGN_DELTA",
      groupBy: "metric.label.response_code_class",
      unit: "1",
    },
    {
      title: "Latency of the invoker, 95th percentile",
      filter: `metric.type="${METRICS.latencies}" AND ${invoker}`,
      align: "ALIGN_PERCENTILE_95",
      groupBy: "",
      unit: "ms",
    },
    {
      title: "Messages that wait, by subscription",
      filter: waiting(Object.values(names.subscriptions)),
      align: "ALIGN_MAX",
      groupBy: "resource.label.subscription_id",
      unit: "1",
    },
    {
      title: "Bytes billed by BigQuery",
      filter: `metric.type="${METRICS.bytesBilled}"`,
      align: "ALIGN_SUM",
      groupBy: "",
      unit: "By",
    },
  ];
  const logs = {
    title: "What jobs and the invoker say, from warnings on",
    logsPanel: {
      // What a job writes to stderr is an ERROR for Vertex AI: the line itself says how severe it is.
      filter: `(resource.type="ml_job" AND jsonPayload.message=~"\\"severity\\":\\"(WARNING|ERROR|CRITICAL)\\"") OR (severity>=WARNING AND ${invoker})`,
    },
  };
  const tiles = [...charts.map(widget), logs].map((content, index) => ({
    xPos: (index % 2) * 24,
    yPos: Math.floor(index / 2) * 16,
    width: index < charts.length ? 24 : 48,
    height: 16,
    widget: content,
  }));
  return JSON.stringify({ displayName: title, mosaicLayout: { columns: 48, tiles } });
}

const widget = ({ title, filter, align, groupBy, unit }: Chart) => ({
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
