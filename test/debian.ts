import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Installs a program with apt-get if it is missing, which can take minutes. This needs Debian and root.
 * @throws Error that ends with the remedy when the program cannot be installed.
 */
export async function installDebianPackage(name: string, program: string, remedy: string): Promise<void> {
  if (existsSync(program)) return;
  if (!existsSync("/etc/debian_version") || process.getuid?.() !== 0) {
    throw new Error(`${program} is missing; only root on Debian can install it from here. ${remedy}`);
  }
  try {
    await run("apt-get", ["update"]);
    // Wait while another apt-get runs.
    const options = ["-o", "DPkg::Lock::Timeout=300", "-y", "--no-install-recommends"];
    await run("apt-get", ["install", ...options, name], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  } catch (error) {
    throw new Error(`apt-get cannot install ${name}. ${remedy}`, { cause: error });
  }
}
