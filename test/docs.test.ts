import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { load } from "js-yaml";
import { planNames } from "../components/names.ts";
import { planState } from "../components/state.ts";

const root = new URL("../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const PAGES = [
  "README.md",
  ...readdirSync(new URL("docs/", root))
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
];
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = ""]) => found);
/** Blocks that a person copies. */
const blocksOf = (text: string) => matches(text, /```sh\n([\s\S]*?)```/g);

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
    it(`${page} names what there is`, () => {
      for (const name of matches(text, /((?:my-project-dev-)?customer-value-dev[\w-]*)/g))
        assert.ok(names.includes(name), name);
      for (const key of matches(text, /customer-value:([a-z]\w*)/gi))
        assert.ok(key in config || key === "KEY", key);
      for (const script of matches(text, /npm run ([\w:]+)/g)) assert.ok(script in scripts, script);
    });

    it(`${page} links to what there is`, () => {
      for (const link of matches(text, /\]\((?!https?:)([^)]+)\)/g)) {
        const [path = "", heading] = link.split("#");
        const file = path === "" ? new URL(page, root) : new URL(path, new URL(page, root));
        assert.ok(existsSync(file), link);
        if (heading) assert.ok(headings(readFileSync(file, "utf8")).includes(heading), link);
      }
    });

    it(`${page} has commands that a shell takes`, () => {
      for (const block of blocksOf(text)) {
        const { status, stderr } = spawnSync("sh", ["-n"], { input: block, encoding: "utf8" });
        assert.equal(status, 0, `${stderr}\n${block}`);
      }
    });
  }
});
