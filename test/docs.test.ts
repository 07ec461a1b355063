import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { load } from "js-yaml";
import { planNames } from "../components/names.ts";
import { planState } from "../components/state.ts";
import { stepsOf } from "../jobs/pipeline.ts";
import { projectDir } from "../lib/project.ts";

const root = new URL("../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const PAGES = globSync(["*.md", "docs/**/*.md", "data/*.md", "examples/*/*.md", ".github/*.md"], {
  cwd: projectDir,
}).sort();
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = ""]) => found);
/** Blocks that a person copies. */
const blocksOf = (text: string) => matches(text, /```sh\n([\s\S]*?)```/g);
const rooms = readdirSync(root, { withFileTypes: true })
  .filter((it) => it.isDirectory() && !/^(\..*|node_modules|image|out)$/.test(it.name))
  .map(({ name }) => name);
/** Files and folders of the project that a page names in `code`. */
const pathsOf = (text: string) =>
  matches(text, /`([\w.-]+\/[\w./*-]*)`/g).filter((path) => rooms.includes(path.split("/")[0]!));

describe("docs", () => {
  const identity = { app: "customer-value", environment: "dev", project: "my-project-dev" };
  const state = planState(identity, "europe-west1");
  const names = [
    ...Object.values(planNames(identity)).flatMap((kind) => Object.values(kind)),
    ...[state.bucket, state.keyRing, "customer-value-dev"],
  ];
  const { config } = load(read("Pulumi.yaml")) as { config: object };
  const { scripts } = JSON.parse(read("package.json"));
  const headings = (text: string) =>
    matches(text, /^#+ (.*)$/gm).map((it) =>
      it
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replaceAll(" ", "-"),
    );

  for (const page of PAGES) {
    const text = read(page);
    it(`${page} names only things that exist`, () => {
      for (const name of matches(text, /((?:my-project-dev-)?customer-value-dev[\w-]*)/g))
        assert.ok(names.includes(name), name);
      for (const key of matches(text, /customer-value:([a-z]\w*)/gi))
        assert.ok(key in config || key === "KEY", key);
      // The changelog names what is gone.
      if (page === "CHANGELOG.md") return;
      for (const script of matches(text, /npm run ([\w:-]+)/g)) assert.ok(script in scripts, script);
      for (const path of pathsOf(text)) assert.ok(globSync(path, { cwd: projectDir }).length > 0, path);
    });

    it(`${page} has only links that work`, () => {
      for (const link of matches(text, /\]\((?!https?:)([^)]+)\)/g)) {
        const [path = "", heading] = link.split("#");
        const file = path === "" ? new URL(page, root) : new URL(path, new URL(page, root));
        assert.ok(existsSync(file), link);
        if (heading) assert.ok(headings(readFileSync(file, "utf8")).includes(heading), link);
      }
    });

    it(`${page} has commands with valid shell syntax`, () => {
      for (const block of blocksOf(text)) {
        const { status, stderr } = spawnSync("sh", ["-n"], { input: block, encoding: "utf8" });
        assert.equal(status, 0, `${stderr}\n${block}`);
      }
    });
  }

  it("README.md shows where every folder is, and every place that it names has what it says", () => {
    const readme = read("README.md");
    const section = readme.slice(readme.indexOf("## Where things are"));
    const [tree = ""] = matches(section, /```\n([\s\S]*?)```/g);
    for (const room of rooms) assert.match(tree, RegExp(`(^|\\s)${room}/`, "m"), room);
    for (const path of matches(tree, /^(\S+?)\/? {2}/gm))
      assert.ok(globSync(path, { cwd: projectDir }).length > 0, path);
    // A place is `path` (`symbol`, `symbol`).
    const places = [...section.matchAll(/`([\w./-]+)` \(((?:`[^`]+`(?:, )?)+)\)/g)];
    assert.ok(places.length > 5);
    for (const [, path = "", symbols = ""] of places)
      for (const symbol of matches(symbols, /`([^`]+)`/g)) assert.ok(read(path).includes(symbol), symbol);
  });

  it("docs/costs.md has the size of a customer's rows, and the number of steps", () => {
    const tables: { name: string; clusterBy: string[]; columns: { type: string }[] }[] = JSON.parse(
      read("sql/tables.json"),
    );
    const bytes = tables
      // The tables of candidates are empty by default.
      .filter(
        ({ name, clusterBy }) => clusterBy.includes("customer_id") && !/^(examples|predictions)$/.test(name),
      )
      .flatMap(({ columns }) => columns.map(({ type }) => (type === "STRING" ? 2 + 10 : 8)))
      .reduce((sum, size) => sum + size, 0);
    const shown = Number(/4 × customers × (\d+) bytes/.exec(read("docs/costs.md"))?.[1]);
    assert.ok(Math.abs(bytes / shown - 1) < 0.1, `${bytes} bytes a customer`);
    const steps = Object.keys(stepsOf()).length + 1; // the exit task too
    assert.ok(read("docs/costs.md").includes(`runs × ${steps} steps`), `${steps} steps`);
  });
});
