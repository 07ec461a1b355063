import { once } from "node:events";
import { watch } from "chokidar";

/** Does the work after each change of a file in the folder, one after another, until Ctrl-C. */
export async function watchProject(dir: string, work: () => Promise<unknown>): Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  const watcher = watch(dir, {
    ignoreInitial: true,
    ignored: /node_modules/,
    awaitWriteFinish: { stabilityThreshold: 50, pollInterval: 10 },
  })
    .on("ready", () => void process.stdout.write(`Watching ${dir}. Stop with Ctrl-C.\n`))
    .on("all", () => {
      last = last.then(work);
    });
  await Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
  await watcher.close();
  await last;
}
