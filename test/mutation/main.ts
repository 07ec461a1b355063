import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Stryker } from "@stryker-mutator/core";
import { z } from "zod";
import { localCommand, runCommand } from "../../cli/command.ts";
import { parse } from "../../lib/user-error.ts";
import { filesOf, scoreOf, testsOf, withoutSurvivors } from "./rooms.ts";

const ROOMS = ["contracts", "policy", "adapters", "jobs/clv", "components"];
/** The least score of a folder, in percent. */
const LEAST = 85;
/**
 * Left out: tests of speed, which fail because mutated code is slow, long simulations, and tests of a program that Pulumi
 * starts.
 */
const NOT_LEFT_OUT = "^(?!.* (in under |simulated |loaded by Pulumi|of the deployed project))";

/** npm run mutation: changes the code in many places, one at a time, and lists the changes that no test notices. */
const command = localCommand(
  "run mutation",
  "Changes the code in many places, one at a time, and lists the changes that no test notices.",
)
  .argument("[folders...]", "folders or files to change", ROOMS)
  .option("--concurrency <number>", "processes at the same time", String(availableParallelism()))
  .parse();

await runCommand(async () => {
  const { concurrency } = command.opts<{ concurrency: string }>();
  const processes = parse(z.coerce.number().int().positive(), concurrency, "--concurrency");
  const rooms = (command.processedArgs[0] as string[]).map((room) => ({ room, files: filesOf(room) }));
  for (const { room, files } of rooms) {
    const report = `.data/mutation/${room.replaceAll("/", "-")}`;
    const incrementalFile = `${report}.json`;
    if (existsSync(incrementalFile))
      writeFileSync(incrementalFile, withoutSurvivors(readFileSync(incrementalFile, "utf8")));
    const stryker = new Stryker({
      mutate: files,
      // Not testFiles: with it, Stryker 10.0 runs no test for mutants of code that runs when a file is loaded.
      mochaOptions: { spec: [...new Set(files.flatMap(testsOf))], grep: NOT_LEFT_OUT },
      concurrency: processes,
      incrementalFile,
      htmlReporter: { fileName: `${report}.html` },
    } as ConstructorParameters<typeof Stryker>[0]);
    const mutants = await stryker.runMutationTest();
    const byFile = Map.groupBy(mutants, ({ fileName }) => fileName);
    for (const [file, ofFile] of byFile) process.stdout.write(`${file}: ${scoreOf(ofFile).text}\n`);
    const { percent, text } = scoreOf(mutants);
    process.stdout.write(`${room}: ${text}\n\n`);
    if (percent < LEAST) process.exitCode = 1;
  }
});
