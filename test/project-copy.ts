import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { projectDir } from "../lib/project.ts";

const LEFT_OUT = ["node_modules", ".cache", ".git", ".data", "image"];

/** A copy of the project in a temporary folder: what a fork does to its files can be tried there. */
export class ProjectCopy {
  readonly folder = mkdtempSync(join(tmpdir(), "project-"));

  constructor() {
    for (const entry of readdirSync(projectDir))
      if (!LEFT_OUT.includes(entry))
        // With other times, npm scripts would take the packages for old, and install them again.
        cpSync(join(projectDir, entry), join(this.folder, entry), {
          recursive: true,
          preserveTimestamps: true,
        });
    symlinkSync(join(projectDir, ".cache"), join(this.folder, ".cache"));
    // The installed packages, but the copy's own packages/.
    const [installed, modules] = [join(projectDir, "node_modules"), join(this.folder, "node_modules")];
    mkdirSync(modules);
    for (const entry of readdirSync(installed)) {
      const path = join(installed, entry);
      if (entry === ".package-lock.json") cpSync(path, join(modules, entry), { preserveTimestamps: true });
      else symlinkSync(isLink(path) ? readlinkSync(path) : path, join(modules, entry));
    }
  }

  /** Runs a command line in the copy. Rejects with what it printed when it fails. Returns its stdout. */
  async run(command: string): Promise<string> {
    const child = spawn("sh", ["-c", command], { cwd: this.folder, stdio: ["ignore", "pipe", "pipe"] });
    const [[status], stdout, stderr] = await Promise.all([
      once(child, "close"),
      text(child.stdout),
      text(child.stderr),
    ]);
    if (status !== 0) throw new Error(`${command} failed:\n${stdout}\n${stderr}`);
    return stdout;
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

const isLink = (path: string): boolean => lstatSync(path).isSymbolicLink();
