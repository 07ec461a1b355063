import { spawnSync } from "node:child_process";
import { type BootstrapStep, planBootstrap } from "../bootstrap/plan.ts";
import { readStackFile } from "../bootstrap/stack-file.ts";
import { UserError } from "../lib/user-error.ts";
import { localCommand, runCommand } from "./command.ts";

/** npm run bootstrap: prints, or runs, the commands that a person runs once for a stack. */
const options = localCommand(
  "run bootstrap",
  "Prints the commands that prepare, deploy and connect a stack. You run them once; running them again changes nothing.",
)
  .requiredOption("--stack <name>", "stack, with its settings in Pulumi.<name>.yaml")
  .option("--run", "runs the commands in order and stops at the first that fails", false)
  .parse()
  .opts<{ stack: string; run: boolean }>();

await runCommand(async () => {
  const { app, settings } = readStackFile(options.stack);
  const steps = planBootstrap(options.stack, settings, app);
  if (options.run) run(steps);
  else process.stdout.write(`${steps.map(script).join("\n")}\n`);
});

function script({ title, unless, command }: BootstrapStep): string {
  const guard = unless === undefined ? "" : `${unless} > /dev/null 2>&1 || \\\n  `;
  return `# ${title}\n${guard}${command}\n`;
}

function run(steps: readonly BootstrapStep[]): void {
  for (const [index, { title, unless, command }] of steps.entries()) {
    const progress = `${index + 1}/${steps.length} ${title}`;
    const isDone = unless !== undefined && spawnSync("sh", ["-c", unless]).status === 0;
    process.stdout.write(`${progress}${isDone ? ": already done" : ""}\n`);
    if (isDone) continue;
    const { status, signal } = spawnSync("sh", ["-c", command], { stdio: "inherit" });
    if (status !== 0)
      throw new UserError(`${progress}: ${command} failed (${signal ?? `exit code ${status}`}).`, {
        remedy:
          "Fix what it reports above, then run the same command again: finished steps are not repeated.",
      });
  }
}
