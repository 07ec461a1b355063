import { once } from "node:events";
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { SqlChecker } from "./checker.ts";
import { type Config, loadConfig } from "./config.ts";
import { compile } from "./dataform.ts";
import { formatError, UserError } from "./user-error.ts";

/** What a project that wraps the command line fixes. */
export interface Preset {
  /** Name in help texts. */
  readonly name: string;
  /** Folder of the Dataform project, which the option --sql-dir replaces; else it is an argument. */
  readonly sqlDir: string;
  readonly config: Config;
}

interface Options {
  readonly config?: string;
  readonly sqlDir?: string;
  readonly [name: string]: unknown;
}

/** Runs the command line of this process. The exit code is 1 after an error and when there is a problem. */
export async function runProgram(preset?: Preset): Promise<void> {
  try {
    await program(preset).parseAsync();
  } catch (error) {
    process.stderr.write(`${error instanceof UserError ? formatError(error) : (error as Error).stack}\n`);
    process.exitCode = 1;
  }
}

/** The commands. They import their modules when they run, so that each starts fast. */
function program(preset?: Preset): Command {
  const root = new Command(preset?.name ?? "dataform-check")
    .description("Checks a Dataform project on this machine, without BigQuery.")
    .helpOption("--help", "show this help")
    .showHelpAfterError("Show the options with --help.");

  /** A command on a project. The work returns the number of problems. */
  const command = (
    name: string,
    description: string,
    work: (dir: string, config: Config, options: Options) => Promise<number>,
  ): Command => {
    const made = root.command(name).description(description);
    if (preset === undefined)
      made
        .argument("[dir]", "folder of the Dataform project", ".")
        .option(
          "--config <file>",
          "configuration (default: dataform-check.config.ts, .js or .json in the folder)",
        );
    else made.option("--sql-dir <dir>", "folder of the Dataform project", preset.sqlDir);
    return made.action(async () => {
      const options = made.opts<Options>();
      const dir = options.sqlDir ?? String(made.processedArgs[0]);
      const config = preset?.config ?? (await loadConfig(dir, options.config));
      if ((await work(dir, config, options)) > 0) process.exitCode = 1;
    });
  };

  command(
    "check",
    "Checks all queries with GoogleSQL's analyzer and runs the unit tests.",
    async (dir, config, { watch }) => {
      const { ProjectCheck } = await import("./project-check.ts");
      await using checker = await SqlChecker.start(dir, config);
      const check = new ProjectCheck(dir, checker);
      const problems = await check.run();
      if (!watch) return problems;
      const { watchProject } = await import("./watch.ts");
      await watchProject(dir, () => check.run());
      return 0;
    },
  ).option("--watch", "check again what changed, and what depends on it, when a file is saved", false);

  command("test", "Runs the unit tests only.", async (dir, config) => {
    const { ProjectCheck } = await import("./project-check.ts");
    await using checker = await SqlChecker.start(dir, config);
    return await new ProjectCheck(dir, checker).run("tests");
  });

  command("lint", "Lints the project: a few rules, each with its reason.", async (dir, config) => {
    const { lint, RULES } = await import("./linter.ts");
    const graph = compile(dir);
    const checked = await SqlChecker.check(dir, config, graph);
    const findings = lint(graph, checked, dir, config);
    for (const text of [...checked.problems, ...findings.map((finding) => finding.text)])
      process.stdout.write(`${text}\n\n`);
    for (const rule of new Set(findings.map((finding) => finding.rule)))
      process.stdout.write(`${rule}: ${RULES[rule]}\n`);
    process.stdout.write(`${graph.actions.length} models and assertions, ${findings.length} findings.\n`);
    return findings.length + checked.problems.length;
  }).addHelpText(
    "after",
    "\nA comment ignores a rule in its line or the line below: -- lint-ignore RULE: why",
  );

  command(
    "plan",
    "Shows which models, and which columns of them, differ from a git commit.",
    async (dir, config, options) => {
      const { checkout, planChanges } = await import("./plan.ts");
      const { renderPlan } = await import("./plan-text.ts");
      const scratch = mkdtempSync(join(tmpdir(), "plan-"));
      try {
        const [against, old] = [String(options.against), join(scratch, "sql")];
        checkout(dir, against, old);
        const before = { graph: compile(old), dir: old };
        const after = { graph: compile(dir), dir };
        process.stdout.write(renderPlan(await planChanges(against, before, after, config)));
        return 0;
      } finally {
        rmSync(scratch, { recursive: true });
      }
    },
  ).option("--against <commit>", "the commit, branch or tag", "HEAD");

  command(
    "tables",
    "Writes tables.json, the columns of the tables for those who create them.",
    async (dir, config) => {
      const { tablesFile, tablesText } = await import("./tables-file.ts");
      const graph = compile(dir);
      const checked = await SqlChecker.check(dir, config, graph);
      const notAnalyzed = checked.notAnalyzed.map(({ action, why }) => `${action.file}: ${why}.`);
      const problems = [...checked.problems, ...notAnalyzed];
      if (problems.length > 0) throw new UserError(problems.join("\n"));
      const [file, text] = [tablesFile(dir), tablesText(graph, checked)];
      const isChanged = readFileSync(file, { encoding: "utf8", flag: "a+" }) !== text;
      writeFileSync(file, text);
      process.stdout.write(`${file} ${isChanged ? "changed" : "is up to date"}.\n`);
      return 0;
    },
  );

  command(
    "lineage",
    "Serves a page with the lineage of tables and columns on 127.0.0.1.",
    async (dir, config, options) => {
      const { lineageDocument } = await import("./lineage/document.ts");
      const { lineageTables } = await import("./lineage/tables.ts");
      await using checker = await SqlChecker.start(dir, config);
      const tables = () => lineageTables(compile(dir), checker);
      if (options.json) process.stdout.write(`${JSON.stringify({ tables: await tables() }, null, 2)}\n`);
      if (options.export !== undefined) {
        writeFileSync(String(options.export), await lineageDocument(await tables()));
        process.stderr.write(`The page is ${options.export}.\n`);
      }
      if (!options.json && options.export === undefined)
        await serve(Number(options.port), async () => lineageDocument(await tables()));
      return 0;
    },
  )
    .option("--port <port>", "port", "8080")
    .option("--json", "print tables, columns and their inputs as JSON", false)
    .option("--export <file>", "write the page to a file");

  root
    .command("format")
    .description("Formats SQL files (.sql, .sqlx) in place.")
    .argument("<path...>", "files or folders")
    .option("--check", "change nothing; exit code 1 when a file is not formatted", false)
    .action(async (paths: string[], { check }: { check: boolean }) => {
      if ((await formatFiles(paths, check)) > 0) process.exitCode = 1;
    });
  return root;
}

