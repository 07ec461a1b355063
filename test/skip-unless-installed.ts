import { spawnSync } from "node:child_process";

/** Programs that npm can't install, and how to see that one is there. */
const PROGRAMS = {
  "Python 3.10 or later": ["python3", "-c", "import sys; sys.exit(sys.version_info < (3, 10))"],
  Java: ["java", "-version"],
  "the Google Cloud SDK": ["gcloud", "--version"],
  Go: ["go", "version"],
} as const;
export type Program = keyof typeof PROGRAMS;

/**
 * Whether a suite is left out because a program that it needs is not there, which is said on stderr. With CI=true
 * nothing is left out: what can't run fails.
 */
export function skipUnlessInstalled(suite: string, needs: readonly Program[]): boolean {
  if (process.env.CI === "true") return false;
  const missing = needs.filter((need) => {
    const [program, ...args] = PROGRAMS[need];
    return spawnSync(program, args, { stdio: "ignore" }).status !== 0;
  });
  if (missing.length > 0)
    console.error(
      `\n  LEFT OUT: ${suite}. It needs ${missing.join(", ")}. With CI=true this is a failure.\n`,
    );
  return missing.length > 0;
}
