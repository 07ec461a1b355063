import { resolve } from "node:path";
import { CANDIDATES, parseCandidates } from "../jobs/candidates.ts";
import { runMain } from "../local/main-job.ts";
import { localCommand, runSettingsOf, withRunSettings } from "./command.ts";
import { dataDirOf, ordersOf, RUN_DATE, type RunArguments, runDateOf, withOrders } from "./orders-options.ts";

/** npm start: the whole pipeline on one machine, from an order log to the marts and a report. */
const command = withOrders(
  localCommand(
    "start",
    "Runs the whole customer-value pipeline on this machine. The default is the CDNOW log with run date 1997-10-01.",
  ),
)
  .option("--run-date <date>", RUN_DATE)
  .option(
    "--candidates <names>",
    `models that compete with the built-in one, separated by commas: ${Object.keys(CANDIDATES).join(", ")}`,
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

interface StartOptions extends RunArguments {
  readonly maxRejectedShare?: string;
  readonly export?: string;
  readonly candidates?: string;
  readonly json: boolean;
}
const options = withRunSettings(command).parse().opts<StartOptions>();

process.exitCode = await runMain(options.json, () => {
  const run = runSettingsOf({ ...options });
  return {
    run,
    usualRejectedShare: options.maxRejectedShare === undefined,
    orders: ordersOf(options),
    dataDir: dataDirOf(options),
    runDate: runDateOf(options),
    candidates: options.candidates === undefined ? [] : parseCandidates(options.candidates),
    exportDir: options.export === undefined ? undefined : resolve(options.export),
  };
});
