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
  /** The last commit that changed one of its files, so that other commits do not build it again. */
  readonly revision: string;
}

const plans = new Map<Program | Candidate, ImagePlan>();

/** The plan of an image; a process makes each once. */
export function planImage(image: Program | Candidate): ImagePlan {
  const plan = plans.get(image) ?? (isPython(image) ? planCandidate(image) : planProgram(image));
  plans.set(image, plan);
  return plan;
}

/** Plans an image from the script of its program, the files beside it and the recipe. */
function planProgram(program: Program | Candidate): ImagePlan {
  const { script, inputs } = bundle(program);
  const files = filesOf(program);
  const hash = createHash("sha256").update(script);
  for (const file of [RECIPE, ...files]) hash.update(file).update(readFileSync(join(projectDir, file)));
  const sources = [...inputs, RECIPE, ...files.filter((file) => !file.startsWith("node_modules/"))];
  const tag = hash.digest("hex").slice(0, 12);
  return { recipe: RECIPE, argument: "PROGRAM", tag, revision: commitOf(projectDir, sources) };
}

/** Plans the image of a candidate in Python from what jobs/python.Dockerfile copies. */
function planCandidate(candidate: Candidate): ImagePlan {
  const folder = `jobs/${candidate}`;
  const code = globSync(`${folder}/*.py`, { cwd: projectDir }).sort();
  const sources = [PYTHON_RECIPE, "jobs/job.py", `${folder}/requirements.lock`, ...code];
  const hash = createHash("sha256");
  for (const file of sources) hash.update(file).update(readFileSync(join(projectDir, file)));
  const tag = hash.digest("hex").slice(0, 12);
  return { recipe: PYTHON_RECIPE, argument: "CANDIDATE", tag, revision: commitOf(projectDir, sources) };
}

const isPython = (image: Program | Candidate): image is Candidate =>
  CANDIDATES[image as Candidate]?.language === "python";
