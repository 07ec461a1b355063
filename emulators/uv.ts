import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const UV = "uv==0.13.9";

/** Folder of the project for what tests install once; it can be deleted at any time. */
export const cacheDir = join(import.meta.dirname, "..", ".cache");

/**
 * The bin folder of a Python environment with exactly the packages of a lock file (made by `uv pip compile`); made on
 * first use, in seconds to a minute, and anew when the lock file changes.
 * @throws Error when there is no Python to begin with, or the packages can't be had.
 */
export async function pythonEnvironment(name: string, python: string, lockFile: string): Promise<string> {
  const fingerprint = createHash("sha256")
    .update(`${python}\n${readFileSync(lockFile)}`)
    .digest("hex");
  const folder = join(cacheDir, "python", `${name}-${fingerprint.slice(0, 12)}`);
  const bin = join(folder, "bin");
  const complete = join(folder, "complete");
  if (existsSync(complete)) return bin;
  const uv = await installUv();
  await uv("venv", "--quiet", "--clear", "--python", python, folder);
  await uv("pip", "sync", "--quiet", "--python", join(bin, "python"), lockFile);
  writeFileSync(complete, "");
  return bin;
}

/** uv, from PyPI by the machine's own Python. */
async function installUv(): Promise<(...args: string[]) => Promise<unknown>> {
  const folder = join(cacheDir, "python", UV);
  const program = join(folder, "bin", "uv");
  // Versions of Python that pyenv keeps are not on the PATH.
  const path = [...globSync(join(homedir(), ".pyenv/versions/3.*/bin")), process.env.PATH].join(delimiter);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    try {
      await run("python3", ["-m", "venv", folder]);
      await run(join(folder, "bin", "pip"), ["install", "--quiet", UV]);
    } catch (cause) {
      throw new Error(`${UV} can't be installed; install Python 3.10 or later with venv and pip.`, { cause });
    }
  }
  return (...args) => run(program, args, { env: { ...process.env, PATH: path } });
}
