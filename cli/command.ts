import { Command, InvalidArgumentError } from "commander";
import { type RunSettings, runSettings } from "../contracts/run.ts";
import { formatError, isUserError, parse, UserError } from "../lib/user-error.ts";

/** A command of the embedded edition: its options, and what all of them share. */
export function localCommand(name: string, description: string): Command {
  return new Command(`npm ${name} --`)
    .description(description)
    .helpOption("--help", "shows this")
    .showHelpAfterError(`Show the options with: npm ${name} -- --help`);
}

/** Adds an option for each setting of a run. */
export function withRunSettings(command: Command): Command {
  const defaults = runSettings.parse({});
  for (const [name, schema] of Object.entries(runSettings.shape)) {
    const fallback = defaults[name as keyof typeof defaults];
    command.option(`--${name.replaceAll("_", "-")} <value>`, `${schema.description} (default: ${fallback})`);
  }
  return command;
}

/** The settings of a run among the options of a command; throws a UserError that names the option. */
export function runSettingsOf(options: Readonly<Record<string, unknown>>): RunSettings {
  const given = Object.entries(runSettings.shape).flatMap(([name, schema]) => {
    const value = options[name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())];
    const option = `--${name.replaceAll("_", "-")}`;
    if (typeof value === "string" && value.trim() === "")
      throw new UserError(`${option} is blank.`, { remedy: "Give a value, or leave it out." });
    return value === undefined ? [] : [[name, parse(schema, value, option)]];
  });
  return runSettings.parse(Object.fromEntries(given));
}

/** A port as an option's value. */
export function portOption(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw new InvalidArgumentError("A port is a whole number from 0 to 65535.");
}

/** Runs a command to its end; a UserError becomes its sentences on stderr and exit code 1. */
export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${isUserError(error) ? formatError(error) : (error as Error).stack}\n`);
    process.exit(1);
  }
}
