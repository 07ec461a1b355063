/**
 * npm run bench: how long the main job takes, and that fitting does not grow with customers. Prints a table.
 * Times are of this machine; compare figures of one run only.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import { fitBgNbd } from "../jobs/clv/bg-nbd-fit.ts";
import { fitGammaGamma } from "../jobs/clv/gamma-gamma-fit.ts";
import { readCdnow } from "../jobs/clv/samples.ts";

const RUNS = 5;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;
const timed = (work: () => unknown): number => {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
};

process.stdout.write(`Node ${process.version}, ${availableParallelism()} cores, median of ${RUNS}\n\n`);

const folder = mkdtempSync(join(tmpdir(), "bench-"));
const run = (): void => {
  const script = new URL("../local/start.ts", import.meta.url).pathname;
  const { status, stderr } = spawnSync(process.execPath, [script, "--json", "--data-dir", folder], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
};
const firstRun = timed(run);
const laterRuns = Array.from({ length: RUNS }, () => timed(run));
rmSync(folder, { recursive: true });
const main = new Table({ head: ["main job on the full CDNOW log", "time"], style: { head: [] } });
main.push(["first run in a new folder", seconds(firstRun)], ["later runs", seconds(median(laterRuns))]);
process.stdout.write(`${main.toString()}\n\n`);

const customers = readCdnow("cdnow");
const fits = new Table({
  head: ["fit of both models", "customers", "distinct statistics", "time"],
  style: { head: [] },
});
for (const times of [1, 10, 100]) {
  const purchases = distinct(customers.map(({ x, tX, T }) => ({ x, tX, T, customers: times })));
  const buyers = customers.filter(({ paidRepeats }) => paidRepeats > 0);
  const values = distinct(
    buyers.map(({ paidRepeats, meanValue }) => ({ x: paidRepeats, meanValue, customers: times })),
  );
  const times_ = Array.from({ length: RUNS }, () =>
    timed(() => [fitBgNbd(purchases), fitGammaGamma(values)]),
  );
  fits.push([
    times === 1 ? "CDNOW" : `every customer ${times} times`,
    (customers.length * times).toLocaleString("en-US"),
    (purchases.length + values.length).toLocaleString("en-US"),
    seconds(median(times_)),
  ]);
}
process.stdout.write(`${fits.toString()}\n`);

/** Equal rows as one, with the sum of their customers. */
function distinct<S extends { customers: number }>(rows: readonly S[]): S[] {
  const byKey = new Map<string, S>();
  for (const row of rows) {
    const key = JSON.stringify({ ...row, customers: 0 });
    const same = byKey.get(key);
    byKey.set(key, same === undefined ? row : { ...same, customers: same.customers + row.customers });
  }
  return [...byKey.values()];
}
