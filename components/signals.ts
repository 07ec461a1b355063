import { invokerFilter, METRICS, waiting } from "./alerts.ts";
import type { Names } from "./names.ts";

/** Filters of Cloud Monitoring, by subject: each metric that an alert watches, and that a run makes greater than 0. */
export function planSignals({ subscriptions, services, metrics }: Names): Readonly<Record<string, string>> {
  const invoker = invokerFilter(services.invoker);
  return {
    "dead letters": waiting([subscriptions["requests-dead-letter"]]),
    "requests to the invoker": `metric.type="${METRICS.requests}" AND ${invoker}`,
    "latency of the invoker": `metric.type="${METRICS.latencies}" AND ${invoker}`,
    "bytes billed": `metric.type="${METRICS.bytesBilled}" AND resource.type="global"`,
    "successful runs": `metric.type="logging.googleapis.com/user/${metrics.successes}"`,
  };
}
