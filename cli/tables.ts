import { readFileSync, writeFileSync } from "node:fs";
import { sqlDir } from "../lib/project.ts";
import { UserError } from "../lib/user-error.ts";
import { SqlChecker, tablesFile, tablesOf } from "../packages/dataform-check/src/checker.ts";
import { compile } from "../packages/dataform-check/src/dataform.ts";
import { runCommand } from "./command.ts";

/** npm run tables: writes sql/tables.json anew, the contract of the tables that the stack declares. */
await runCommand(async () => {
  const checker = await SqlChecker.start(sqlDir);
  try {
    const graph = compile(sqlDir);
    const checked = await checker.check(graph);
    if (checked.problems.length > 0) throw new UserError(checked.problems.join("\n"));
    const text = `${JSON.stringify(tablesOf(graph, checked), null, 2)}\n`;
    const file = tablesFile(sqlDir);
    const isNew = readFileSync(file, { encoding: "utf8", flag: "a+" }) !== text;
    writeFileSync(file, text);
    process.stdout.write(`${file} ${isNew ? "is new" : "was up to date"}.\n`);
  } finally {
    await checker.close();
  }
});
