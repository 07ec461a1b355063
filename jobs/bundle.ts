import { cpSync, globSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type BuildOptions, buildSync } from "esbuild";
import { projectDir } from "../lib/project.ts";
import { CANDIDATES, type Candidate } from "./candidates.ts";

/** The programs that have an image, and the folders of the project that each reads beside its code. */
export const PROGRAMS = {
  invoker: [],
  // @dataform/core compiles the SQL project in a context of its own, from its own files.
  "sql-runner": ["sql", "node_modules/@dataform/core"],
  clv: [],
  notify: [],
} satisfies Record<string, readonly string[]>;
export type Program = keyof typeof PROGRAMS;

/** A candidate in TypeScript is bundled as well. */
const isProgram = (name: string): name is Program | Candidate =>
  name in PROGRAMS || CANDIDATES[name as Candidate]?.language === "typescript";

const entryOf = (program: Program | Candidate): string =>
  program === "invoker" ? "functions/invoker/main.ts" : `jobs/${program}/main.ts`;

const OPTIONS: BuildOptions = {
  absWorkingDir: projectDir,
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  // Images have no DuckDB: it is imported only where WAREHOUSE_URL names a file.
  external: ["./duckdb.ts"],
  banner: {
    js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
  },
  logLevel: "warning",
  write: false,
  metafile: true,
};

interface Bundle {
  readonly script: string;
  /** The project's files that it is made of. */
  readonly inputs: readonly string[];
}
const bundles = new Map<Program | Candidate, Bundle>();

/** The program as one script. The same sources give the same script; a process bundles each program once. */
export function bundle(program: Program | Candidate): Bundle {
  const made = bundles.get(program) ?? makeBundle(program);
  bundles.set(program, made);
  return made;
}

function makeBundle(program: Program | Candidate): Bundle {
  const { outputFiles, metafile } = buildSync({ ...OPTIONS, entryPoints: [entryOf(program)] });
  const inputs = Object.keys(metafile!.inputs).filter((file) => !file.includes("node_modules/"));
  return { script: outputFiles![0]!.text, inputs };
}

/** The files that the image holds beside the script, with their paths in the project; no tests. */
export function filesOf(program: Program | Candidate): string[] {
  const folders: readonly string[] = program in PROGRAMS ? PROGRAMS[program as Program] : [];
  return folders
    .flatMap((folder) => globSync(`${folder}/**/*`, { cwd: projectDir }))
    .filter(
      (path) => statSync(join(projectDir, path)).isFile() && !/\.test\.\w+$|^sql\/tables\.json$/.test(path),
    )
    .sort();
}

/** npm run bundle -- PROGRAM: writes into --out, by default image/, what the image holds under /app. */
if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: "string", default: "image" } },
  });
  const program = positionals[0] ?? "";
  if (!isProgram(program))
    throw new Error(`There is no program ${program}: give one of ${Object.keys(PROGRAMS).join(", ")}.`);
  rmSync(values.out, { recursive: true, force: true });
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, "main.mjs"), bundle(program).script);
  for (const file of filesOf(program)) {
    mkdirSync(dirname(join(values.out, file)), { recursive: true });
    cpSync(join(projectDir, file), join(values.out, file));
  }
}
