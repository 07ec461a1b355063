import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { cacheDir } from "../../lib/project.ts";
import { UserError } from "../../lib/user-error.ts";

const run = promisify(execFile);
const UV = "uv==0.13.9";
const COMPILE = "Make the file from requirements.in, with uv pip compile as in docs/own-model.md.";

/**
 * The bin folder of a Python environment with exactly the packages of a lock file from `uv pip compile`. Installs it on
 * first use, and again when the lock file changes; this takes up to a minute.
 * @param options of `uv pip sync`
 * @throws UserError when Python or the lock file is missing, or a package cannot be installed.
 */
export async function pythonEnvironment(
  name: string,
  python: string,
  lockFile: string,
  ...options: string[]
): Promise<string> {
  if (!existsSync(lockFile))
    throw new UserError(`There is no file ${lockFile}, which has the Python packages.`, { remedy: COMPILE });
  const fingerprint = createHash("sha256")
    .update(`${python}\n${readFileSync(lockFile)}`)
    .digest("hex");
  const folder = join(cacheDir, "python", `${name}-${fingerprint.slice(0, 12)}`);
  await once(folder, async (temporary) => {
    const uv = await installUv();
    await uv("venv", "--quiet", "--relocatable", "--python", python, temporary).catch(
      failed(`Python ${python} can't be found or installed`, `Install Python ${python}.`),
    );
    const target = join(temporary, "bin", "python");
    await uv("pip", "sync", "--quiet", "--python", target, ...options, lockFile).catch(
      failed(`The packages of ${lockFile} can't be installed for Python ${python}`, COMPILE),
    );
  });
  return join(folder, "bin");
}

const failed =
  (what: string, remedy: string) =>
  (cause: Error & { stderr?: string }): never => {
    throw new UserError(`${what}: ${cause.stderr?.trim() || cause.message}`, { remedy, cause });
  };

/** Installs uv with the machine's Python. */
async function installUv(): Promise<(...args: string[]) => Promise<unknown>> {
  const folder = join(cacheDir, "python", UV);
  await once(folder, async (temporary) => {
    try {
      await run("python3", ["-m", "venv", temporary]);
      await run(join(temporary, "bin", "pip"), ["install", "--quiet", UV]);
    } catch (cause) {
      throw new UserError(`${UV} can't be installed: ${(cause as Error).message.split("\n")[0]}`, {
        remedy: "Install Python 3.10 or later with venv and pip.",
        cause,
      });
    }
  });
  // pyenv's versions of Python are not on the PATH.
  const path = [...globSync(join(homedir(), ".pyenv/versions/3.*/bin")), process.env.PATH].join(delimiter);
  const options = { env: { ...process.env, PATH: path } };
  return (...args) => run(join(folder, "bin", "uv"), args, options);
}

/** Creates a folder, atomically and also when several processes do: under another name, which it then renames. */
async function once(folder: string, create: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  mkdirSync(dirname(folder), { recursive: true });
  const temporary = mkdtempSync(`${folder}.`);
  try {
    await create(temporary);
    if (!existsSync(folder)) renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
