import { InvalidArgumentError } from "commander";
import { localCommand, runCommand } from "../../cli/command.ts";
import { logicalRuns } from "./logical-runs.ts";
import { defectsOf, renderOutcomes } from "./outcome.ts";
import { wholePipelines } from "./whole-pipelines.ts";

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("It must be a whole number above 0.");
}

const { seed, runs, pipelines } = localCommand(
  "run test:faults",
  "Runs the system with faults between its parts and in its processes, on this machine only. Ends with 1 if a run was lost, doubled or stuck, or has other tables than a run without faults.",
)
  .option("--seed <number>", "plans the faults: the same seed plans the same ones", count, 1)
  .option("--runs <number>", "runs of a pipeline whose steps do nothing but write a row", count, 5000)
  .option("--pipelines <number>", "runs of the whole pipeline, about ten seconds each", count, 200)
  .parse()
  .opts<{ seed: number; runs: number; pipelines: number }>();

await runCommand(async () => {
  process.stderr.write(`${runs} runs of a pipeline whose steps do nothing but write a row\n`);
  const logical = await logicalRuns({ seed, runs });
  const startedAt = Date.now();
  const onRun = (done: number): void => {
    const minutes = ((Date.now() - startedAt) / done / 60_000) * (pipelines - done);
    if (done % 10 === 0)
      process.stderr.write(
        `${done} of ${pipelines} runs of the whole pipeline; ${minutes.toFixed(0)} min left\n`,
      );
  };
  const outcomes = [logical, await wholePipelines({ seed, runs: pipelines, onRun })];
  process.stdout.write(`Seed ${seed}\n\n${renderOutcomes(outcomes)}`);
  const defects = outcomes.flatMap(defectsOf);
  if (defects.length > 0) {
    process.stderr.write(`${defects.slice(0, 50).join("\n")}\n`);
    process.exitCode = 1;
  }
});
