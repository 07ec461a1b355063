import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Option } from "commander";
import { CANDIDATES, type Candidate } from "../jobs/candidates.ts";
import { stepsOf } from "../jobs/pipeline.ts";
import { projectDir } from "../lib/project.ts";
import { UserError } from "../lib/user-error.ts";
import { localCommand, runCommand } from "./command.ts";

/** The candidate of each language that a new one starts as a copy of. */
const TEMPLATES = { python: "boosting", typescript: "averages" } as const satisfies Record<string, Candidate>;
type Language = keyof typeof TEMPLATES;

/** npm run new-job: a candidate, as a copy of the one that is there in its language. */
const command = localCommand("run new-job", "Makes a candidate: a folder in jobs/ and its entry.")
  .argument("<name>", "name of the candidate: lower-case letters, digits and hyphens")
  .addOption(
    new Option("--language <language>", "language of the candidate")
      .choices(Object.keys(TEMPLATES))
      .default("python"),
  )
  .parse();

await runCommand(async () => {
  const [name = ""] = command.args;
  const { language } = command.opts<{ language: Language }>();
  if (!/^[a-z][a-z0-9-]{1,30}$/.test(name))
    throw new UserError(`The name ${name} is not valid.`, {
      remedy: "Use 2 to 31 lower-case letters, digits and hyphens, and start with a letter.",
    });
  const steps = Object.keys(stepsOf([TEMPLATES[language]]));
  if (steps.includes(name))
    throw new UserError(`A step of the pipeline is called ${name}.`, {
      remedy: `Choose another name than ${steps.join(", ")}.`,
    });
  const folder = join(projectDir, "jobs", name);
  if (existsSync(folder))
    throw new UserError(`The folder jobs/${name} exists.`, { remedy: "Choose another name." });

  const template = TEMPLATES[language];
  cpSync(join(projectDir, "jobs", template), folder, {
    recursive: true,
    filter: (path) => !path.includes("__pycache__"),
  });
  const program = language === "python" ? "main.py" : "main.ts";
  replaceIn(join(folder, program), `("${template}",`, `("${name}",`);
  if (language === "python")
    replaceIn(join(folder, "requirements.lock"), `jobs/${template}/`, `jobs/${name}/`);

  const registry = join(projectDir, "jobs", "candidates.ts");
  const source = readFileSync(registry, "utf8");
  const [found] = RegExp(`^ {2}${template}: \\{\\n.*?^ {2}\\},\\n`, "ms").exec(source) ?? [];
  if (found === undefined) throw new Error(`jobs/candidates.ts has no entry ${template} to copy`);
  const added = found
    .replace(`  ${template}`, `  ${/-/.test(name) ? JSON.stringify(name) : name}`)
    .replace(CANDIDATES[template].description, name);
  writeFileSync(registry, source.replace(found, found + added));
  process.stdout.write(`jobs/${name}/ and its entry in jobs/candidates.ts are a copy of ${template}, under the name ${name}.

Write your model in jobs/${name}/${program}: fit and predict. Then:
  npm start -- --candidates ${name}
  npm run update
  npm test
`);
});

function replaceIn(path: string, from: string, to: string): void {
  const text = readFileSync(path, "utf8");
  if (!text.includes(from)) throw new Error(`${path} does not have ${from}`);
  writeFileSync(path, text.replaceAll(from, to));
}
