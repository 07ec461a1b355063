/**
 * npm run bench: prints how long the main job takes, how long a saved change of a SQL model takes until it is checked,
 * tested and run, and how long fitting takes with more customers. Compare only times of one run on one machine.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import Table from "cli-table3";
import { fitBgNbd } from "../jobs/clv/bg-nbd-fit.ts";
import { fitGammaGamma } from "../jobs/clv/gamma-gamma-fit.ts";
import { readCdnow } from "../test/cdnow.ts";

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
  const script = new URL("../cli/start.ts", import.meta.url).pathname;
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

const saved = new Table({
  head: ["a SQL model is saved (npm run sql -- --watch): checked, tested, run with its dependents", "time"],
  style: { head: [] },
});
for (const model of ["features/customer_features", "features/customer_history", "marts/rfm"])
  saved.push([model, seconds(median(await savedModel(model)))]);
process.stdout.write(`${saved.toString()}\n\n`);

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

/** Milliseconds from saving a SQL model until all is complete, on the full CDNOW log, for each save. */
async function savedModel(model: string): Promise<number[]> {
  const root = new URL("../", import.meta.url).pathname;
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  const [sql, data] = [join(folder, "sql"), join(folder, "data")];
  cpSync(join(root, "sql"), sql, { recursive: true });
  const file = join(sql, "definitions", `${model}.sqlx`);
  const args = [join(root, "cli/sql.ts"), "--sql-dir", sql, "--data-dir", data, "--watch"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const prints = async (what: RegExp): Promise<void> => {
    for (let line = await lines.next(); !what.test(String(line.value)); line = await lines.next())
      if (line.done) throw new Error(`npm run sql ended before it printed ${what}`);
  };
  await prints(/^Watching/);
  const times: number[] = [];
  for (let time = 0; time < RUNS; time += 1) {
    const startedAt = performance.now();
    const condition = `run_date = @run_date AND ${time} = ${time}`;
    writeFileSync(file, readFileSync(file, "utf8").replace("run_date = @run_date", condition));
    await prints(/ actions in /);
    times.push(performance.now() - startedAt);
    // The file system reports a save right after this one as the same.
    await setTimeout(500);
  }
  child.kill();
  await once(child, "close");
  rmSync(folder, { recursive: true });
  return times;
}

/** Equal rows become one, with the sum of their customers. */
function distinct<S extends { customers: number }>(rows: readonly S[]): S[] {
  const byKey = new Map<string, S>();
  for (const row of rows) {
    const key = JSON.stringify({ ...row, customers: 0 });
    const same = byKey.get(key);
    byKey.set(key, same === undefined ? row : { ...same, customers: same.customers + row.customers });
  }
  return [...byKey.values()];
}
