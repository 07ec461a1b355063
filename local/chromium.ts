import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { type Browser, chromium } from "playwright-core";

const run = promisify(execFile);

/**
 * Chromium, to look at a page with: from CHROMIUM_PATH, else Debian's, which root gets installed if it is not there.
 * The caller closes it. Installing takes some minutes.
 * @throws Error when there is no Chromium and none can be installed.
 */
export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) await install(executablePath);
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}

async function install(executablePath: string): Promise<void> {
  const remedy = "Install Chromium and give its path in CHROMIUM_PATH.";
  if (process.env.CHROMIUM_PATH !== undefined) {
    throw new Error(`CHROMIUM_PATH is ${executablePath}, where there is no file. ${remedy}`);
  }
  if (!existsSync("/etc/debian_version") || process.getuid?.() !== 0) {
    throw new Error(`There is no ${executablePath}, and only root under Debian gets it installed. ${remedy}`);
  }
  try {
    await run("apt-get", ["update"]);
    await run("apt-get", ["install", "-y", "--no-install-recommends", "chromium"], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  } catch (error) {
    throw new Error(`apt-get could not install chromium. ${remedy}`, { cause: error });
  }
}
