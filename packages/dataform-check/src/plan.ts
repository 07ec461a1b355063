import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { SqlChecker } from "./checker.ts";
import type { Config } from "./config.ts";
import type { Action, Graph } from "./dataform.ts";
import { type Changes, changesOf, type SchemaChange, schemaChanges } from "./graph-changes.ts";
import { fullNameOf } from "./query.ts";
import type { RowDiff } from "./row-diff.ts";
import { UserError } from "./user-error.ts";

/** What a run of the project would change. */
export interface Plan {
  /** What the project is compared with. */
  readonly against: string;
  readonly changes: Changes;
  readonly schema: readonly SchemaChange[];
  /** How the rows of the models change, from a trial run. */
  readonly data?: {
    /** What the rows are of, for the title. */
    readonly title: string;
    readonly tables: readonly RowDiff[];
    /** Assertions that would fail. */
    readonly failures: readonly string[];
  };
  /** Bytes that BigQuery would read, by table, or why they are not known. */
  readonly bytes?: Readonly<Record<string, number | string>>;
}

/** A project with its folder. */
export interface Version {
  readonly graph: Graph;
  readonly dir: string;
}

/** @throws UserError when a query of the new version is not valid. */
export async function planChanges(
  against: string,
  before: Version,
  after: Version,
  config: Config,
): Promise<Pick<Plan, "against" | "changes" | "schema">> {
  const check = ({ graph, dir }: Version) => SqlChecker.check(dir, config, graph);
  const [is, was] = await Promise.all([check(after), check(before)]);
  if (is.problems.length > 0) throw new UserError(is.problems.join("\n"));
  return {
    against,
    changes: changesOf(before.graph.actions, after.graph.actions),
    schema: schemaChanges(was.columns, is.columns),
  };
}

/** The actions that are added, changed or affected. */
export function touchedActions({ actions }: Graph, { added, changed, affected }: Changes): Action[] {
  const names = new Set([...added, ...changed, ...affected].map(({ target }) => fullNameOf(target)));
  return actions.filter(({ target }) => names.has(fullNameOf(target)));
}

/** Writes the project as it is at a git commit to a new folder. @throws UserError when the commit does not have it. */
export function checkout(projectDir: string, commit: string, folder: string): void {
  const git = (...args: string[]): Buffer =>
    execFileSync("git", args, { cwd: projectDir, maxBuffer: 1e9, stdio: ["ignore", "pipe", "pipe"] });
  mkdirSync(folder);
  try {
    const path = git("rev-parse", "--show-prefix").toString().trim().replace(/\/$/, "");
    const archive = git(
      "-C",
      git("rev-parse", "--show-toplevel").toString().trim(),
      "archive",
      `${commit}:${path}`,
    );
    execFileSync("tar", ["-x", "-C", folder], { input: archive });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    throw new UserError(`--against ${commit}: ${String(stderr ?? message).trim()}`, {
      remedy: `Use a commit, branch or tag that has the folder ${projectDir}.`,
      cause: error,
    });
  }
}
