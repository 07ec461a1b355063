import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where this project is; apart from the edition, whose parts take a second to load. */
export const projectDir = fileURLToPath(new URL("..", import.meta.url));
export const sqlDir = join(projectDir, "sql");
