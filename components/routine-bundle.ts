import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import type { Routine } from "../contracts/warehouse.ts";

/**
 * The bodies of routines as BigQuery's JavaScript functions, by name. The TypeScript file exports `routines`; it and all
 * that it imports become one script without imports, which the body of each routine carries. As in SQL, the result is
 * null when an argument is. The same sources give the same text.
 */
export function bundleRoutines(file: URL, routines: readonly Routine[]): Readonly<Record<string, string>> {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(file)],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "model",
    minify: true,
    target: "es2020",
  });
  const script = outputFiles[0]!.text;
  return Object.fromEntries(
    routines.map(({ name, parameters }) => {
      const names = parameters.map((parameter) => parameter.name).join(", ");
      return [
        name,
        `if ([${names}].includes(null)) return null;\n${script}return model.routines.find(({ name }) => name === ${JSON.stringify(name)}).call(${names});\n`,
      ];
    }),
  );
}
