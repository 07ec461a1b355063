// biome-ignore-all lint/suspicious/noTemplateCurlyInString: .sqlx files have them
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { compile } from "./dataform.ts";

describe("Dataform project", () => {
  let folder: string;
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dataform-"));
    write(
      "workflow_settings.yaml",
      "defaultProject: shop\ndefaultDataset: rfm\ndefaultLocation: EU\nvars:\n  orders: orders_eu\n",
    );
    write(
      "definitions/sources.js",
      'declare({ schema: "raw", name: dataform.projectConfig.vars.orders, description: "Orders.", columns: { id: { description: "Names it.", tags: ["STRING"] } } });',
    );
    write("includes/texts.js", 'module.exports = { one: () => "1 AS one" };');
    write(
      "definitions/a.sqlx",
      'config { type: "view", tags: ["x"] }\nSELECT ${texts.one()} FROM ${ref(dataform.projectConfig.vars.orders)}',
    );
    write(
      "definitions/deep/b.sqlx",
      `config {
        type: "incremental", schema: "marts", tags: ["y"], description: "B.",
        bigquery: { partitionBy: "run_date", clusterBy: ["id"] }, columns: { id: "Who." },
      }
      SELECT * FROM \${ref("a")}`,
    );
    write("definitions/c.sqlx", 'config { type: "incremental", tags: ["y", "log"] } SELECT 1 AS n');
    write("definitions/d.sqlx", 'config { type: "table" } SELECT 1 AS n');
    write(
      "definitions/e.sqlx",
      'config { type: "assertion", tags: ["y", "warning"], description: "E." } SELECT 1 FROM ${ref("b")}',
    );
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const target = (dataset: string, name: string, project = "shop") => ({ project, dataset, name });
  const named = (name: string, graph = compile(folder)) =>
    graph.actions.find((action) => action.target.name === name)!;

  it("compiles to actions with their kinds, tags, queries, files and dependencies", () => {
    const graph = compile(folder);
    const brief = graph.actions.map(({ target, kind, materialization, tags, file }) =>
      [target.name, kind, materialization, tags.join(), file].join(" "),
    );
    assert.deepEqual(brief.toSorted(), [
      "a model view x definitions/a.sqlx",
      "b model partition y definitions/deep/b.sqlx",
      "c model log y,log definitions/c.sqlx",
      "d model table  definitions/d.sqlx",
      "e assertion view y,warning definitions/e.sqlx",
    ]);
    const { description, columns, partitionBy, clusterBy, dependencies, query } = named("b", graph);
    assert.deepEqual(named("b", graph).target, target("marts", "b"));
    assert.deepEqual(
      { description, columns, partitionBy, clusterBy, dependencies, query: query.trim() },
      {
        description: "B.",
        columns: { id: "Who." },
        partitionBy: "run_date",
        clusterBy: ["id"],
        dependencies: [target("rfm", "a")],
        query: "SELECT * FROM `shop.rfm.a`",
      },
    );
    assert.deepEqual(named("a", graph).dependencies, [target("raw", "orders_eu")]);
    assert.deepEqual(named("e", graph).dependencies, [target("marts", "b")]);
    assert.equal(named("a", graph).query.trim(), "SELECT 1 AS one FROM `shop.raw.orders_eu`");
    assert.deepEqual(graph.sources, [
      {
        target: target("raw", "orders_eu"),
        description: "Orders.",
        file: "definitions/sources.js",
        columns: [{ name: "id", type: "STRING", description: "Names it." }],
      },
    ]);
  });

  it("takes another project and other vars", () => {
    const graph = compile(folder, { project: "other", vars: { orders: "orders_us" } });
    assert.equal(named("a", graph).query.trim(), "SELECT 1 AS one FROM `other.raw.orders_us`");
    assert.deepEqual(graph.sources[0]!.target, target("raw", "orders_us", "other"));
  });

  it("gives the same graph each time in one process, and the new one when a file was edited", () => {
    const first = compile(folder);
    assert.deepEqual(compile(folder), first);
    write("includes/texts.js", 'module.exports = { one: () => "2 AS one" };');
    assert.match(named("a").query, /2 AS one/);
    assert.match(named("a", first).query, /1 AS one/);
  });

  const mistakes: [string, string, string, RegExp][] = [
    [
      "a setting that there is not",
      "definitions/bad.sqlx",
      'config { type: "table", tag: ["x"] } SELECT 1',
      /tag/,
    ],
    [
      "a config that is no JavaScript",
      "definitions/bad.sqlx",
      "config { type: } SELECT 1",
      /Unexpected token/,
    ],
    [
      "a reference to nothing",
      "definitions/bad.sqlx",
      'config { type: "view" } SELECT * FROM ${ref("nothing")}',
      /nothing/,
    ],
    [
      "a name that is not defined",
      "definitions/bad.sqlx",
      'config { type: "view" } SELECT ${nothing.at()}',
      /nothing/,
    ],
    ["a cycle", "definitions/bad.sqlx", 'config { type: "view" } SELECT * FROM ${ref("bad")}', /[Cc]ircular/],
    [
      "two of one name",
      "definitions/bad.sqlx",
      'config { type: "view", name: "a" } SELECT 1',
      /[Dd]uplicate/,
    ],
    ["operations", "definitions/bad.sqlx", 'config { type: "operations" } SELECT 1', /operations/],
    [
      "operations beside a query",
      "definitions/bad.sqlx",
      'config { type: "table" } SELECT 1 post_operations { SELECT 2 }',
      /operations/,
    ],
    ["a mistake in a script", "definitions/bad.js", 'declare({ schema: "raw", nme: "x" });', /nme/],
    ["an include that is no JavaScript", "includes/bad.js", "module.exports = {", /Unexpected|end of input/],
  ];
  for (const [what, file, text, message] of mistakes) {
    it(`refuses ${what} and names the file`, () => {
      write(file, text);
      assert.throws(
        () => compile(folder),
        (error: Error) => {
          assert.equal(error.name, "UserError", error.stack);
          assert.match(error.message, message);
          assert.ok(error.message.includes(file), error.message);
          return true;
        },
      );
    });
  }

  it("refuses a folder that is no project, or is not there", () => {
    rmSync(join(folder, "workflow_settings.yaml"));
    assert.throws(() => compile(folder), { name: "UserError", message: /workflow_settings\.yaml/ });
    assert.throws(() => compile(join(folder, "nowhere")), { name: "UserError", message: /nowhere/ });
  });
});
