import assert from "node:assert/strict";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";

describe("a suite whose programs are not there", () => {
  const { CI, PATH } = process.env;
  const { error } = console;
  const said: string[] = [];
  beforeEach(() => {
    said.length = 0;
    console.error = (text: string) => said.push(text);
    process.env.PATH = "/nowhere";
    delete process.env.CI;
  });
  afterEach(() => {
    console.error = error;
    process.env.PATH = PATH;
    if (CI === undefined) delete process.env.CI;
    else process.env.CI = CI;
  });

  it("is left out, and that is said", () => {
    assert.equal(skipUnlessInstalled("the loop", ["Python 3.10 or later", "Java"]), true);
    assert.match(said.join(), /LEFT OUT: the loop\. It needs Python 3\.10 or later, Java\./);
  });

  it("runs, and fails, with CI=true", () => {
    process.env.CI = "true";
    assert.equal(skipUnlessInstalled("the loop", ["Java"]), false);
    assert.deepEqual(said, []);
  });

  it("runs when it needs nothing that is missing", () => {
    process.env.PATH = PATH;
    assert.equal(skipUnlessInstalled("the loop", []), false);
    assert.deepEqual(said, []);
  });
});
