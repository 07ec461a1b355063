import { parseArgs } from "node:util";
import { logicalRuns } from "./logical-runs.ts";
import { defectsOf, renderOutcomes } from "./outcome.ts";
import { wholePipelines } from "./whole-pipelines.ts";

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "5000" },
    pipelines: { type: "string", default: "200" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  process.stdout.write(`Usage: npm run test:faults -- [options]

Runs the system with faults between its parts and in its processes, on this machine only. Ends with 1 if a run was lost,
doubled or stuck, or has other tables than a run without faults.

  --seed <number>       plans the faults: the same seed plans the same ones (default: 1)
  --runs <number>       runs of a pipeline whose steps do nothing (default: 5000)
  --pipelines <number>  runs of the whole pipeline, about five seconds each (default: 200)
  --help                shows this
`);
  process.exit(0);
}
const [seed, runs, pipelines] = [options.seed, options.runs, options.pipelines].map(Number) as [
  number,
  number,
  number,
];

process.stderr.write(`${runs} runs of a pipeline whose steps do nothing\n`);
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
