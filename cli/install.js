// Runs before every npm script, on any Node that the machine has (20 or later) and with nothing installed:
// brings node_modules in line with package-lock.json. Afterwards npm scripts find Node 24 in node_modules/.bin.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";

const lock = "package-lock.json";
const installed = "node_modules/.package-lock.json";
const isCurrent = existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs;

if (!isCurrent) {
  process.stderr.write("Installing the packages of package-lock.json (npm ci) …\n");
  const options = { stdio: ["ignore", 2, 2], shell: process.platform === "win32" };
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], options);
  if (status !== 0) {
    process.stderr.write(
      "npm ci failed. Check the network and the registry of npm, then run the command again.\n",
    );
    process.exit(status ?? 1);
  }
}

if (!existsSync("node_modules/.bin/node") && Number(process.versions.node.split(".")[0]) < 24) {
  const platforms = readdirSync("node_modules").filter((name) => /^node-.*(x64|arm64)$/.test(name));
  process.stderr.write(
    `This project runs on Node 24; this is ${process.version} and npm has no Node 24 for ` +
      `${process.platform}-${process.arch} (found: ${platforms.join(", ") || "none"}). Install Node 24 and try again.\n`,
  );
  process.exit(1);
}
