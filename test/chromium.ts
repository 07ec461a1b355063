import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { installDebianPackage } from "./debian.ts";

/**
 * Chromium, to look at a page with: from CHROMIUM_PATH, else Debian's, which root gets installed if it is not there.
 * The caller closes it. Installing takes some minutes.
 * @throws Error when there is no Chromium and none can be installed.
 */
export async function launchChromium(): Promise<Browser> {
  const { CHROMIUM_PATH: executablePath = "/usr/bin/chromium" } = process.env;
  const remedy = "Install Chromium and give its path in CHROMIUM_PATH.";
  if (process.env.CHROMIUM_PATH === undefined) await installDebianPackage("chromium", executablePath, remedy);
  else if (!existsSync(executablePath))
    throw new Error(`CHROMIUM_PATH is ${executablePath}, where there is no file. ${remedy}`);
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}
