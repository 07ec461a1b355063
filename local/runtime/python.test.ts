import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnlessInstalled } from "../../test/skip-unless-installed.ts";
import { pythonEnvironment } from "./python.ts";

describe("pythonEnvironment", function () {
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "python-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("says what to do without a lock file", async () => {
    await assert.rejects(pythonEnvironment("none", "3.11", join(folder, "none.lock")), {
      name: "UserError",
      message: /There is no file .*none\.lock/,
      remedy: /requirements\.in.*docs\/own-model\.md/,
    });
  });

  if (skipUnlessInstalled("pythonEnvironment", ["Python 3.10 or later"])) return;
  it("says what to do with the list of pip freeze, which has no hashes", async () => {
    const lock = join(folder, "freeze.lock");
    writeFileSync(lock, "pandas==3.1.1\n");
    await assert.rejects(pythonEnvironment("freeze", "3.11", lock, "--require-hashes"), {
      name: "UserError",
      message: /can't be installed for Python 3\.11: .*pandas==3\.1\.1/s,
      remedy: /requirements\.in.*docs\/own-model\.md/,
    });
  });
});
