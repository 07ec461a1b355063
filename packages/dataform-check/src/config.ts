import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type { Routine } from "./query.ts";
import { parse, UserError } from "./user-error.ts";

const parameter = z.strictObject({
  type: z.enum(["DATE", "FLOAT64", "INT64", "STRING"]),
  value: z.union([z.string(), z.number()]).nullable(),
});
const config = z.strictObject({
  /** Parameters that queries can use, as in @run_date, with the values that unit tests use. @default none */
  parameters: z.record(z.string(), parameter).readonly(),
  /** Functions in the project's default dataset. @default none */
  routines: z
    .array(z.custom<Routine>((value) => typeof (value as Partial<Routine> | null)?.call === "function"))
    .readonly(),
  /**
   * Column types of sources that declare none, by project.dataset.name. @default none
   * @example { "shop.raw.orders": { order_id: "STRING", amount: "NUMERIC" } }
   */
  sources: z.record(z.string(), z.record(z.string(), z.string())),
  /**
   * Partition columns of sources, by project.dataset.name, for the lint rule partition-filter. @default none
   * @example { "shop.raw.orders": "ordered_at" }
   */
  partitions: z.record(z.string(), z.string()),
  /** Folder of the models that others read, for the lint rules about them. @default "definitions/marts" */
  marts: z.string(),
  /** Whether a query that can't be analyzed is a problem. @default false */
  complete: z.boolean(),
  /** Whether to refuse functions that are not known to give the same result in DuckDB. @default false */
  duckdb: z.boolean(),
});

/** What the Dataform project does not say about its queries. Default export of dataform-check.config.ts, .js or .json. */
export type Config = Readonly<Partial<z.output<typeof config>>>;

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
  return parse(config.partial(), module.default, found) as Config;
}
