import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Deployment } from "../contracts/deployment.ts";
import { projectDir } from "../lib/project.ts";
import { localSettings } from "../test/airflow/settings.ts";

describe("npm run smoke", function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), "smoke-"));
  const tokens: unknown[] = [];
  /** An invoker that refuses all callers. */
  const invoker = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.writeHead(403).end();
  });
  let deployment: Deployment;
  before(async () => {
    await once(invoker.listen(0, "127.0.0.1"), "listening");
    const invokerUrl = `http://127.0.0.1:${(invoker.address() as AddressInfo).port}`;
    deployment = {
      settings: localSettings({ project: "shop-dev", invokerUrl }),
      orders: { project: "shop-dev", dataset: "raw", table: "orders" },
      deadLetters: { topic: "letters", subscription: "letters" },
      orchestrator: { kind: "workflows", name: "orchestrator" },
      signals: {},
    };
  });
  after(() => {
    invoker.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs the command with programs that print these texts, and without credentials. */
  async function run(outputs: object, gcloud: string, ...args: string[]) {
    for (const [program, body] of Object.entries({ pulumi: `echo '${JSON.stringify(outputs)}'`, gcloud }))
      writeFileSync(join(folder, program), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    const child = spawn(process.execPath, [join(projectDir, "cli/smoke.ts"), "--stack", "dev", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        PATH: [folder, process.env.PATH].join(delimiter),
        HOME: folder,
        CLOUDSDK_CONFIG: folder,
        GOOGLE_APPLICATION_CREDENTIALS: join(folder, "none.json"),
      },
    });
    const printed = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (text: string) => (printed[name] += text));
    const [code] = await once(child, "close");
    return { code, ...printed };
  }

  it("says what it costs and creates, and asks", async () => {
    const { code, stderr } = await run({ deployment, commit: "c" }, "echo you@example.com");
    assert.match(stderr, /runs the pipeline once in the project shop-dev, which costs cents/);
    assert.match(stderr, /There is no terminal to ask you.\nAdd --yes.\n$/);
    assert.equal(code, 1);
    assert.deepEqual(tokens, []);
  });

  it("says to deploy first", async () => {
    const { code, stderr } = await run({ commit: "c" }, "echo you@example.com", "--yes");
    assert.match(
      stderr,
      /^The outputs of the stack dev: deployment: .*\nDeploy it first: pulumi up --stack dev\n$/,
    );
    assert.equal(code, 1);
  });

  it("says which program failed", async () => {
    const { code, stderr } = await run({ deployment, commit: "c" }, "echo no login >&2; exit 1", "--yes");
    assert.match(
      stderr,
      /gcloud failed: no login\nnpm run doctor -- --stack dev checks the tools and logins.\n$/,
    );
    assert.equal(code, 1);
  });

  it("prints and writes a page with each result and its command; the exit code is 1", async () => {
    const out = join(folder, "page.md");
    const { code, stdout, stderr } = await run(
      { deployment, commit: "1a2b3c" },
      'case "$*" in *account) echo ci@shop-dev.iam.gserviceaccount.com;; *) echo "token $*";; esac',
      ...["--yes", "--out", out],
    );
    assert.equal(code, 1, stderr);
    const page = readFileSync(out, "utf8");
    assert.equal(stdout.trim(), page.trim());
    assert.match(page, /^# Smoke test of customer-value-dev\n\n- commit: 1a2b3c\n- project: shop-dev\n/);
    assert.match(
      page,
      /✘ health: .* answers 403\.\nAdd your account .*\(failed\)\n\n```sh\ncurl -H "Authorization: .*\/healthcheck\n```/,
    );
    assert.match(page, /✘ orders: .*\(failed\)\n\n```sh\nbq query --project_id shop-dev /);
    assert.match(page, /– run: needs first: health, orders \(not done\)/);
    const { invoker_url } = deployment.settings;
    assert.deepEqual(tokens, [`Bearer token auth print-identity-token --audiences=${invoker_url}`]);
  });
});
