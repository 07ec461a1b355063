import { Command, InvalidArgumentError, Option } from "commander";
import { type RunSettings, runSettings } from "../contracts/run.ts";
import { formatError, isUserError, parse, UserError } from "../lib/user-error.ts";

/** A command of this machine: its name in npm, its description and the help that all commands share. */
export function localCommand(name: string, description: string): Command {
  return new Command(`npm ${name} --`)
    .description(description)
    .helpOption("--help", "shows this help")
    .showHelpAfterError(`Show the options with: npm ${name} -- --help`);
}

const optionOf = (setting: string): string => `--${setting.replaceAll("_", "-")}`;

/** Adds an option for each setting of a run. */
export function withRunSettings(command: Command): Command {
  const defaults: Record<string, unknown> = runSettings.parse({});
  for (const [name, { description }] of Object.entries(runSettings.shape)) {
    const text = `${description} (default: ${defaults[name]})`;
    // Without a value it is on.
    if (name === "full_refresh")
      command.addOption(new Option(`${optionOf(name)} [value]`, text).preset("on"));
    else command.option(`${optionOf(name)} <value>`, text);
  }
  return command;
}

/**
 * The settings of a run among the options of a command.
 * @throws UserError that names the option.
 */
export function runSettingsOf(options: Readonly<Record<string, unknown>>): RunSettings {
  const given = Object.entries(runSettings.shape).flatMap(([name, schema]) => {
    const value = options[name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())];
    if (typeof value === "string" && value.trim() === "")
      throw new UserError(`${optionOf(name)} is blank.`, { remedy: "Give a value, or omit the option." });
    return value === undefined ? [] : [[name, parse(schema, value, optionOf(name))]];
  });
  return runSettings.parse(Object.fromEntries(given));
}

/** Parses the value of a --port option. */
export function portOption(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw new InvalidArgumentError("A port is a whole number from 0 to 65535.");
}

/** Runs a command. A UserError is printed as its sentences, any other error with its stack; the exit code is 1. */
export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${isUserError(error) ? formatError(error) : (error as Error).stack}\n`);
    process.exit(1);
  }
}
