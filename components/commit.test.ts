import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commitOf } from "./commit.ts";

describe("commit", () => {
  const folder = mkdtempSync(join(tmpdir(), "commit-"));
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", ...args], { cwd: folder });
  after(() => rmSync(folder, { recursive: true }));

  it("is that of the working tree, and says when something is not committed", () => {
    assert.equal(commitOf(folder), "none");
    git("init", "--quiet");
    git("commit", "--quiet", "--allow-empty", "--message", "first");
    assert.match(commitOf(folder), /^[0-9a-f]{12}$/);
    writeFileSync(join(folder, "new"), "");
    assert.match(commitOf(folder), /^[0-9a-f]{12}-dirty$/);
  });

  it("of files is the last one that changed them", () => {
    git("add", "new");
    git("commit", "--quiet", "--message", "second");
    const second = commitOf(folder);
    git("commit", "--quiet", "--allow-empty", "--message", "third");
    assert.notEqual(commitOf(folder), second);
    assert.equal(commitOf(folder, ["new"]), second);
    writeFileSync(join(folder, "other"), "");
    assert.equal(commitOf(folder, ["new"]), second, "another file that is not committed does not count");
    writeFileSync(join(folder, "new"), "changed");
    assert.equal(commitOf(folder, ["new"]), `${second}-dirty`);
  });

  it("of files is refused where the history is cut off", () => {
    const clone = join(folder, "clone");
    execFileSync("git", ["clone", "--quiet", "--depth", "1", `file://${folder}`, clone]);
    assert.match(commitOf(clone), /^[0-9a-f]{12}$/);
    assert.throws(() => commitOf(clone, ["new"]), /lacks the history/);
  });
});
