import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { UserError } from "../../lib/user-error.ts";

/** A mutant with its status, as Stryker returns it. */
export interface Result {
  readonly status: string;
}

/** Programs that tests start as a process of their own, which knows nothing of the mutant. */
const PROGRAMS: readonly string[] = ["jobs/clv/main.ts", "policy/index.ts"];

/**
 * The sources of a folder, or the file itself.
 * @throws UserError when there are none
 */
export function filesOf(room: string): string[] {
  const files = globSync(room.endsWith(".ts") ? room : `${room}/*.ts`)
    .filter((file) => !file.endsWith(".test.ts") && !PROGRAMS.includes(file))
    .sort();
  if (files.length === 0)
    throw new UserError(`${room} has no sources that can be mutated.`, {
      remedy: "Give a folder or a file, like jobs/clv or jobs/clv/champion.ts.",
    });
  return files;
}

/** Golden tests that hold the whole of a folder. */
const GOLDEN: Readonly<Record<string, string>> = {
  components: "components/stack.test.ts",
  policy: "policy/pack.test.ts",
};

/**
 * The tests that run for the mutants of a file: its own test; without one, the tests of its folder that import it; then
 * the golden test of the folder. If there are none, all of the folder. So most mutants take less than a second, and a
 * test that runs a file on the way to another does not hide that the file's own test is weak.
 */
export function testsOf(file: string): string[] {
  const folder = dirname(file);
  const own = file.replace(/\.ts$/, ".test.ts");
  const all = globSync(`${folder}/*.test.ts`).sort();
  const importing = all.filter((test) => readFileSync(test, "utf8").includes(`"./${basename(file)}"`));
  const found = [...(existsSync(own) ? [own] : importing), GOLDEN[folder] ?? []].flat();
  return found.length > 0 ? [...new Set(found)] : all;
}

/**
 * The report of the last run without survivors, so that they are tested again: Stryker does not see that a new test reaches
 * code that runs when a file is loaded.
 */
export function withoutSurvivors(report: string): string {
  return JSON.stringify(JSON.parse(report), (key, value) =>
    key === "mutants" ? value.filter(({ status }: Result) => !/^(Survived|NoCoverage)$/.test(status)) : value,
  );
}

/** The share of the mutants that a test noticed. A mutant that ended nothing in time counts as noticed. */
export function scoreOf(results: readonly Result[]): { percent: number; text: string } {
  const count = (...statuses: string[]) => results.filter(({ status }) => statuses.includes(status)).length;
  const killed = count("Killed", "Timeout");
  const all = killed + count("Survived", "NoCoverage");
  const percent = all === 0 ? 100 : (100 * killed) / all;
  return {
    percent,
    text: `${percent.toFixed(1)} % of ${all} mutants killed, ${count("Timeout")} of them by a time limit; ${count("Ignored")} ignored`,
  };
}
