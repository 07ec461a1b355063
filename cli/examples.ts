import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { runDate } from "../contracts/run.ts";
import { sqlParameters } from "../jobs/sql-runner/parameters.ts";
import { exportModels } from "../jobs/sql-runner/parquet.ts";
import { actionsOfStep, compileToRun, runActions } from "../jobs/sql-runner/runner.ts";
import { createLogger } from "../lib/log.ts";
import { sqlDir } from "../lib/project.ts";
import { parse, UserError } from "../lib/user-error.ts";
import { loadOrders } from "../local/orders/load.ts";
import { whole } from "../local/report/numbers.ts";
import { openLocalWarehouse } from "../local/runtime/local-stack.ts";
import { localCommand, runCommand, runSettingsOf, withRunSettings } from "./command.ts";
import { CDNOW, dataDirOf, type OrdersArguments, ordersOf, withOrders } from "./orders-options.ts";

/** npm run examples: what a candidate gets in a run, as Parquet files for a notebook. */
const options = withRunSettings(
  withOrders(
    localCommand("run examples", "Writes what a candidate gets in a run, as Parquet files for a notebook."),
  )
    .requiredOption("--out <dir>", "folder for examples/ and champion/")
    .option("--run-date <date>", "use the orders before this day", CDNOW.runDate),
)
  .parse()
  .opts<OrdersArguments & { out: string; runDate: string }>();

await runCommand(async () => {
  const run_date = parse(runDate, options.runDate, "--run-date");
  const orders = ordersOf(options);
  const warehouse = await openLocalWarehouse(dataDirOf(options.dataDir, orders.file));
  try {
    await warehouse.withConnection((connection) => loadOrders(connection, orders));
    const graph = compileToRun(sqlDir, { project: warehouse.project });
    const values = sqlParameters({ ...runSettingsOf({ ...options }), run_date, model_id: "" });
    const log = createLogger({ component: "examples" }, "error");
    const models = [...actionsOfStep(graph, "features"), ...actionsOfStep(graph, "examples")];
    const { failures, rows } = await runActions(warehouse, sqlDir, models, values, log);
    if (failures.length > 0) throw new UserError(failures.join("\n"));
    const folder = (name: string): string => pathToFileURL(resolve(options.out, name)).href;
    const folders = { examples: folder("examples"), champion: folder("champion") };
    await exportModels(warehouse, models, values, folders);
    process.stdout.write(`${whole(rows["rfm.examples"] ?? 0)} rows in ${resolve(options.out, "examples")}\n`);
  } finally {
    await warehouse.close();
  }
});
