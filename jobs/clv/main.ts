import { z } from "zod";
import { runSettings } from "../../contracts/run.ts";
import { UserError } from "../../lib/user-error.ts";
import { runJob } from "../job.ts";
import { backtest } from "./backtest.ts";
import { registerNewChampion } from "./register.ts";
import { train } from "./train.ts";

/** Fits and evaluates the model (step train), or compares what it expected with what then happened (step backtest). */
await runJob(
  z.object({ ...runSettings.shape, candidates: z.string().default(""), model_id: z.string().default("") }),
  async (step) => {
    switch (step.parameters.step) {
      case "train":
        return await registerNewChampion(step, await train(step, await step.warehouse()), process.env);
      case "backtest":
        return await backtest(step, await step.warehouse());
      default:
        throw new UserError(`This image has no step ${step.parameters.step}; it has train, backtest.`);
    }
  },
);
