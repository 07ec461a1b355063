import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fileArtifacts } from "../adapters/artifacts.ts";
import { formatError, UserError } from "../lib/user-error.ts";
import { whole as count } from "../local/report/numbers.ts";
import { formatSql } from "../packages/dataform-check/src/formatter.ts";
import { localCommand, runCommand } from "./command.ts";

/** npm run format: formats .sql and .sqlx files in place. */
const command = localCommand("run format", "Formats SQL files (.sql, .sqlx) in place.")
  .argument("<path...>", "files or folders")
  .option("--check", "changes nothing; exit code 1 when a file is not formatted", false)
  .parse();

await runCommand(async () => {
  const { check } = command.opts<{ check: boolean }>();
  const files = command.args.flatMap(sqlFiles);
  let changed = 0;
  let left = 0;
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    try {
      const formatted = formatSql(text, file);
      if (formatted === text) continue;
      changed += 1;
      process.stdout.write(`${check ? "not formatted" : "formatted"}: ${file}\n`);
      if (!check) await fileArtifacts.write(pathToFileURL(file).href, formatted);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      left += 1;
      process.stderr.write(`${formatError(error)}\n`);
    }
  }
  const summary = [
    `${count(files.length)} files`,
    `${count(changed)} ${check ? "not formatted" : "changed"}`,
  ];
  if (left > 0) summary.push(`${count(left)} left as they are`);
  process.stdout.write(`${summary.join(", ")}.\n`);
  if (left > 0 || (check && changed > 0)) process.exitCode = 1;
});

function sqlFiles(path: string): string[] {
  const isSql = (file: string): boolean => /\.sqlx?$/.test(file);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new UserError(`There is no file or folder ${path}.`, {
      remedy: "For example: npm run format -- sql",
    });
  if (stat.isDirectory()) {
    return readdirSync(path, { recursive: true, encoding: "utf8" })
      .filter((file) => isSql(file) && !file.includes("node_modules"))
      .map((file) => join(path, file))
      .sort();
  }
  if (!isSql(path)) throw new UserError(`${path} is no SQL file.`, { remedy: "Allowed are .sql and .sqlx." });
  return [path];
}
