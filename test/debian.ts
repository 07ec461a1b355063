import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Makes sure that a program is there: under Debian, root gets its package installed, which can take minutes.
 * @throws Error that ends with the remedy when it is not there and can't be installed.
 */
export async function installDebianPackage(name: string, program: string, remedy: string): Promise<void> {
  if (existsSync(program)) return;
  if (!existsSync("/etc/debian_version") || process.getuid?.() !== 0) {
    throw new Error(`There is no ${program}, and only root under Debian gets it installed. ${remedy}`);
  }
  try {
    await run("apt-get", ["update"]);
    // Another apt-get may be under way.
    const options = ["-o", "DPkg::Lock::Timeout=300", "-y", "--no-install-recommends"];
    await run("apt-get", ["install", ...options, name], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  } catch (error) {
    throw new Error(`apt-get could not install ${name}. ${remedy}`, { cause: error });
  }
}
