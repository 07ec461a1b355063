import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type { Parameters, Routine } from "./query.ts";
import { parse, UserError } from "./user-error.ts";

/** What the Dataform project does not say about its queries. Default export of dataform-check.config.ts, .js or .json. */
export interface Config {
  /** Parameters that queries can use, as in @run_date, with the values that unit tests use. @default none */
  readonly parameters?: Parameters;
  /** Functions in the project's default dataset. @default none */
  readonly routines?: readonly Routine[];
  /**
   * Column types of sources that declare none, by project.dataset.name.
   * @example { "shop.raw.orders": { order_id: "STRING", amount: "NUMERIC" } }
   */
  readonly sources?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Folder of the models that others read, for the lint rules about them. @default "definitions/marts" */
  readonly marts?: string;
  /** Whether a query that can't be analysed is a problem. @default false */
  readonly complete?: boolean;
  /** Refuse functions that are not known to give the same result in DuckDB. @default false */
  readonly duckdb?: boolean;
}

const parameter = z.strictObject({
  type: z.enum(["DATE", "FLOAT64", "INT64", "STRING"]),
  value: z.union([z.string(), z.number()]).nullable(),
});
const routine = z.strictObject({
  name: z.string(),
  parameters: z.array(z.strictObject({ name: z.string(), type: z.literal("FLOAT64") })),
  returns: z.literal("FLOAT64"),
  description: z.string().default(""),
  call: z.custom<Routine["call"]>((value) => typeof value === "function", "must be a function"),
});
const config = z.strictObject({
  parameters: z.record(z.string(), parameter).optional(),
  routines: z.array(routine).optional(),
  sources: z.record(z.string(), z.record(z.string(), z.string())).optional(),
  marts: z.string().optional(),
  complete: z.boolean().optional(),
  duckdb: z.boolean().optional(),
});

/**
 * The configuration in a file; without one, of dataform-check.config.ts, .js or .json in the project's folder, if any.
 * @throws UserError when the file is missing or has a wrong field.
 */
export async function loadConfig(projectDir: string, file?: string): Promise<Config> {
  const names = ["ts", "js", "json"].map((extension) =>
    join(projectDir, `dataform-check.config.${extension}`),
  );
  const found = file ?? names.find((name) => existsSync(name));
  if (found === undefined) return {};
  if (!existsSync(found)) throw new UserError(`There is no configuration file ${found}.`);
  const attributes = found.endsWith(".json") ? { with: { type: "json" } } : {};
  const module = await import(pathToFileURL(resolve(found)).href, attributes);
  return parse(config, module.default, found) as Config;
}
