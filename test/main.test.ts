import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { projectDir } from "../lib/project.ts";

describe("main.js, which Pulumi starts", () => {
  const folder = mkdtempSync(join(tmpdir(), "main-"));
  after(() => rmSync(folder, { recursive: true }));
  const socket = join(folder, "docker.sock");

  async function start(...options: string[]): Promise<string> {
    const child = spawn(process.execPath, [...options, join(projectDir, "main.js")], {
      env: { ...process.env, DOCKER_HOST: `unix://${socket}` },
    });
    const [printed, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
    assert.notEqual(code, 0);
    return printed;
  }

  it("says which Node to use, on one that does not read TypeScript", async () => {
    const printed = await start("--no-experimental-strip-types");
    assert.match(
      printed,
      /This project runs on Node 24; Pulumi started v.*Put the project's own Node first:/,
    );
    assert.match(printed, /PATH="\$PWD\/node_modules\/.bin:\$PATH" pulumi preview/);
  });

  it("says that Docker does not answer, and what to start", async () => {
    assert.match(await start(), new RegExp(`Docker does not answer at ${socket}.*\n.*Start Docker`));
  });

  it("goes on to the stack when Docker answers", async () => {
    const docker = createServer((connection) => connection.end()).listen(socket);
    await once(docker, "listening");
    const printed = await start();
    docker.close();
    // Outside of Pulumi the stack has no project to belong to.
    assert.doesNotMatch(printed, /Docker does not answer|runs on Node 24/);
    assert.match(printed, /Pulumi|pulumi/);
  });

  it("gives all outputs of the stack", () => {
    const read = (file: string): string => readFileSync(join(projectDir, file), "utf8");
    const [, names = ""] = /export const \{([^}]*)\}/.exec(read("main.js"))!;
    const outputs = [...read("index.ts").matchAll(/^export const (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(names.match(/\w+/g), outputs);
  });
});
