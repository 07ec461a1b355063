import assert from "node:assert/strict";
import { globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { copyFiles, hashOf } from "./file-copies.ts";

describe("copies of files", () => {
  const from = mkdtempSync(join(tmpdir(), "copies-"));
  const copies = join(from, "some", "copies");
  before(() => {
    mkdirSync(join(from, "a/b"), { recursive: true });
    for (const file of ["a/b/c", "d", "e"]) writeFileSync(join(from, file), file);
  });
  after(() => rmSync(from, { recursive: true }));

  it("are in a folder that is named by what it holds, whatever the order of its files", () => {
    const copy = copyFiles(from, ["a/b/c", "d"], copies, "one");
    assert.match(basename(copy), /^one-[0-9a-f]{12}$/);
    assert.deepEqual(globSync("**/*", { cwd: copy }).sort(), ["a", "a/b", "a/b/c", "d"]);
    assert.equal(copyFiles(from, ["d", "a/b/c"], copies, "one"), copy);
    assert.deepEqual(readdirSync(copies), [basename(copy)], "no other folder");
  });

  it("are made once where two processes make them", () => {
    const folder = join(copies, `two-${hashOf(from, ["d"])}`);
    // Like a folder that is not there before, and is there after the files have been copied.
    symlinkSync("nowhere", folder);
    assert.equal(copyFiles(from, ["d"], copies, "two"), folder);
    assert.ok(readdirSync(copies).every((name) => /^(one|two)-/.test(name)));
  });

  it("have a hash of their paths and their content", () => {
    assert.equal(hashOf(from, ["d"]), hashOf(from, ["d"], ""));
    const hashes = [
      hashOf(from, ["d"]),
      hashOf(from, ["e"]),
      hashOf(from, ["d", "e"]),
      hashOf(from, ["d"], "more"),
    ];
    writeFileSync(join(from, "d"), "changed");
    writeFileSync(join(from, "e"), "changed");
    hashes.push(hashOf(from, ["d"]), hashOf(from, ["e"]));
    assert.equal(new Set(hashes).size, hashes.length);
  });
});
