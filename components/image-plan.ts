import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bundle, filesOf, type Program } from "../jobs/bundle.ts";
import { CANDIDATES, type Candidate } from "../jobs/candidates.ts";
import { projectDir } from "../lib/project.ts";
import { commitOf } from "./commit.ts";

const RECIPE = "jobs/Dockerfile";
const PYTHON_RECIPE = "jobs/python.Dockerfile";

/** What identifies the image of a program. */
export interface ImagePlan {
  readonly recipe: string;
  /** The argument of the recipe that names the image. */
  readonly argument: "PROGRAM" | "CANDIDATE";
  /** A hash of what the image holds: it changes with the content of the image, and with nothing else. */
  readonly tag: string;
  /** The last commit that changed one of its files. */
  readonly revision: string;
}

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
  return { recipe, argument, tag, revision: commitOf(projectDir, sources) };
}

function pythonFilesOf(candidate: string): string[] {
  const code = globSync(`jobs/${candidate}/*.py`, { cwd: projectDir }).sort();
  return ["jobs/job.py", `jobs/${candidate}/requirements.lock`, ...code];
}
