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
    write("definitions/c.sqlx", 'config { type: "incremental", tags: ["y", "append"] } SELECT 1 AS n');
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
      "c model append y,append definitions/c.sqlx",
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
      "a setting that does not exist",
      "definitions/bad.sqlx",
      'config { type: "table", tag: ["x"] } SELECT 1',
      /tag/,
    ],
    [
      "a config that is not JavaScript",
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
    ["a mistake in a script", "definitions/bad.js", 'declare({ schema: "raw", nme: "x" });', /nme/],
    ["an include that is not JavaScript", "includes/bad.js", "module.exports = {", /Unexpected|end of input/],
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

  it("lists what it ignores: operations, notebooks, and operations beside a query", () => {
    write("definitions/op.sqlx", 'config { type: "operations" } CREATE TABLE x AS SELECT 1');
    write(
      "definitions/a.sqlx",
      'config { type: "view" } SELECT 1 AS n\npost_operations { SELECT 2 }\npre_operations { SELECT 3 }',
    );
    const graph = compile(folder);
    assert.deepEqual(
      graph.ignored,
      ["op.sqlx: operations", "a.sqlx: pre_operations", "a.sqlx: post_operations"].map(
        (line) => `${join(folder, "definitions", line)} are not supported.`,
      ),
    );
    assert.equal(named("op", graph), undefined);
    assert.equal(named("a", graph).query.trim(), "SELECT 1 AS n");
  });

  it("compiles disabled actions and leaves them out", () => {
    write("definitions/d.sqlx", 'config { type: "table", disabled: true } SELECT broken');
    write("definitions/op.sqlx", 'config { type: "operations", disabled: true } SELECT 1');
    write("definitions/f.sqlx", 'config { type: "view" } SELECT * FROM ${ref("d")}');
    const graph = compile(folder);
    assert.equal(named("d", graph), undefined);
    assert.deepEqual(named("f", graph).dependencies, [target("rfm", "d")]);
    assert.deepEqual(graph.opaque, [
      { target: target("rfm", "d"), why: "is disabled" },
      { target: target("rfm", "op"), why: "is not a SELECT (operation)" },
    ]);
    assert.deepEqual(graph.ignored, []);
    write("definitions/d.sqlx", 'config { type: "table", disabled: true } SELECT ${nothing.at()}');
    assert.throws(() => compile(folder), /nothing/);
  });

  it("compiles models and assertions in JavaScript, with modules beside them and packages of the project", () => {
    write("definitions/js/names.js", "module.exports = { name: require('../../includes/texts').one };");
    write(
      "node_modules/@some/package/lib/main.js",
      "const inner = require('./inner'); module.exports = () => inner.text;",
    );
    write("node_modules/@some/package/lib/inner.js", "exports.text = 'WHERE TRUE';");
    write("node_modules/@some/package/package.json", '{ "main": "lib/main.js" }');
    write(
      "definitions/js/models.js",
      `const { name } = require("./names");
       const condition = require("@some/package");
       const { length } = require("includes/texts.js").one();
       publish("g", { type: "table", assertions: { uniqueKey: ["one"] } })
         .query((ctx) => \`SELECT \${name()}, \${length} AS n FROM \${ctx.ref("d")} \${condition()}\`);`,
    );
    const graph = compile(folder);
    assert.equal(named("g", graph).query, "SELECT 1 AS one, 8 AS n FROM `shop.rfm.d` WHERE TRUE");
    assert.equal(graph.actions.filter(({ kind }) => kind === "assertion").length, 2);
  });

  it("names a package that is not installed, the file that requires it, and what to do", () => {
    write("definitions/js/models.js", 'require("@some/package");');
    assert.throws(() => compile(folder), {
      name: "UserError",
      message: `${join(folder, "definitions/js/models.js")}: definitions/js/models.js requires the package @some/package, which is not installed. Run: npm install --prefix ${folder}`,
    });
    write("definitions/js/models.js", 'require("./nothing");');
    assert.throws(
      () => compile(folder),
      /definitions\/js\/models\.js requires \.\/nothing, which is not there/,
    );
  });

  it("takes dataform.json, the settings of Dataform 2, and says so when the project does not compile", () => {
    rmSync(join(folder, "workflow_settings.yaml"));
    write(
      "dataform.json",
      '{ "warehouse": "bigquery", "gcloudProjectId": "shop", "defaultSchema": "rfm", "vars": { "orders": "o" } }',
    );
    assert.deepEqual(named("a").target, target("rfm", "a"));
    write("definitions/bad.js", 'publish("x").nothing();');
    assert.throws(() => compile(folder), { message: /nothing is not a function/, remedy: /Dataform 2/ });
  });

  it("refuses a folder that is not a project, or does not exist", () => {
    rmSync(join(folder, "workflow_settings.yaml"));
    assert.throws(() => compile(folder), { name: "UserError", message: /workflow_settings\.yaml/ });
    assert.throws(() => compile(join(folder, "nowhere")), { name: "UserError", message: /nowhere/ });
  });
});
