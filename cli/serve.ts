import { EVENTS, runEvent } from "../contracts/messages.ts";
import { createLogger } from "../lib/log.ts";
import { makeFolder } from "../lib/make-folder.ts";
import { describeOrders, readOrders } from "../local/orders/load.ts";
import { startLocalStack } from "../local/runtime/local-stack.ts";
import { localCommand, portOption, runCommand, runSettingsOf } from "./command.ts";
import { dataDirOf, type OrdersArguments, ordersOf, withOrders } from "./orders-options.ts";

/** npm run serve: the invoker on 127.0.0.1, with Messenger, jobs and warehouse. */
const options = withOrders(
  localCommand(
    "run serve",
    "Serves the invoker on 127.0.0.1: /healthcheck, /invoke, /runs/{run_id}, /openapi.json.",
  ).option("--port <port>", "port", portOption, 8080),
)
  .option(
    "--shop-time-zone <zone>",
    "time zone of the log's times that have none, like Europe/Paris (default: UTC); a run has the same setting",
  )
  .option(
    "--refunds <value>",
    "net: a column of refunds becomes orders of negative amount (default: separate); a run has the same setting",
  )
  .parse()
  .opts<OrdersArguments & { port: number; shopTimeZone?: string; refunds?: string }>();

await runCommand(async () => {
  const source = ordersOf(options);
  const dataDir = dataDirOf(options);
  makeFolder(dataDir, "--data-dir");
  const log = createLogger({ component: "local" });
  // First the orders: when the invoker answers, it can launch runs.
  const { shopTimeZone, refunds: given } = options;
  const { shop_time_zone: timeZone, refunds } = runSettingsOf({ shopTimeZone, refunds: given });
  const orders = await readOrders(dataDir, { ...source, timeZone, refunds });
  log.info(`orders: ${describeOrders(orders)}`);
  for (const warning of orders.warnings) log.warn(warning);
  const stack = await startLocalStack({
    dataDir,
    port: options.port,
    log,
    firstOrderDate: orders.first_order_on,
    onTask: (runId, { task, state, error }) =>
      log[state === "failed" ? "error" : "info"](
        { run_id: runId, step: task, ...(error && { err: error }) },
        `${task} ${state}`,
      ),
  });
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  log.info(
    { orders: orders.rows, data_dir: dataDir },
    `serving on ${stack.url}, try: curl ${stack.url}/healthcheck`,
  );
  for await (const message of await stack.messenger.subscribe(EVENTS, {}, stop.signal)) {
    const { run_id, status, failed_step, reason } = runEvent.parse(message.data);
    const details = status === "succeeded" ? "" : ` in step ${failed_step}: ${reason}`;
    log.info({ run_id, status }, `run ${run_id} ${status}${details}`);
  }
  await stack.close();
});
