import { z } from "zod";
import { runSettings } from "../../contracts/run.ts";
import { UserError } from "../../lib/user-error.ts";
import { runJob } from "../job.ts";
import { backtest } from "./backtest.ts";
import { registerNewChampion } from "./register.ts";
import { train } from "./train.ts";

const work = {
  train: async (...[step, warehouse]: Parameters<typeof train>) =>
    await registerNewChampion(step, await train(step, warehouse), process.env),
  backtest,
};

/** Fits and evaluates the model (step train), or compares what it expected with what then happened (step backtest). */
await runJob(
  z.object({ ...runSettings.shape, candidates: z.string().default(""), model_id: z.string().default("") }),
  async (step) => {
    const run = Object.entries(work).find(([name]) => name === step.parameters.step)?.[1];
    if (run === undefined) {
      throw new UserError(
        `This image has no step ${step.parameters.step}; it has ${Object.keys(work).join(", ")}.`,
      );
    }
    await run(step, await step.warehouse());
  },
);
