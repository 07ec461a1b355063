import { EVENTS, runEvent } from "../contracts/messages.ts";
import { createLogger } from "../lib/log.ts";
import { readOrders } from "../local/orders/load.ts";
import { startLocalStack } from "../local/runtime/local-stack.ts";
import { localCommand, portOption, runCommand } from "./command.ts";
import { dataDirOf, type OrdersArguments, ordersOf, withOrders } from "./orders-options.ts";

/** npm run serve: the invoker and all behind it on 127.0.0.1, as Cloud Run serves it. */
const options = withOrders(
  localCommand(
    "run serve",
    "Serves the invoker on 127.0.0.1: /healthcheck, /invoke, /runs/{run_id}, /openapi.json.",
  ).option("--port <port>", "port", portOption, 8080),
)
  .parse()
  .opts<OrdersArguments & { port: number }>();

await runCommand(async () => {
  const source = ordersOf(options);
  const dataDir = dataDirOf(options.dataDir, source.file);
  const log = createLogger({ component: "local" });
  const stop = new AbortController();
  const edition = await startLocalStack({
    dataDir,
    port: options.port,
    log,
    earliestRunDate: () => orders.first_order_on,
    onTask: (runId, { task, state, error }) =>
      log[state === "failed" ? "error" : "info"](
        { run_id: runId, step: task, ...(error && { err: error }) },
        `${task} ${state}`,
      ),
  });
  const orders = await readOrders(dataDir, source).catch(async (error) => {
    await edition.close();
    throw error;
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  log.info(
    { orders: orders.rows, data_dir: dataDir },
    `serving on ${edition.url}, try: curl ${edition.url}/healthcheck`,
  );
  for await (const message of await edition.messenger.subscribe(EVENTS, {}, stop.signal)) {
    const event = runEvent.parse(message.data);
    const ending =
      event.status === "succeeded"
        ? "succeeded"
        : `${event.status} in step ${event.failed_step}: ${event.reason}`;
    log.info({ run_id: event.run_id, status: event.status }, `run ${event.run_id} ${ending}`);
  }
  await edition.close();
});
