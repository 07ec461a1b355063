import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { projectDir } from "../lib/project.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder for the tests of the block, which is removed after them. `file` writes a file into it and returns the path. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "npm-start-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  return { folder, file };
}

/** An order log with these rows. */
export const csv = (...rows: string[]): string =>
  ["order_id,customer_id,ordered_at,amount", ...rows].join("\n");

/** npm start with these arguments, without npm. */
export const start = (...args: string[]): ChildProcess =>
  spawn(process.execPath, [join(projectDir, "cli", "start.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
export async function ended(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    new Promise<number | null>((resolve) => child.once("close", resolve)),
  ]);
  return { code, stdout, stderr };
}
export const npmStart = (...args: string[]): Promise<Ended> => ended(start(...args));
/** The JSON that it prints. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is what the test asserts
export const parsed = ({ stdout }: Ended): any => JSON.parse(stdout);
/** The model of a family that was fitted on all history. */
// biome-ignore lint/suspicious/noExplicitAny: JSON
export const fittedAs = (family: string, fitted: readonly any[]): any =>
  fitted.find((model) => model.family === family && model.sample === "production");
