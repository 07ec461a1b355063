import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { z } from "zod";
import { readSettings, type Settings } from "../components/settings.ts";
import { parse, UserError } from "../lib/user-error.ts";

/** A stack as its file describes it, before anything of it exists. */
export interface StackFile {
  /** Name of the Pulumi project. */
  readonly app: string;
  readonly settings: Settings;
}

/**
 * Reads Pulumi.yaml and Pulumi.STACK.yaml.
 * @throws UserError that says what is wrong and how to fix it
 */
export function readStackFile(stack: string): StackFile {
  const { name: app } = parse(z.object({ name: z.string() }), yaml("Pulumi.yaml"), "Pulumi.yaml");
  const file = `Pulumi.${stack}.yaml`;
  const { config } = parse(z.object({ config: z.record(z.string(), z.unknown()) }), yaml(file), file);
  const text = (value: unknown): string | undefined =>
    value === undefined || typeof value === "string" ? value : JSON.stringify(value);
  const settings = readSettings(
    { name: app, get: (key) => text(config[`${app}:${key}`]), given: Object.keys(config) },
    stack,
  );
  return { app, settings };
}

function yaml(file: string): unknown {
  try {
    return load(readFileSync(new URL(`../${file}`, import.meta.url), "utf8"));
  } catch (cause) {
    throw new UserError(`${file} can't be read: ${(cause as Error).message}.`, {
      remedy: "Create it: Pulumi.dev.yaml is the smallest example, Pulumi.prod.yaml shows production.",
      cause,
    });
  }
}
