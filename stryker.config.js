// Mutation testing: `npm run mutation`. Of one folder, with its tests alone, which is faster:
// `npm run mutation -- --mutate 'jobs/clv/*[!t].ts' --testFiles 'jobs/clv/*.test.ts'`
import Module from "node:module";

// Mocha 12 names its modules .cjs; @stryker-mutator/mocha-runner 10 requires them without an extension.
// The test runner's processes load this file, too.
Module._extensions[".cjs"] ??= Module._extensions[".js"];

const folder = ".data/mutation";
const rooms = "{adapters,components,contracts,jobs/clv,policy}";

/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export default {
  mutate: [`${rooms}/**/*.ts`, "!**/*.test.ts", "!jobs/clv/main.ts"],
  testRunner: "mocha",
  testRunnerNodeArgs: ["--import", "./stryker.config.js"],
  // Left out: tests of speed, which fail because mutated code is slow, and long simulations.
  mochaOptions: { spec: [`${rooms}/**/*.test.ts`], grep: "^(?!.* (in under|simulated) )" },
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
