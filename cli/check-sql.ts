import { sqlDir } from "../lib/project.ts";
import { ProjectCheck } from "../packages/dataform-check/src/project-check.ts";
import { watchProject } from "../packages/dataform-check/src/watch.ts";
import { localCommand, runCommand } from "./command.ts";

/** npm run check:sql: whether BigQuery's analyzer takes the SQL project, and its unit tests hold. */
const options = localCommand(
  "run check:sql",
  "Checks the SQL project with GoogleSQL's analyzer and runs its unit tests, in DuckDB and in GoogleSQL's evaluator.",
)
  .option("--sql-dir <dir>", "folder of the Dataform project", sqlDir)
  .option("--watch", "checks and tests what changed, and what depends on it, whenever a file is saved", false)
  .parse()
  .opts<{ sqlDir: string; watch: boolean }>();

await runCommand(() =>
  ProjectCheck.with(options.sqlDir, async (check) => {
    const problems = await check.run();
    if (options.watch) await watchProject(options.sqlDir, () => check.run());
    else process.exitCode = problems > 0 ? 1 : 0;
  }),
);
