import { resolve } from "node:path";
import { runDate } from "../contracts/run.ts";
import { CANDIDATES, parseCandidates } from "../jobs/candidates.ts";
import { parse } from "../lib/user-error.ts";
import { runMain } from "../local/main-job.ts";
import { localCommand, runSettingsOf, withRunSettings } from "./command.ts";
import { CDNOW, dataDirOf, type OrdersArguments, ordersOf, withOrders } from "./orders-options.ts";

/** npm start: the whole pipeline on one machine, from an order log to the marts and a report. */
const command = withOrders(
  localCommand(
    "start",
    "Runs the whole customer-value pipeline on this machine. The default is the CDNOW log with run date 1997-10-01.",
  ),
)
  .option(
    "--run-date <date>",
    "orders before this day count (default: the day after the last order; 1997-10-01 for CDNOW)",
  )
  .option(
    "--candidates <names>",
    `models in other languages that compete with the built-in one: ${Object.keys(CANDIDATES).join(", ")}`,
  )
  .option("--export <dir>", "writes the marts to this folder as Parquet and CSV")
  .option("--json", "prints one JSON object on stdout, log lines on stderr", false)
  .addHelpText(
    "after",
    `
Examples:
  npm start
  npm start --silent -- --json | jq .holdout
  npm start -- --run-date 1998-01-01 --horizon-weeks 26
  npm start -- --orders shop.csv --columns customer_id=CustID,ordered_at=Date,amount=Total --export out`,
  );

interface StartOptions extends OrdersArguments {
  readonly runDate?: string;
  readonly export?: string;
  readonly candidates?: string;
  readonly json: boolean;
}
const options = withRunSettings(command).parse().opts<StartOptions>();

process.exitCode = await runMain(options.json, () => {
  const run = runSettingsOf({ ...options });
  const date = options.runDate ?? (options.orders === undefined ? CDNOW.runDate : undefined);
  const orders = ordersOf(options);
  return {
    run,
    orders,
    dataDir: dataDirOf(options.dataDir, orders.file),
    ...(date === undefined ? {} : { runDate: parse(runDate, date, "--run-date") }),
    ...(options.candidates === undefined ? {} : { candidates: parseCandidates(options.candidates) }),
    ...(options.export === undefined ? {} : { exportDir: resolve(options.export) }),
  };
});
