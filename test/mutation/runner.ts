import { registerHooks } from "node:module";
import { relative } from "node:path";
import { createMochaTestRunner } from "@stryker-mutator/mocha-runner";
import { testsOf } from "./rooms.ts";

/** The parts of Stryker's test runner that are used here, with what it keeps to itself. */
type Runner = ReturnType<typeof createMochaTestRunner>;
type Injector = Parameters<typeof createMochaTestRunner>[0];
interface Internals {
  readonly options: { readonly mochaOptions: { spec: string[] } };
  readonly mocha: Mocha;
  readonly instrumenterContext: { currentTestId?: string | undefined };
  loadedEnv: boolean;
}
interface MutantRun {
  readonly reloadEnvironment: boolean;
  readonly sandboxFileName: string;
}

let load = 0;
/** The file whose mutants run. */
let loaded = "";
/** The images' programs, which are bundled from the sources, take seconds and are the same for every mutant of the stack. */
const isKept = (url: string) => loaded.startsWith("components/") && url.endsWith("/jobs/bundle.ts");
const isOfProject = (url: string) => url.startsWith("file:") && !/\/(node_modules|packages)\//.test(url);

/**
 * Stryker's test runner for mocha, with three changes.
 * - For a mutant of code that runs when a file is loaded, it loads the project's modules again. Stryker's own starts a
 *   process, which also loads all packages again: seconds, for Pulumi's.
 * - It runs only the tests of the mutant's file.
 * - It counts code that runs in a before hook as if it ran when the file is loaded. Stryker's own takes it for code that
 *   only the test before the hook runs, and reports its mutants as survivors.
 */
function createTestRunner(injector: Injector): Runner {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      // A required module stays in its cache. Mocha imports what it cannot require.
      if (context.conditions?.includes("require") && specifier.endsWith(".test.ts"))
        throw new Error(`${specifier} must be imported.`);
      const resolved = nextResolve(specifier, context);
      if (!isOfProject(resolved.url) || isKept(resolved.url)) return resolved;
      // A new query makes Node load the module again.
      return { ...resolved, url: `${resolved.url}${resolved.url.includes("?") ? "&" : "?"}load=${load}` };
    },
  });
  const runner = createMochaTestRunner(injector);
  const internals = runner as unknown as Internals;
  const { init, mutantRun } = runner;
  return Object.assign(runner, {
    capabilities: async () => ({ reloadEnvironment: true }),
    async init() {
      await init.call(runner);
      internals.mocha.suite.afterEach(() => {
        internals.instrumenterContext.currentTestId = undefined;
      });
    },
    async mutantRun(run: MutantRun) {
      const file = relative(process.cwd(), run.sandboxFileName);
      if (run.reloadEnvironment || file !== loaded) {
        loaded = file;
        load += 1;
        internals.options.mochaOptions.spec = testsOf(file);
        internals.loadedEnv = false;
        await runner.init();
      }
      return mutantRun.call(runner, run as Parameters<typeof mutantRun>[0]);
    },
    // The process ends, and mocha's own clean-up requires the test files.
    dispose: async () => {},
  });
}
createTestRunner.inject = createMochaTestRunner.inject;

/** What Stryker loads. */
export const strykerPlugins = [{ kind: "TestRunner", name: "reloading-mocha", factory: createTestRunner }];
