import { sqlDir } from "../local/runtime/local-stack.ts";
import { compile } from "../packages/dataform-check/src/dataform.ts";
import { lint, RULES } from "../packages/dataform-check/src/linter.ts";
import { localCommand, runCommand } from "./command.ts";

/** npm run lint:sql: what is wrong with the SQL project that no query engine tells. */
const options = localCommand("run lint:sql", "Lints the SQL project: few rules, each with its reason.")
  .option("--sql-dir <dir>", "folder of the Dataform project", sqlDir)
  .addHelpText(
    "after",
    `\nRules:\n${Object.entries(RULES)
      .map(([rule, why]) => `  ${rule.padEnd(17)} ${why}`)
      .join("\n")}

A line is excused by a comment beside it or above it: -- lint-ignore RULE: why`,
  )
  .parse()
  .opts<{ sqlDir: string }>();

await runCommand(async () => {
  const graph = compile(options.sqlDir);
  const findings = await lint(graph, options.sqlDir);
  for (const { text } of findings) process.stdout.write(`${text}\n\n`);
  for (const rule of new Set(findings.map(({ rule }) => rule)))
    process.stdout.write(`${rule}: ${RULES[rule]}\n`);
  process.stdout.write(`${graph.actions.length} models and assertions, ${findings.length} findings.\n`);
  if (findings.length > 0) process.exitCode = 1;
});
