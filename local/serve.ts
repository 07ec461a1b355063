import { createLogger } from "../contracts/log.ts";
import { EVENTS, runEvent } from "../contracts/messages.ts";
import { localCommand, portOption, runCommand } from "./command.ts";
import { startEdition } from "./edition.ts";
import { CDNOW, dataDirOf, readOrders } from "./orders-source.ts";

/** npm run serve: the invoker and all behind it on 127.0.0.1, as Cloud Run serves it. */
const options = localCommand(
  "run serve",
  "Serves the invoker on 127.0.0.1: /healthcheck, /invoke, /runs/{run_id}, /openapi.json.",
)
  .option("--port <port>", "port", portOption, 8080)
  .option("--orders <file>", "order log: CSV, CSV.gz or Parquet", CDNOW.file)
  .option("--data-dir <dir>", "folder of the warehouse and the runs (default: .data/ and the log's name)")
  .parse()
  .opts<{ port: number; orders: string; dataDir?: string }>();

await runCommand(async () => {
  const dataDir = dataDirOf(options.dataDir, options.orders);
  const log = createLogger({ component: "local" });
  const stop = new AbortController();
  const edition = await startEdition({
    dataDir,
    port: options.port,
    log,
    earliestRunDate: () => orders.firstOrderOn ?? undefined,
    onTask: (runId, { task, state, error }) =>
      log[state === "failed" ? "error" : "info"](
        { run_id: runId, step: task, ...(error && { err: error }) },
        `${task} ${state}`,
      ),
  });
  const orders = await readOrders(dataDir, { file: options.orders }).catch(async (error) => {
    await edition.close();
    throw error;
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  log.info(
    { orders: orders.rows, data_dir: dataDir },
    `serving on ${edition.url}, try: curl ${edition.url}/healthcheck`,
  );
  for await (const message of edition.messenger.subscribe(EVENTS, {}, stop.signal)) {
    const event = runEvent.parse(message.data);
    const ending =
      event.status === "succeeded"
        ? "succeeded"
        : `${event.status} in step ${event.failed_step}: ${event.reason}`;
    log.info({ run_id: event.run_id, status: event.status }, `run ${event.run_id} ${ending}`);
  }
  await edition.close();
});
