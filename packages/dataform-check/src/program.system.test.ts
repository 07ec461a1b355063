import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { config, TestProject } from "../test/project.ts";

const main = fileURLToPath(new URL("./main.ts", import.meta.url));

describe("dataform-check", () => {
  let project: TestProject;
  beforeEach(() => {
    project = new TestProject();
    const { routines: _, ...data } = config;
    project.write("dataform-check.config.json", JSON.stringify(data));
  });
  afterEach(() => project.remove());
  const run = (...args: string[]): { code: number | null; output: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
    return { code: status, output: stdout + stderr };
  };

  it("shows its commands and their options", () => {
    const { code, output } = run("--help");
    assert.equal(code, 0);
    for (const name of ["check", "test", "lint", "format", "plan", "tables", "lineage"])
      assert.match(output, new RegExp(`^  ${name} `, "m"));
    assert.match(run("check", "--help").output, /\[dir\][\s\S]*--config <file>[\s\S]*--watch/);
    assert.match(run("nothing").output, /unknown command[\s\S]*--help/);
  });

  it("checks a folder, with the configuration in it or another one", () => {
    assert.match(
      run("check", project.dir).output,
      /^5 queries checked, 1 unit tests run in .* s: no problems\.\n$/,
    );
    project.write("empty.json", "{}");
    const { code, output } = run("check", project.dir, "--config", join(project.dir, "empty.json"));
    assert.equal(code, 1);
    assert.match(output, /history\.sqlx:15:22: .*run_date/);
    assert.match(
      run("check", project.dir, "--config", "nowhere.ts").output,
      /There is no configuration file nowhere/,
    );
    project.write("wrong.json", '{ "parameter": {} }');
    assert.match(
      run("check", project.dir, "--config", join(project.dir, "wrong.json")).output,
      /wrong\.json: .*Unrecognized key: "parameter"/,
    );
  });

  it("loads routines from a configuration in TypeScript", () => {
    project.remove("dataform-check.config.json");
    const source = new URL("../test/project.ts", import.meta.url).href;
    project.write("dataform-check.config.ts", `export { config as default } from ${JSON.stringify(source)};`);
    project.write("definitions/x.sqlx", 'config { type: "view" } SELECT `shop`.`rfm`.double(1) AS two');
    assert.match(run("check", project.dir).output, /6 queries checked.*no problems/);
  });

  it("prints problems, then what it does not check and why, and fails only for problems", () => {
    project.write("definitions/op.sqlx", 'config { type: "operations" } SELECT 1');
    project.write("definitions/sources.js", 'declare({ schema: "raw", name: "orders" });');
    const { code, output } = run("check", project.dir);
    assert.equal(code, 0, output);
    assert.match(output, /op\.sqlx: operations are not supported\.\n/);
    assert.match(
      output,
      /Syntax checked only, because the source raw\.orders declares no column types \(definitions\/sources\.js\): .*purchases/,
    );
    project.write("dataform-check.config.json", '{ "complete": true }');
    assert.equal(run("check", project.dir).code, 1);
  });

  it("runs only the unit tests, and fails for a query that is not valid", () => {
    project.write("definitions/broken.sqlx", 'config { type: "view" } SELEC');
    assert.equal(run("test", project.dir).code, 1);
    project.change("definitions/staging/purchases.sqlx", "SUM(", "MAX(");
    const { code, output } = run("test", project.dir);
    assert.equal(code, 1);
    assert.match(
      output,
      /broken\.sqlx[\s\S]*fails in DuckDB and GoogleSQL.*\n[\s\S]*3\.5 → 2\.5[\s\S]*: 2 problems/,
    );
  });

  it("lints, and formats a folder without its packages", () => {
    project.write(
      "definitions/m.sqlx",
      'config { type: "view", description: "d" }\nSELECT CURRENT_DATE() AS d',
    );
    project.write("node_modules/p/a.sqlx", "select   1");
    assert.match(
      run("lint", project.dir).output,
      /m\.sqlx:2:8: CURRENT_DATE[\s\S]*run-date: [\s\S]*6 models and assertions, 1 findings/,
    );
    assert.match(run("format", project.dir, "--check").output, /m\.sqlx\n6 files, \d not formatted/);
    assert.equal(run("format", project.dir).code, 0);
    assert.equal(run("format", project.dir, "--check").code, 0);
    assert.match(run("format", join(project.dir, "includes", "rank.js")).output, /is not an SQL file/);
  });

  it("writes tables.json, and checks that it is up to date", () => {
    assert.match(run("tables", project.dir).output, /tables\.json changed/);
    assert.match(run("tables", project.dir).output, /tables\.json is up to date/);
    project.change("definitions/features/history.sqlx", "frequency,\n  $", "frequency AS purchases,\n  $");
    assert.match(run("check", project.dir).output, /tables\.json differs from the tables of the project/);
  });

  it("shows a plan against a commit, also of a folder in a repository", () => {
    const git = (...args: string[]): Buffer => execFileSync("git", ["-C", project.dir, ...args]);
    git("init", "--quiet");
    git("add", ".");
    git("-c", "user.name=n", "-c", "user.email=e@x", "commit", "--quiet", "--message", "m");
    assert.match(run("plan", project.dir).output, /Compared with HEAD: nothing changed/);
    project.change("definitions/staging/purchases.sqlx", "SUM(amount) AS value", "COUNT(*) AS value");
    const { output } = run("plan", project.dir);
    assert.match(output, /~ rfm\.purchases +changed[\s\S]* {4}rfm\.history +affected/);
    assert.match(output, /~ rfm\.purchases\.value +FLOAT64 -> INT64 +BREAKING/);
    assert.match(
      run("plan", project.dir, "--against", "nosuch").output,
      /--against nosuch: .*\nUse a commit/,
    );
  });

  it("writes the lineage page and its data", () => {
    const file = join(project.dir, "lineage.html");
    assert.equal(run("lineage", project.dir, "--export", file).code, 0);
    assert.ok(existsSync(file));
    assert.doesNotMatch(readFileSync(file, "utf8"), /(src|href)="https?:/);
    const { tables } = JSON.parse(run("lineage", project.dir, "--json").output);
    const { columns } = tables.find(({ name }: { name: string }) => name === "rfm.customers");
    assert.deepEqual(columns[1].sources, ["raw.orders.customer_id"]);
  });
});
