import { localCommand, withRunSettings } from "./command.ts";
import { type MainOptions, runMain } from "./main-job.ts";

/** npm start: the whole pipeline on one machine, from an order log to the marts and a report. */
const command = localCommand(
  "start",
  "Runs the whole customer-value pipeline on this machine: by default on the CDNOW log, with run date 1997-10-01.",
)
  .option("--orders <file>", "order log: CSV, CSV.gz or Parquet (default: the CDNOW log)")
  .option(
    "--columns <pairs>",
    "names of the log's columns, like customer_id=CustID,ordered_at=Date,amount=Total",
  )
  .option("--date-format <format>", "format of its dates, like %d.%m.%Y (default: recognised)")
  .option("--decimal <sign>", 'decimal sign of its amounts, "." or "," (default: recognised)')
  .option(
    "--run-date <date>",
    "orders before this day count (default: the day after the last order; 1997-10-01 for CDNOW)",
  )
  .option("--data-dir <dir>", "folder of the warehouse and the runs (default: .data/ and the log's name)")
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
