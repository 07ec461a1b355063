import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { load } from "js-yaml";

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly concurrency: unknown;
  readonly jobs: Readonly<
    Record<string, { readonly steps: readonly Step[]; readonly "timeout-minutes": number }>
  >;
}

const root = new URL("../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const folder = new URL(".github/workflows/", root);
const workflows = readdirSync(folder).map((file): [string, string, Workflow] => {
  const text = readFileSync(new URL(file, folder), "utf8");
  return [file, text, load(text) as Workflow];
});
const steps = workflows.flatMap(([file, , { jobs }]) =>
  Object.values(jobs).flatMap((job) => job.steps.map((step) => [file, step] as const)),
);

describe("workflows", () => {
  it("are test, preview, deploy and release, each with few permissions, a time limit and a concurrency group", () => {
    assert.deepEqual(
      workflows.map(([file, , { permissions }]) => [file, permissions]),
      [
        ["deploy.yml", { contents: "read", "id-token": "write" }],
        ["preview.yml", { contents: "read", "id-token": "write", "pull-requests": "write" }],
        ["release.yml", { contents: "write", "id-token": "write", attestations: "write" }],
        ["test.yml", { contents: "read" }],
      ],
    );
    for (const [file, , { concurrency, jobs }] of workflows) {
      assert.ok(concurrency, file);
      for (const job of Object.values(jobs)) assert.ok(job["timeout-minutes"] > 0, file);
    }
  });

  it("have no secrets, and read only variables that bootstrap sets", () => {
    const plan = read("bootstrap/plan.ts");
    for (const [file, text] of workflows) {
      assert.doesNotMatch(text, /secrets\.|credentials_json|GOOGLE_CREDENTIALS/, file);
      for (const [, name = ""] of text.matchAll(/format\('(\w+)_\{0\}'/g))
        assert.ok(plan.includes(name), name);
    }
  });

  it("pin each action to a commit, with its version as a comment", () => {
    for (const [file, text] of workflows)
      for (const [line] of text.matchAll(/^.*\buses: .*$/gm))
        assert.match(line, /uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, file);
  });

  it("use only npm scripts that exist", () => {
    const { scripts } = JSON.parse(read("package.json"));
    for (const [file, { run }] of steps) {
      const script = /^npm (?:run )?([\w:]+)/.exec(run ?? "")?.[1];
      if (script !== undefined && !["ci", "audit", "sbom"].includes(script))
        assert.ok(script in scripts, `${file}: npm ${script}`);
    }
  });

  it("run the project's version of Pulumi, with the policies", () => {
    const { packages } = JSON.parse(read("package-lock.json"));
    const { version } = packages["node_modules/@pulumi/pulumi"];
    const pulumi = steps.filter(([, { uses }]) => uses?.startsWith("pulumi/actions@"));
    assert.equal(pulumi.length, 2);
    for (const [file, step] of pulumi) {
      assert.equal(step.with?.["pulumi-version"], version, file);
      assert.equal(step.with?.policyPacks, "policy", file);
    }
  });
});
