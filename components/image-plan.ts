import { globSync } from "node:fs";
import { join, relative } from "node:path";
import { bundle, filesOf, type Program } from "../jobs/bundle.ts";
import { CANDIDATES, type Candidate } from "../jobs/candidates.ts";
import { cacheDir, projectDir } from "../lib/project.ts";
import { commitOf } from "./commit.ts";
import { copyFiles, hashOf } from "./file-copies.ts";

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

/**
 * Plans an image from what its recipe copies: the program's script, and files. Pulumi's Docker provider builds an image
 * again when its context changes: with the whole project, each commit would build all images.
 */
export function planImage(image: Program | Candidate): ImagePlan {
  const isPython = CANDIDATES[image as Candidate]?.language === "python";
  const recipe = isPython ? PYTHON_RECIPE : RECIPE;
  const { script, inputs } = isPython ? { script: "", inputs: [] } : bundle(image);
  const files = [recipe, ...(isPython ? pythonFilesOf(image) : filesOf(image))];
  const sources = [...inputs, ...files.filter((file) => !file.startsWith("node_modules/"))];
  const read = [...sources, ...(isPython ? [] : BUILD)];
  return {
    recipe,
    context: relative(projectDir, copyFiles(projectDir, read, join(cacheDir, "contexts"), image)),
    argument: isPython ? "CANDIDATE" : "PROGRAM",
    tag: hashOf(projectDir, files, script),
    revision: commitOf(projectDir, sources),
  };
}

function pythonFilesOf(candidate: string): string[] {
  const code = globSync(`jobs/${candidate}/*.py`, { cwd: projectDir }).sort();
  return ["jobs/job.py", `jobs/${candidate}/requirements.lock`, ...code];
}
