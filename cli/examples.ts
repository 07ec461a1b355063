import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { sqlParameters } from "../jobs/sql-runner/parameters.ts";
import { exportModels } from "../jobs/sql-runner/parquet.ts";
import { actionsOfStep, compileToRun, runActions } from "../jobs/sql-runner/runner.ts";
import { createLogger } from "../lib/log.ts";
import { sqlDir } from "../lib/project.ts";
import { UserError } from "../lib/user-error.ts";
import { whole } from "../local/report/numbers.ts";
import { localCommand, runCommand, withRunSettings } from "./command.ts";
import { openForRun, RUN_DATE, type RunArguments, withOrders } from "./orders-options.ts";

/** npm run examples: what a candidate gets in a run, as Parquet files for a notebook. */
const options = withRunSettings(
  withOrders(
    localCommand("run examples", "Writes what a candidate gets in a run, as Parquet files for a notebook."),
  )
    .requiredOption("--out <dir>", "folder for examples/ and champion/")
    .option("--run-date <date>", RUN_DATE),
)
  .parse()
  .opts<RunArguments & { out: string }>();

await runCommand(async () => {
  const { warehouse, settings, run_date } = await openForRun(options);
  try {
    const graph = compileToRun(sqlDir, { project: warehouse.project });
    const values = sqlParameters({ ...settings, run_date, model_id: "" });
    const models = [...actionsOfStep(graph, "features"), ...actionsOfStep(graph, "examples")];
    const log = createLogger({ component: "examples" }, "error");
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
