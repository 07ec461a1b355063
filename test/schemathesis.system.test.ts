import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createServer } from "../functions/invoker/server.ts";
import { createLogger } from "../lib/log.ts";
import { pythonEnvironment } from "../local/runtime/python.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";

const NAME = "the invoker under Schemathesis";

if (!skipUnlessInstalled(NAME, ["Python 3.10 or later"]))
  describe(NAME, () => {
    it("answers any request as /openapi.json says", async () => {
      const lock = join(import.meta.dirname, "schemathesis", "requirements.lock");
      const bin = await pythonEnvironment("schemathesis", "3.11", lock);
      const launched = new Set<string>();
      const server = createServer({
        launcher: {
          launch: async (runId) => launched.size !== launched.add(runId).size,
          state: async () => undefined,
        },
        log: createLogger({ component: "invoker" }, "silent"),
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const folder = mkdtempSync(join(tmpdir(), "schemathesis-"));
      try {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const { stdout } = await promisify(execFile)(
          join(bin, "schemathesis"),
          [
            "run",
            `${url}/openapi.json`,
            // A failure can be seen again.
            "--seed=1",
            "--max-examples=50",
            // JSON Schema can't say that a date is not after today, or what a text in base64 holds.
            "--exclude-checks=positive_data_acceptance",
            "--no-color",
          ],
          { cwd: folder, env: { ...process.env, HYPOTHESIS_STORAGE_DIRECTORY: folder }, maxBuffer: 2 ** 26 },
        ).catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));
        const cases = /(\d+) generated/.exec(stdout.replaceAll(",", ""))?.[1];
        assert.ok(Number(cases) > 300, stdout);
        assert.ok(launched.size > 10, "valid requests launch runs");
      } finally {
        server.close();
        rmSync(folder, { recursive: true });
      }
    });
  });
