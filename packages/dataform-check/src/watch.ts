import { once } from "node:events";
import { watch } from "chokidar";

/** Does the work whenever a file of the project is saved, one after another, until Ctrl-C. */
export async function watchProject(dir: string, work: () => Promise<unknown>): Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  const watcher = watch(dir, {
    ignoreInitial: true,
    awaitWriteFinish: { stabilityThreshold: 50, pollInterval: 10 },
  })
    .on("ready", () => void process.stdout.write(`Watching ${dir}; end with Ctrl-C.\n`))
    .on("all", () => {
      last = last.then(work);
    });
  await Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
  await watcher.close();
  await last;
}
