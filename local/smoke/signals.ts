import { z } from "zod";
import { poll, type WaitOptions } from "../../lib/poll.ts";
import { parse } from "../../lib/user-error.ts";
import { NotProved } from "./checks.ts";
import type { CallGoogle } from "./orchestrator.ts";

/** A value is {int64Value: "1"}, {doubleValue: 0.5} or {distributionValue: {count: "1"}}. */
const value = z.record(z.string(), z.unknown());
const answer = z.object({
  timeSeries: z.array(z.object({ points: z.array(z.object({ value })) })).default([]),
});

const timeSeries = (project: string): string =>
  `https://monitoring.googleapis.com/v3/projects/${project}/timeSeries`;

/** Waits until all metrics were greater than 0. @throws NotProved after the time limit */
export async function waitForSignals(
  call: CallGoogle,
  project: string,
  signals: Readonly<Record<string, string>>,
  since: Date,
  options: WaitOptions,
): Promise<string> {
  const missing = new Map(Object.entries(signals));
  await poll(async () => {
    for (const [name, filter] of missing)
      if (await hasSignal(call, project, filter, since)) missing.delete(name);
    return missing.size === 0 ? true : undefined;
  }, options);
  if (missing.size === 0) return Object.keys(signals).join(", ");
  throw new NotProved(`not yet: ${[...missing.keys()].join(", ")}. Metrics can be late: ask again.`);
}

/** Whether a metric was greater than 0 since then: cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list */
async function hasSignal(call: CallGoogle, project: string, filter: string, since: Date): Promise<boolean> {
  const [start, end] = [since, new Date()].map((time) => time.toISOString());
  const query = new URLSearchParams({ filter, "interval.startTime": start!, "interval.endTime": end! });
  const found = parse(
    answer,
    await call("GET", `${timeSeries(project)}?${query}`),
    "Cloud Monitoring's answer",
  );
  return found.timeSeries
    .flatMap(({ points }) => points)
    .flatMap(({ value }) => Object.values(value))
    .some((value) => Number((value as { count?: string })?.count ?? value) > 0);
}

/** The same request as a command of the shell. */
export const signalCommand = (project: string, filter: string, since: Date): string =>
  `curl -G -H "Authorization: Bearer $(gcloud auth print-access-token)" --data-urlencode 'filter=${filter}' \\
  -d interval.startTime=${since.toISOString()} -d "interval.endTime=$(date -u +%FT%TZ)" ${timeSeries(project)}`;
