// Mutation testing of all rooms below, or of one with its own tests alone: `ROOM=jobs/clv npm run mutation`.
import Module from "node:module";

// Mocha 12 names its modules .cjs; @stryker-mutator/mocha-runner 10 requires them without an extension.
// Stryker's child processes load this file for it, too.
Module._extensions[".cjs"] ??= Module._extensions[".js"];
const nodeArgs = ["--import", "./stryker.config.js"];

const room = process.env.ROOM ?? "{adapters,components,contracts,jobs/clv,policy}";
const folder = ".data/mutation";

/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export default {
  mutate: [`${room}/**/*.ts`, "!**/*.test.ts", "!jobs/clv/main.ts"],
  testRunner: "mocha",
  testRunnerNodeArgs: nodeArgs,
  checkerNodeArgs: nodeArgs,
  // Left out: tests of speed, which fail because mutated code is slow, and long simulations. Not --testFiles: with it,
  // Stryker 10.0 runs no test for mutants of code that runs when a file is loaded.
  mochaOptions: { spec: [`${room}/**/*.test.ts`], grep: "^(?!.* (in under|simulated) )" },
  coverageAnalysis: "perTest",
  concurrency: 2,
  incremental: true,
  incrementalFile: `${folder}/incremental.json`,
  tempDirName: `${folder}/sandbox`,
  ignorePatterns: [".cache", ".data", "image", "*.log"],
  reporters: ["clear-text", "html", "json", "progress"],
  clearTextReporter: { allowColor: false, reportTests: false },
  htmlReporter: { fileName: `${folder}/report.html` },
  jsonReporter: { fileName: `${folder}/report.json` },
  thresholds: { high: 95, low: 85, break: 85 },
};
