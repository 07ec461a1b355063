import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this project. */
export const projectDir = fileURLToPath(new URL("..", import.meta.url));
/** Folder for what is made or installed once. It can be deleted at any time. */
export const cacheDir = join(projectDir, ".cache");
export const sqlDir = join(projectDir, "sql");
