import { type MainOptions, runMain } from "../local/main-job.ts";
import { localCommand, withRunSettings } from "./command.ts";
import { withOrders } from "./orders-options.ts";

/** npm start: the whole pipeline on one machine, from an order log to the marts and a report. */
const command = withOrders(
  localCommand(
    "start",
    "Runs the whole customer-value pipeline on this machine: by default on the CDNOW log, with run date 1997-10-01.",
  ),
)
  .option(
    "--run-date <date>",
    "orders before this day count (default: the day after the last order; 1997-10-01 for CDNOW)",
  )
  .option("--export <dir>", "writes the marts there as Parquet and CSV")
  .option("--json", "one JSON object on stdout, log lines on stderr", false)
  .addHelpText(
    "after",
    `
Examples:
  npm start
  npm start --silent -- --json | jq .holdout
  npm start -- --run-date 1998-01-01 --horizon-weeks 26
  npm start -- --orders shop.csv --columns customer_id=CustID,ordered_at=Date,amount=Total --export out`,
  );

process.exitCode = await runMain(withRunSettings(command).parse().opts<MainOptions>());
