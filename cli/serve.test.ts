import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { projectDir } from "../lib/project.ts";

describe("npm run serve", () => {
  it("answers the health check only when it can launch runs", async () => {
    const folder = mkdtempSync(join(tmpdir(), "serve-"));
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as AddressInfo;
    probe.close();
    const url = `http://127.0.0.1:${port}`;
    const args = [join(projectDir, "cli/serve.ts"), "--port", String(port), "--data-dir", folder];
    const serve = spawn(process.execPath, args, { stdio: "ignore" });
    try {
      const isUp = () =>
        fetch(`${url}/healthcheck`).then(
          ({ ok }) => ok,
          () => false,
        );
      while (!(await isUp())) {
        assert.equal(serve.exitCode, null);
        await setTimeout(5);
      }
      // The first order is of this day, so no run starts.
      const response = await fetch(`${url}/invoke?run_date=1997-01-01`);
      const { detail } = (await response.json()) as { detail: string };
      assert.deepEqual(
        [response.status, detail],
        [400, "run_date 1997-01-01 is not after the day of the first order, 1997-01-01."],
      );
    } finally {
      serve.kill();
      await once(serve, "exit");
      rmSync(folder, { recursive: true });
    }
  });
});
