import { formatError } from "../../lib/user-error.ts";

export interface Check {
  readonly name: string;
  /** Checks that must pass first. They are earlier in the list. */
  readonly needs?: readonly string[];
  /** Checks that must end first, with any result. */
  readonly after?: readonly string[];
  /** What a person runs to see the same. */
  readonly command: string;
  /** Returns what it found. Throws NotProved, or another error if the check fails. */
  readonly run: () => Promise<string>;
}

/** The check found no proof and no failure. */
export class NotProved extends Error {}

const MARKS = { passed: "✔", failed: "✘", "not proved": "?", "not done": "–" } as const;

export interface Result extends Pick<Check, "name" | "command"> {
  /** not done: an earlier check did not pass, or the checks were interrupted. */
  readonly state: keyof typeof MARKS;
  readonly found: string;
}

/** Runs each check as soon as those before it have ended. Never throws. */
export async function runChecks(
  checks: readonly Check[],
  signal: AbortSignal,
  onResult: (result: Result) => void,
): Promise<readonly Result[]> {
  const results = new Map<string, Promise<Result>>();
  const run = async ({ needs = [], after = [], run }: Check): Promise<Pick<Result, "state" | "found">> => {
    await Promise.all(after.map((name) => results.get(name)));
    const missing = (await Promise.all(needs.map((name) => results.get(name)!))).filter(
      ({ state }) => state !== "passed",
    );
    if (missing.length > 0)
      return { state: "not done", found: `needs first: ${missing.map(({ name }) => name).join(", ")}` };
    try {
      signal.throwIfAborted();
      return { state: "passed", found: await run() };
    } catch (error) {
      if (signal.aborted) return { state: "not done", found: "interrupted" };
      return { state: error instanceof NotProved ? "not proved" : "failed", found: formatError(error) };
    }
  };
  for (const check of checks)
    results.set(
      check.name,
      run(check).then((ended) => {
        const result = { name: check.name, command: check.command, ...ended };
        onResult(result);
        return result;
      }),
    );
  return await Promise.all(results.values());
}

export const lineOf = ({ name, state, found }: Result): string => `${MARKS[state]} ${name}: ${found}`;

/** A page in Markdown, to attach to an issue. */
export const pageOf = (title: string, facts: readonly string[], results: readonly Result[]): string =>
  [
    `# ${title}`,
    facts.map((fact) => `- ${fact}`).join("\n"),
    ...results.map((result) => `${lineOf(result)} (${result.state})\n\n\`\`\`sh\n${result.command}\n\`\`\``),
  ].join("\n\n");
