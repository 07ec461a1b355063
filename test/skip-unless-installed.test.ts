import assert from "node:assert/strict";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";

describe("a suite that needs missing programs", () => {
  const { CI, PATH } = process.env;
  const { error } = console;
  const printed: string[] = [];
  beforeEach(() => {
    printed.length = 0;
    console.error = (text: string) => printed.push(text);
    process.env.PATH = "/nowhere";
    delete process.env.CI;
  });
  afterEach(() => {
    console.error = error;
    process.env.PATH = PATH;
    if (CI === undefined) delete process.env.CI;
    else process.env.CI = CI;
  });

  it("is skipped, with a message", () => {
    assert.equal(skipUnlessInstalled("the DAG", ["Python 3.10 or later", "Java"]), true);
    assert.match(printed.join(), /SKIPPED: the DAG\. It needs Python 3\.10 or later, Java\./);
  });

  it("is not skipped with CI=true", () => {
    process.env.CI = "true";
    assert.equal(skipUnlessInstalled("the DAG", ["Java"]), false);
    assert.deepEqual(printed, []);
  });

  it("runs when no program is missing", () => {
    process.env.PATH = PATH;
    assert.equal(skipUnlessInstalled("the DAG", []), false);
    assert.deepEqual(printed, []);
  });
});
