// Options of StrykerJS for `npm run mutation`, which gives it one source file at a time (test/mutation/main.ts).
import Module from "node:module";

// Mocha 12 names its modules .cjs; @stryker-mutator/mocha-runner 10 requires them without an extension.
// Stryker's child processes load this file for it, too.
Module._extensions[".cjs"] ??= Module._extensions[".js"];
const nodeArgs = ["--import", "./stryker.config.js"];

/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export default {
  testRunner: "reloading-mocha",
  testRunnerNodeArgs: nodeArgs,
  checkerNodeArgs: nodeArgs,
  plugins: ["@stryker-mutator/mocha-runner", "./test/mutation/ignored.ts", "./test/mutation/runner.ts"],
  ignorers: ["prose"],
  coverageAnalysis: "perTest",
  // A mutant that ends nothing is stopped after this time and 1.5 times that of its tests. A shorter time would take
  // a busy machine for an endless loop, and count it as a killed mutant.
  timeoutMS: 60_000,
  // The tests of components take minutes on a busy machine.
  dryRunTimeoutMinutes: 30,
  incremental: true,
  warnings: { slow: false },
  tempDirName: ".data/mutation/sandbox",
  ignorePatterns: [".cache", ".data", "image", "*.log"],
  reporters: ["clear-text", "html"],
  clearTextReporter: { allowColor: false, reportTests: false, reportScoreTable: false },
  allowConsoleColors: false,
  logLevel: "warn",
  // The command has a threshold for each folder.
  thresholds: { high: 95, low: 85, break: null },
};
