import { type Result, runChecks } from "../bootstrap/check.ts";
import { CHECKS } from "../bootstrap/checks.ts";
import { CloudClient } from "../bootstrap/cloud-client.ts";
import { readStackFile } from "../bootstrap/stack-file.ts";
import { localCommand } from "./command.ts";

/** npm run doctor: what a stack's first deployment still needs, with the commands that fix it. */
const { stack, json } = localCommand(
  "run doctor",
  "Checks everything that a stack's first deployment needs. It changes nothing.",
)
  .requiredOption("--stack <name>", "stack, with its settings in Pulumi.<name>.yaml")
  .option("--json", "prints JSON", false)
  .parse()
  .opts<{ stack: string; json: boolean }>();

const checks = await runChecks(CHECKS, {
  client: new CloudClient(),
  stack,
  get app() {
    return readStackFile(stack).app;
  },
  get settings() {
    return readStackFile(stack).settings;
  },
});
const ready = !checks.some(({ state, blocks }) => state === "missing" && blocks);
process.stdout.write(json ? `${JSON.stringify({ ready, checks }, null, 2)}\n` : formatResults(checks));
process.exitCode = ready ? 0 : 1;

function formatResults(results: readonly Result[]): string {
  const indent = " ".repeat(19);
  const lines = results.map(({ name, state, blocks, found, fix }) => {
    const mark = { ok: "✔", missing: blocks ? "✘" : "!", unknown: "?" }[state];
    const text = [found, ...(fix ? [fix] : [])].join("\n").replaceAll("\n", `\n${indent}`);
    return `${mark} ${name.padEnd(16)} ${text}\n`;
  });
  const count = (state: Result["state"]) => results.filter((it) => it.state === state).length;
  const end =
    count("ok") === results.length
      ? `Ready: npm run bootstrap -- --stack ${stack} --run`
      : `${count("missing")} missing (✘ blocks a deployment, ! does not), ${count("unknown")} unknown. Fix them from the top, then run doctor again.`;
  return `${lines.join("")}\n${end}\n`;
}
