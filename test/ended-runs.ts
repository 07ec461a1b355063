import { setTimeout } from "node:timers/promises";

/** How long the step notify may take to write the row of a run after the run's final event. */
const LIMIT = 60_000;

/**
 * Reads the rows of ops.runs as soon as there are `count` of them: a run's row is written after its final event, so whoever
 * waits for the event can be earlier. After a minute it returns what there is.
 */
export async function endedRuns<Row>(
  query: (sql: string) => Promise<Row[]>,
  count: number,
  sql: string,
): Promise<Row[]> {
  const end = Date.now() + LIMIT;
  for (;;) {
    const rows = await query(sql);
    if (rows.length >= count || Date.now() >= end) return rows;
    await setTimeout(200);
  }
}
