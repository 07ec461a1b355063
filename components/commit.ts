import { execFileSync } from "node:child_process";
import { UserError } from "../lib/user-error.ts";

/**
 * The last commit that changed one of the files, 12 characters; by default the commit of the working tree. It ends in
 * -dirty when one of the files has changes that are not committed, and is "none" outside of a repository.
 * @throws UserError when the repository does not have its whole history.
 */
export function commitOf(folder: string, files: readonly string[] = []): string {
  const git = (...args: string[]): string =>
    execFileSync("git", [...args, "--", ...files], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 2 ** 26,
    }).trim();
  try {
    const commit = git("log", "-1", "--format=%h", "--abbrev=12");
    if (files.length > 0 && git("rev-parse", "--is-shallow-repository").startsWith("true"))
      throw new UserError("The repository lacks the history that says which commit changed an image.", {
        remedy: "git fetch --unshallow   (in GitHub Actions: actions/checkout with fetch-depth: 0)",
      });
    return git("status", "--porcelain") === "" ? commit : `${commit}-dirty`;
  } catch (error) {
    if (error instanceof UserError) throw error;
    return "none";
  }
}
