import { spawnSync } from "node:child_process";

/** What npm does not install, with a command that succeeds where it is. */
const PROGRAMS = {
  "Python 3.10 or later": ["python3", "-c", "import sys; sys.exit(sys.version_info < (3, 10))"],
  Java: ["java", "-version"],
  "the Google Cloud SDK": ["gcloud", "--version"],
  Go: ["go", "version"],
  "/proc of Linux": ["ls", "/proc/self/status"],
} as const;
export type Program = keyof typeof PROGRAMS;

/**
 * Returns true, and prints why, if a program that the suite needs is missing. With CI=true no suite is skipped: it
 * fails.
 */
export function skipUnlessInstalled(suite: string, needs: readonly Program[]): boolean {
  if (process.env.CI === "true") return false;
  const missing = needs.filter((need) => {
    const [program, ...args] = PROGRAMS[need];
    return spawnSync(program, args, { stdio: "ignore" }).status !== 0;
  });
  if (missing.length > 0)
    console.error(`\n  SKIPPED: ${suite}. It needs ${missing.join(", ")}. With CI=true it would fail.\n`);
  return missing.length > 0;
}