/** Serves a page that is made again for each request, until Ctrl-C. */
async function serve(port: number, page: () => Promise<string>): Promise<void> {
  const server = createServer(async (_, response) => {
    try {
      const text = await page();
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(text);
    } catch (error) {
      response.writeHead(500, { "content-type": "text/plain; charset=utf-8" }).end(formatError(error));
    }
  });
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    throw new UserError(`Port ${port} of 127.0.0.1 is in use by another process.`, {
      remedy: `End that process, or choose another port: --port ${port + 1}.`,
      cause,
    });
  }
  const { port: used } = server.address() as AddressInfo;
  process.stdout.write(`The lineage is on http://127.0.0.1:${used}. Stop with Ctrl-C.\n`);
  await once(server, "close");
}

/** Returns the number of files that are refused, or, for a check, not formatted. */
async function formatFiles(paths: readonly string[], check: boolean): Promise<number> {
  const { formatSql } = await import("./formatter.ts");
  const files = paths.flatMap(sqlFiles);
  let [changed, refused] = [0, 0];
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    try {
      const formatted = formatSql(text, file);
      if (formatted === text) continue;
      changed += 1;
      process.stdout.write(`${check ? "not formatted" : "formatted"}: ${file}\n`);
      if (!check) writeFileSync(file, formatted);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      refused += 1;
      process.stderr.write(`${formatError(error)}\n`);
    }
  }
  const left = refused > 0 ? `, ${refused} left unchanged because of errors` : "";
  process.stdout.write(`${files.length} files, ${changed} ${check ? "not formatted" : "changed"}${left}.\n`);
  return refused + (check ? changed : 0);
}

function sqlFiles(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory())
    return globSync("**/*.{sql,sqlx}", { cwd: path, exclude: ["**/node_modules"] })
      .map((file) => join(path, file))
      .sort();
  if (stat !== undefined && /\.sqlx?$/.test(path)) return [path];
  throw new UserError(
    stat === undefined ? `There is no file or folder ${path}.` : `${path} is not an SQL file.`,
    { remedy: "Give folders, or files that end with .sql or .sqlx." },
  );
}
