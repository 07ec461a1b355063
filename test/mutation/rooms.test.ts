import assert from "node:assert/strict";
import { shouldIgnore } from "./ignored.ts";
import { filesOf, scoreOf, testsOf, withoutSurvivors } from "./rooms.ts";

describe("npm run mutation", () => {
  it("mutates the sources of a folder, or one file", () => {
    const files = filesOf("jobs/clv");
    assert.ok(files.includes("jobs/clv/champion.ts"));
    assert.ok(!files.some((file) => /\.test\.ts$|main/.test(file)));
    assert.deepEqual(filesOf("lib/log.ts"), ["lib/log.ts"]);
    for (const none of ["job/clv", "jobs/clv/champoin.ts", "policy/index.ts"])
      assert.throws(() => filesOf(none), /has no sources/, none);
  });

  it("runs the test of the file, or else those that import it, and the golden test of the folder", () => {
    assert.deepEqual(testsOf("jobs/clv/champion.ts"), ["jobs/clv/champion.test.ts"]);
    assert.deepEqual(testsOf("components/dashboard.ts"), [
      "components/monitoring.test.ts",
      "components/stack.test.ts",
    ]);
    assert.ok(testsOf("adapters/without-a-test.ts").length > 5);
  });

  it("counts what no test reaches as not noticed, and leaves out what is ignored", () => {
    const mutants = ["Killed", "Killed", "Timeout", "Survived", "NoCoverage", "Ignored", "CompileError"];
    const { percent, text } = scoreOf(mutants.map((status) => ({ status })));
    assert.equal(percent, 60);
    assert.equal(text, "60.0 % of 5 mutants killed, 1 of them by a time limit; 1 ignored");
  });

  it("tests survivors again", () => {
    const report = (...statuses: string[]) =>
      JSON.stringify({ files: { "a.ts": { source: "a", mutants: statuses.map((status) => ({ status })) } } });
    assert.equal(
      withoutSurvivors(report("Killed", "Survived", "NoCoverage", "Timeout")),
      report("Killed", "Timeout"),
    );
  });

  it("ignores descriptions of fields and texts of log lines, and nothing else", () => {
    const text = { type: "StringLiteral" };
    const ofCall = (object: string, property: string) => ({
      node: {
        type: "CallExpression",
        callee: {
          type: "MemberExpression",
          object: { type: "Identifier", name: object },
          property: { type: "Identifier", name: property },
        },
      },
      parentPath: null,
    });
    const argument = (object: string, property: string, node = text) =>
      shouldIgnore({ node, parentPath: ofCall(object, property) });
    const field = (name: string, property: string) =>
      shouldIgnore({
        node: text,
        parentPath: {
          node: { type: "ObjectProperty", key: { type: "Identifier", name } },
          parentPath: { node: { type: "ObjectExpression" }, parentPath: ofCall("z", property) },
        },
      });
    assert.match(argument("schema", "describe") ?? "", /description/);
    assert.match(argument("log", "warn") ?? "", /log/);
    assert.match(field("description", "meta") ?? "", /description/);
    for (const mutated of [
      argument("schema", "default"),
      argument("log", "warn", { type: "ArrowFunctionExpression" }),
      field("format", "meta"),
      field("description", "create"),
      shouldIgnore({ node: text, parentPath: null }),
    ])
      assert.equal(mutated, undefined);
  });
});
