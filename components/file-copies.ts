import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A hash of files of a folder, with their paths, and of more content: 12 hexadecimal digits. */
export function hashOf(from: string, files: readonly string[], more = ""): string {
  const hash = createHash("sha256").update(more);
  for (const file of files) hash.update(file).update(readFileSync(join(from, file)));
  return hash.digest("hex").slice(0, 12);
}

/** Copies files of a folder into a new one in `copies`, NAME-HASH, which the same files always get. Returns its path. */
export function copyFiles(from: string, files: readonly string[], copies: string, name: string): string {
  const folder = join(copies, `${name}-${hashOf(from, files.toSorted())}`);
  if (existsSync(folder)) return folder;
  mkdirSync(copies, { recursive: true });
  const unfinished = mkdtempSync(join(copies, "."));
  for (const file of files) cpSync(join(from, file), join(unfinished, file));
  try {
    renameSync(unfinished, folder);
  } catch {
    // Another process was faster.
    rmSync(unfinished, { recursive: true });
  }
  return folder;
}
