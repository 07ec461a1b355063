/**
 * Which folder may import which. `npm run check` holds these rules; README.md, «Where things are», says what each folder is for.
 * @type {import("dependency-cruiser").IConfiguration}
 */
const PROJECT = "^(?!node_modules/)[^/]+/.*\\.[jt]s$";
const TESTS = "(\\.test\\.ts$|^test/)";

const rule = (name, comment, from, to) => ({ name, comment, severity: "error", from, to });

/** A folder imports these folders and itself, and nothing else of the project. Tests are free. */
const only = (folder, ...allowed) =>
  rule(
    `${folder}-imports`,
    `${folder} imports ${[...allowed, "itself"].join(", ")}.`,
    { path: `^${folder}/`, pathNot: TESTS },
    { path: PROJECT, pathNot: [folder, ...allowed].map((each) => `^${each}`) },
  );

const SHARED = ["contracts/", "lib/", "adapters/", "packages/"];

export default {
  forbidden: [
    rule("no-circles", "Files that import each other can't be read one at a time.", {}, { circular: true }),
    rule("no-missing-file", "The import leads nowhere.", {}, { couldNotResolve: true }),
    rule(
      "packages-stand-alone",
      "A package knows nothing of this project.",
      { path: "^packages/([^/]+)/", pathNot: TESTS },
      { path: PROJECT, pathNot: "^packages/$1/" },
    ),
    only("lib", "packages/"),
    only("contracts", "lib/", "packages/"),
    only("adapters", "contracts/", "lib/", "packages/"),
    only("functions", ...SHARED),
    only("jobs", ...SHARED),
    rule(
      "jobs-stand-alone",
      "A job knows neither another job nor the pipeline, so that it can be replaced alone.",
      { path: "^jobs/([^/]+)/", pathNot: TESTS },
      { path: "^jobs/", pathNot: ["^jobs/$1/", "^jobs/(job|candidate)\\.ts$"] },
    ),
    only("policy", ...SHARED, "components/settings\\.ts"),
    only("components", ...SHARED, "jobs/(pipeline|bundle|candidates)\\.ts", "jobs/clv/routines\\.ts"),
    only("bootstrap", ...SHARED, "components/"),
    only("local", ...SHARED, "functions/", "jobs/"),
    rule(
      "nobody-imports-cli",
      "Programs are not libraries.",
      { pathNot: ["^cli/", TESTS] },
      { path: "^cli/" },
    ),
    rule(
      "test-support",
      "Only tests and benchmarks import test/; npm run airflow starts the test bed.",
      { pathNot: ["^cli/airflow\\.ts$", "^bench/", TESTS] },
      { path: "^test/" },
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)node_modules/(?!dataform-check)" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node"],
    },
  },
};
