import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bundle, filesOf, type Program } from "../jobs/bundle.ts";
import { projectDir } from "../lib/project.ts";
import { commitOf } from "./commit.ts";

const RECIPE = "jobs/Dockerfile";

/** What identifies the image of a program. */
export interface ImagePlan {
  /** A hash of what the image holds: it changes with the content of the image, and with nothing else. */
  readonly tag: string;
  /** The last commit that changed one of its files, so that other commits do not build it again. */
  readonly revision: string;
}

const plans = new Map<Program, ImagePlan>();

/** The plan of an image; a process makes each once. */
export function planImage(program: Program): ImagePlan {
  const plan = plans.get(program) ?? makePlan(program);
  plans.set(program, plan);
  return plan;
}

/** Plans an image from the script of its program, the files beside it and the recipe. */
function makePlan(program: Program): ImagePlan {
  const { script, inputs } = bundle(program);
  const files = filesOf(program);
  const hash = createHash("sha256").update(script);
  for (const file of [RECIPE, ...files]) hash.update(file).update(readFileSync(join(projectDir, file)));
  const sources = [...inputs, RECIPE, ...files.filter((file) => !file.startsWith("node_modules/"))];
  return { tag: hash.digest("hex").slice(0, 12), revision: commitOf(projectDir, sources) };
}
