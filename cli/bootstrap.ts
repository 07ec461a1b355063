import { spawnSync } from "node:child_process";
import { Command } from "commander";
import { type BootstrapStep, planBootstrap } from "../bootstrap/plan.ts";
import { shell } from "../bootstrap/shell.ts";
import { readStackFile } from "../bootstrap/stack-file.ts";
import { formatError, UserError } from "../lib/user-error.ts";

/** npm run bootstrap: prints, or runs, the commands that are run once for a stack, by a person. */
const options = new Command("npm run bootstrap --")
  .description(
    "Prints the commands that make, once for a stack, what it is kept in and what its workflows need. Running them again changes nothing.",
  )
  .requiredOption("--stack <name>", "stack, whose settings are in Pulumi.<name>.yaml")
  .option("--run", "runs them, one after the other, and stops at the first that fails", false)
  .helpOption("--help", "shows this")
  .showHelpAfterError("Show the options with: npm run bootstrap -- --help")
  .parse()
  .opts<{ stack: string; run: boolean }>();

try {
  const { app, settings } = readStackFile(options.stack);
  const steps = planBootstrap(options.stack, settings, app);
  if (options.run) run(steps);
  else print(steps);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`${formatError(error)}\n`);
  process.exitCode = 1;
}

function print(steps: readonly BootstrapStep[]): void {
  const lines = steps.map(({ title, unless, command }) => {
    const guard = unless === undefined ? "" : `${shell(unless)} > /dev/null 2>&1 || \\\n  `;
    return `# ${title}\n${guard}${shell(command)}\n`;
  });
  process.stdout.write(`${lines.join("\n")}\n`);
}

function run(steps: readonly BootstrapStep[]): void {
  for (const [index, { title, unless, command }] of steps.entries()) {
    const progress = `${index + 1}/${steps.length} ${title}`;
    const isDone = unless !== undefined && status(unless, "ignore") === 0;
    process.stdout.write(`${progress}${isDone ? ": done before" : ""}\n`);
    if (isDone) continue;
    const code = status(command, "inherit");
    if (code !== 0)
      throw new UserError(`${progress}: ${shell(command)} ended with ${code}.`, {
        remedy: "Mend what it says above, and run the same command again: it goes on where it stopped.",
      });
  }
}

/** The command's exit code. Throws a UserError when there is no such program. */
function status([program = "", ...args]: readonly string[], stdio: "ignore" | "inherit"): number | string {
  const { status, signal, error } = spawnSync(program, args, { stdio });
  if (error !== undefined)
    throw new UserError(`${program} can't be run: ${error.message}.`, {
      remedy: `Install ${program} first.`,
    });
  return status ?? signal ?? "no exit code";
}
