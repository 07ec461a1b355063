import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { bundle, filesOf, type Program } from "../jobs/bundle.ts";
import { CANDIDATES, type Candidate } from "../jobs/candidates.ts";
import { cacheDir, projectDir } from "../lib/project.ts";
import { commitOf } from "./commit.ts";

const RECIPE = "jobs/Dockerfile";
const PYTHON_RECIPE = "jobs/python.Dockerfile";

/** What identifies the image of a program. */
export interface ImagePlan {
  readonly recipe: string;
  /** Folder with all that the build reads, below the project's. */
  readonly context: string;
  /** The argument of the recipe that names the image. */
  readonly argument: "PROGRAM" | "CANDIDATE";
  /** A hash of what the image holds: it changes with the content of the image, and with nothing else. */
  readonly tag: string;
  /** The last commit that changed one of its files. */
  readonly revision: string;
}

/** What the recipe of programs needs beside the sources: their packages, and what bundles. */
const BUILD = [
  ...["package.json", "package-lock.json", "packages/dataform-check/package.json"],
  ...["jobs/bundle.ts", "jobs/candidates.ts", "lib/project.ts", "lib/user-error.ts"],
];

const plans = new Map<Program | Candidate, ImagePlan>();

/** The plan of an image; a process makes each once. */
export function planImage(image: Program | Candidate): ImagePlan {
  const known = plans.get(image) ?? plan(image);
  plans.set(image, known);
  return known;
}

/** Plans an image from what its recipe copies: the program's script, and files. */
function plan(image: Program | Candidate): ImagePlan {
  const isPython = CANDIDATES[image as Candidate]?.language === "python";
  const recipe = isPython ? PYTHON_RECIPE : RECIPE;
  const { script, inputs } = isPython ? { script: "", inputs: [] } : bundle(image);
  const files = [recipe, ...(isPython ? pythonFilesOf(image) : filesOf(image))];
  const hash = createHash("sha256").update(script);
  for (const file of files) hash.update(file).update(readFileSync(join(projectDir, file)));
  const sources = [...inputs, ...files.filter((file) => !file.startsWith("node_modules/"))];
  const tag = hash.digest("hex").slice(0, 12);
  const argument = isPython ? "CANDIDATE" : "PROGRAM";
  const context = contextOf(image, [...sources, ...(isPython ? [] : BUILD)]);
  return { recipe, context, argument, tag, revision: commitOf(projectDir, sources) };
}

/**
 * A folder with copies of these files of the project. Pulumi's Docker provider builds an image again when its context
 * changes: with the whole project, each commit would build all images.
 */
function contextOf(image: string, files: readonly string[]): string {
  const hash = createHash("sha256");
  const all = [...new Set(files)].sort();
  for (const file of all) hash.update(file).update(readFileSync(join(projectDir, file)));
  const contexts = join(cacheDir, "contexts");
  const folder = join(contexts, `${image}-${hash.digest("hex").slice(0, 12)}`);
  if (!existsSync(folder)) {
    mkdirSync(contexts, { recursive: true });
    const unfinished = mkdtempSync(join(contexts, "."));
    for (const file of all) {
      mkdirSync(dirname(join(unfinished, file)), { recursive: true });
      cpSync(join(projectDir, file), join(unfinished, file));
    }
    try {
      renameSync(unfinished, folder);
    } catch {
      // Another process was faster.
      rmSync(unfinished, { recursive: true });
    }
  }
  return relative(projectDir, folder);
}

function pythonFilesOf(candidate: string): string[] {
  const code = globSync(`jobs/${candidate}/*.py`, { cwd: projectDir }).sort();
  return ["jobs/job.py", `jobs/${candidate}/requirements.lock`, ...code];
}
