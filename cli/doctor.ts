import { Command } from "commander";
import type { Finding } from "../bootstrap/check.ts";
import { planChecks } from "../bootstrap/checks.ts";
import { outside } from "../bootstrap/outside.ts";
import { readStackFile, type StackFile } from "../bootstrap/stack-file.ts";

type Result = Finding & { readonly name: string; readonly blocks: boolean };

/** npm run doctor: what a stack's first deployment needs and has not, and the commands that change that. */
const options = new Command("npm run doctor --")
  .description("Looks at everything that a stack's first deployment needs. It changes nothing.")
  .requiredOption("--stack <name>", "stack, whose settings are in Pulumi.<name>.yaml")
  .option("--json", "prints JSON", false)
  .helpOption("--help", "shows this")
  .showHelpAfterError("Show the options with: npm run doctor -- --help")
  .parse()
  .opts<{ stack: string; json: boolean }>();

const results = await examine(options.stack);
const isBlocked = results.some(({ state, blocks }) => state === "missing" && blocks);
process.stdout.write(
  options.json ? `${JSON.stringify({ ready: !isBlocked, checks: results }, null, 2)}\n` : told(),
);
process.exitCode = isBlocked ? 1 : 0;

/** All checks at once, each as soon as those before it are answered. */
async function examine(stack: string): Promise<readonly Result[]> {
  let file: StackFile | undefined;
  const read = () => (file ??= readStackFile(stack));
  const asked = new Map<string, Promise<Result>>();
  for (const { name, blocks, after, ask } of planChecks(stack, read, outside())) {
    const answer = async (): Promise<Finding> => {
      const before = await Promise.all(after.map((it) => asked.get(it)!));
      const open = before.filter(({ state }) => state !== "ok").map((it) => it.name);
      if (open.length > 0) return { state: "unknown", found: `not asked before: ${open.join(", ")}` };
      return ask().catch(({ message }: Error) => ({ state: "unknown", found: message }));
    };
    asked.set(
      name,
      answer().then((finding) => ({ name, blocks, ...finding })),
    );
  }
  return Promise.all(asked.values());
}

/** A list for a person. */
function told(): string {
  const indent = " ".repeat(19);
  const lines = results.map(({ name, state, blocks, found, fix }) => {
    const mark = { ok: "✔", missing: blocks ? "✘" : "!", unknown: "?" }[state];
    const text = [found, ...(fix ? [fix] : [])].join("\n").replaceAll("\n", `\n${indent}`);
    return `${mark} ${name.padEnd(16)} ${text}\n`;
  });
  const missing = results.filter(({ state }) => state === "missing");
  const unknown = results.filter(({ state }) => state === "unknown").length;
  const end =
    missing.length + unknown === 0
      ? `Everything is there: npm run bootstrap -- --stack ${options.stack} --run`
      : `${missing.length} missing (✘ blocks a deployment, ! does not), ${unknown} not known. Mend them from the top, and ask again.`;
  return `${lines.join("")}\n${end}\n`;
}
