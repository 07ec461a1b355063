import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { installDebianPackage } from "./debian.ts";

/**
 * Starts Chromium from CHROMIUM_PATH, or Debian's package, which is installed for root if it is missing. Installing
 * takes some minutes. The caller closes the browser.
 * @throws Error when there is no Chromium and it can't be installed.
 */
export async function launchChromium(): Promise<Browser> {
  const { CHROMIUM_PATH: executablePath = "/usr/bin/chromium" } = process.env;
  const remedy = "Install Chromium and give its path in CHROMIUM_PATH.";
  if (process.env.CHROMIUM_PATH === undefined) await installDebianPackage("chromium", executablePath, remedy);
  else if (!existsSync(executablePath))
    throw new Error(`CHROMIUM_PATH is ${executablePath}, which does not exist. ${remedy}`);
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}
