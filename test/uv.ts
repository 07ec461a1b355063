import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
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
  await once(folder, async (made) => {
    const uv = await installUv();
    await uv("venv", "--quiet", "--relocatable", "--python", python, made);
    await uv("pip", "sync", "--quiet", "--python", join(made, "bin", "python"), lockFile);
  });
  return join(folder, "bin");
}

/** uv, from PyPI by the machine's own Python. */
async function installUv(): Promise<(...args: string[]) => Promise<unknown>> {
  const folder = join(cacheDir, "python", UV);
  await once(folder, async (made) => {
    try {
      await run("python3", ["-m", "venv", made]);
      await run(join(made, "bin", "pip"), ["install", "--quiet", UV]);
    } catch (cause) {
      throw new Error(`${UV} can't be installed; install Python 3.10 or later with venv and pip.`, { cause });
    }
  });
  // Versions of Python that pyenv keeps are not on the PATH.
  const path = [...globSync(join(homedir(), ".pyenv/versions/3.*/bin")), process.env.PATH].join(delimiter);
  const options = { env: { ...process.env, PATH: path } };
  return (...args) => run(join(folder, "bin", "uv"), args, options);
}

/** Makes a folder under another name, so that it is there whole or not at all, whoever else makes it at the same time. */
async function once(folder: string, make: (made: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  mkdirSync(dirname(folder), { recursive: true });
  const made = mkdtempSync(`${folder}.`);
  try {
    await make(made);
    if (!existsSync(folder)) renameSync(made, folder);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}
