import { UserError } from "../lib/user-error.ts";
import type { CloudClient } from "./cloud-client.ts";
import type { StackFile } from "./stack-file.ts";

export interface Finding {
  /** unknown: the check got no answer; `found` says why. */
  readonly state: "ok" | "missing" | "unknown";
  readonly found: string;
  /** Commands that fix it. */
  readonly fix?: string;
}

/** What a check looks at. Reading app or settings throws a UserError when the stack's file is wrong. */
export interface Context extends StackFile {
  readonly client: CloudClient;
  readonly stack: string;
}

/** Something that a first deployment needs. */
export interface Check {
  readonly name: string;
  /** Checks that must be ok first. They are earlier in the list. */
  readonly after: readonly string[];
  /** False when bootstrap or the deployment creates it, or when only some stacks need it. */
  readonly blocks: boolean;
  /** Throws a UserError when something is missing, and another Error when there is no answer. */
  readonly find: (context: Context) => Promise<Finding>;
}

export type Result = Finding & Pick<Check, "name" | "blocks">;

export const ok = (found: string): Finding => ({ state: "ok", found });
export const missing = (found: string, fix: string): Finding => ({ state: "missing", found, fix });

/** Runs all checks at once, each as soon as the checks before it are ok. */
export async function runChecks(checks: readonly Check[], context: Context): Promise<readonly Result[]> {
  const results = new Map<string, Promise<Result>>();
  const run = async ({ name, after, blocks, find }: Check): Promise<Result> => {
    const earlier = await Promise.all(after.map((it) => results.get(it)!));
    const failed = earlier.filter(({ state }) => state !== "ok").map((it) => it.name);
    if (failed.length > 0)
      return { name, blocks, state: "unknown", found: `needs first: ${failed.join(", ")}` };
    return find(context).then(
      (finding) => ({ name, blocks, ...finding }),
      (error: Error) =>
        error instanceof UserError
          ? { name, blocks, ...missing(error.message, error.remedy ?? "") }
          : { name, blocks, state: "unknown", found: error.message },
    );
  };
  for (const check of checks) results.set(check.name, run(check));
  return Promise.all(results.values());
}
