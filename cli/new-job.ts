import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectDir } from "../lib/project.ts";
import { UserError } from "../lib/user-error.ts";
import { localCommand, runCommand } from "./command.ts";

/** The candidate that a new one starts as a copy of. */
const TEMPLATE = "boosting";

/** npm run new-job: a candidate in Python, as a copy of the one that is there. */
const command = localCommand("run new-job", "Makes a candidate: a folder in jobs/ and its entry.")
  .argument("<name>", "name of the candidate: lower-case letters, digits and hyphens")
  .parse();

await runCommand(async () => {
  const [name = ""] = command.args;
  if (!/^[a-z][a-z0-9-]{1,30}$/.test(name))
    throw new UserError(`The name ${name} is not valid.`, {
      remedy: "Use 2 to 31 lower-case letters, digits and hyphens, and start with a letter.",
    });
  const folder = join(projectDir, "jobs", name);
  if (existsSync(folder))
    throw new UserError(`The folder jobs/${name} exists.`, { remedy: "Choose another name." });

  const template = join(projectDir, "jobs", TEMPLATE);
  cpSync(template, folder, { recursive: true, filter: (path) => !path.includes("__pycache__") });
  for (const file of ["main.py", "requirements.lock"]) replaceIn(join(folder, file), TEMPLATE, name);
  const registry = join(projectDir, "jobs", "candidates.ts");
  const entry = /^ {2}boosting: \{\n.*?^ {2}\},\n/ms;
  const source = readFileSync(registry, "utf8");
  const [found] = entry.exec(source) ?? [];
  if (found === undefined) throw new Error(`jobs/candidates.ts has no entry ${TEMPLATE} to copy`);
  const added = found
    .replace(/^ {2}boosting/, `  ${/-/.test(name) ? JSON.stringify(name) : name}`)
    .replace(/description: ".*"/, `description: "${name}"`);
  writeFileSync(registry, source.replace(found, found + added));
  process.stdout.write(`jobs/${name}/ and its entry in jobs/candidates.ts are a copy of ${TEMPLATE}, under the name ${name}.

Write your model in jobs/${name}/main.py: fit and predict. Then:
  npm start -- --candidates ${name}
  npm run update
  npm test
`);
});

function replaceIn(path: string, from: string, to: string): void {
  writeFileSync(path, readFileSync(path, "utf8").replaceAll(from, to));
}
