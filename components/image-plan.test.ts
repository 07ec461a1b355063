import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle, PROGRAMS, type Program } from "../jobs/bundle.ts";
import { projectDir } from "../lib/project.ts";
import { commitOf } from "./commit.ts";
import { hashOf } from "./file-copies.ts";
import { planImage } from "./image-plan.ts";

describe("the plan of an image", () => {
  const contextOf = (image: Program | "boosting") => join(projectDir, planImage(image).context);

  for (const program of Object.keys(PROGRAMS) as Program[])
    it(`of ${program} has a context with all that its build reads`, () => {
      const copy = mkdtempSync(join(tmpdir(), "context-"));
      try {
        cpSync(contextOf(program), copy, { recursive: true });
        const recipe = readFileSync(join(copy, "jobs/Dockerfile"), "utf8");
        const copied = [...recipe.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].map(([, files = ""]) => files);
        assert.ok(copied.length > 2);
        for (const file of copied.join(" ").split(" ")) assert.ok(existsSync(join(copy, file)), file);
        symlinkSync(join(projectDir, "node_modules"), join(copy, "node_modules"));
        execFileSync(process.execPath, ["jobs/bundle.ts", program], { cwd: copy });
        // It fails when an import leads nowhere.
        assert.ok(existsSync(join(copy, "image/main.mjs")));
      } finally {
        rmSync(copy, { recursive: true });
      }
    });

  it("has a context without the sources of other images, whose commits would build this one again", () => {
    const has = (image: Program | "boosting", file: string) => existsSync(join(contextOf(image), file));
    const own: Readonly<Record<Program, string>> = {
      invoker: "functions/invoker/invoker.ts",
      "sql-runner": "sql/definitions/sources.js",
      clv: "jobs/clv/train.ts",
      notify: "jobs/notify/main.ts",
    };
    for (const [owner, file] of Object.entries(own))
      for (const image of Object.keys(PROGRAMS) as Program[])
        assert.equal(has(image, file), image === owner, `${file} in ${image}`);
    assert.deepEqual(globSync("**/*.*", { cwd: contextOf("boosting") }).sort(), [
      "jobs/boosting/main.py",
      "jobs/boosting/requirements.lock",
      "jobs/job.py",
      "jobs/python.Dockerfile",
    ]);
    assert.ok(!has("sql-runner", "node_modules"), "the recipe installs packages");
  });

  it("has a tag and a commit of what the image holds", () => {
    const held = [
      "jobs/python.Dockerfile",
      "jobs/job.py",
      "jobs/boosting/requirements.lock",
      "jobs/boosting/main.py",
    ];
    const { context: _, ...plan } = planImage("boosting");
    assert.deepEqual(plan, {
      recipe: "jobs/python.Dockerfile",
      argument: "CANDIDATE",
      tag: hashOf(projectDir, held),
      revision: commitOf(projectDir, held),
    });
    const { script, inputs } = bundle("notify");
    const { tag, revision } = planImage("notify");
    assert.equal(tag, hashOf(projectDir, ["jobs/Dockerfile"], script));
    assert.equal(revision, commitOf(projectDir, ["jobs/Dockerfile", ...inputs]));
  });

  it("is in the same place on every machine", () => {
    assert.match(planImage("notify").context, /^\.cache\/contexts\/notify-[0-9a-f]{12}$/);
  });
});
