import { invokerFilter, METRICS, waiting } from "./alerts.ts";
import type { Names } from "./names.ts";

/** Filters of Cloud Monitoring, by subject: each metric that an alert watches, and that a run makes greater than 0. */
export function planSignals({ subscriptions, services, metrics }: Names): Readonly<Record<string, string>> {
  return {
    "dead letters": waiting([subscriptions["requests-dead-letter"]]),
    "requests to the invoker": `metric.type="${METRICS.requests}" AND ${invokerFilter(services.invoker)}`,
    "bytes billed": `metric.type="${METRICS.bytesBilled}" AND resource.type="global"`,
    "successful runs": `metric.type="logging.googleapis.com/user/${metrics.successes}"`,
  };
}
