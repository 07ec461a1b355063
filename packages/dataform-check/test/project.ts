import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../src/config.ts";

/** The configuration of the project. */
export const config: Config = {
  parameters: { run_date: { type: "DATE", value: "2024-01-01" } },
  routines: [
    {
      name: "double",
      parameters: [{ name: "x", type: "FLOAT64" }],
      returns: "FLOAT64",
      description: "Two times x.",
      call: (x) => 2 * x!,
    },
  ],
  duckdb: true,
};

const FILES = fileURLToPath(new URL("fixtures/project", import.meta.url));

/** A copy of the Dataform project in fixtures/project, in a temporary folder. */
export class TestProject {
  readonly dir = mkdtempSync(join(tmpdir(), "dataform-check-"));

  constructor() {
    cpSync(FILES, this.dir, { recursive: true });
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.dir, file)), { recursive: true });
    writeFileSync(join(this.dir, file), text);
  }

  /** Replaces text of a file of the project. */
  change(file: string, from: string, to: string): void {
    const text = readFileSync(join(FILES, file), "utf8");
    if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
    this.write(file, text.replace(from, to));
  }

  /** Takes back all changes. */
  restore(): void {
    this.remove();
    cpSync(FILES, this.dir, { recursive: true });
  }

  /** Removes a file, or the whole project. */
  remove(file = ""): void {
    rmSync(join(this.dir, file), { recursive: true });
  }
}
