import assert from "node:assert/strict";
import { UserError as PackageError } from "dataform-check/user-error";
import { UserError } from "../lib/user-error.ts";
import { runMain } from "./main-job.ts";

describe("runMain", () => {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const before = signals.map((signal) => process.listeners(signal));
  afterEach(() => {
    for (const [index, signal] of signals.entries())
      for (const listener of process.listeners(signal))
        if (!before[index]!.includes(listener)) process.off(signal, listener);
  });

  /** What it prints on stderr when reading the settings throws this. */
  async function printedFor(error: Error): Promise<string> {
    const { stderr } = process;
    const write = stderr.write;
    let printed = "";
    stderr.write = ((text: string) => {
      printed += text;
      return true;
    }) as typeof write;
    try {
      const code = await runMain(false, () => {
        throw error;
      });
      assert.equal(code, 1);
    } finally {
      stderr.write = write;
    }
    return printed;
  }

  it("shows what to do about an error of this project or of a package, and the stack of a defect", async () => {
    for (const kind of [UserError, PackageError]) {
      const printed = await printedFor(new kind("There is no file x.", { remedy: "Check the path." }));
      assert.match(printed, /There is no file x\.\n\s*Check the path\./);
      assert.doesNotMatch(printed, /\n +at /);
    }
    assert.match(await printedFor(new TypeError("x is not a function")), /x is not a function[\s\S]*\n +at /);
  });
});
