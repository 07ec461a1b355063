import { execFileSync } from "node:child_process";

/**
 * The commit of a working tree, short; with -dirty when something in it is not committed, and none where there is no
 * repository.
 */
export function commitOf(folder: string): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const commit = git("rev-parse", "--short=12", "HEAD");
    return git("status", "--porcelain") === "" ? commit : `${commit}-dirty`;
  } catch {
    return "none";
  }
}
