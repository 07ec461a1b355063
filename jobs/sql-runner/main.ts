import { z } from "zod";
import { jobArtifacts } from "../../adapters/artifacts.ts";
import { runSettings } from "../../contracts/run.ts";
import { json } from "../../lib/json.ts";
import { parse, UserError } from "../../lib/user-error.ts";
import { runJob } from "../job.ts";
import { saveLastRun } from "./last-run.ts";
import { startOrderRead } from "./order-reads.ts";
import { sqlParameters } from "./parameters.ts";
import { exportModels, loadPredictions } from "./parquet.ts";
import { actionsOfStep, compileToRun, runActions } from "./runner.ts";

const environment = z.object({
  SQL_DIR: z.string().default("sql").describe("Folder of the Dataform project."),
  SQL_VARS: json(z.record(z.string(), z.string()))
    .default({})
    .describe("Vars of the Dataform project, as JSON: where the orders and the marts are."),
});

/**
 * Runs the models and assertions of one step in the warehouse. Before that it loads the predictions that the step reads,
 * and after that it writes the models that are the step's artifacts as Parquet.
 */
await runJob(
  z.object({ ...runSettings.shape, model_id: z.string().default("") }),
  async ({ parameters, report, log, artifactsUrl, artifactUrls, warehouse: openWarehouse }) => {
    const env = parse(environment, process.env, "environment");
    const warehouse = await openWarehouse();
    const graph = compileToRun(env.SQL_DIR, { project: warehouse.project, vars: env.SQL_VARS });
    const actions = actionsOfStep(graph, parameters.step);
    if (actions.length === 0)
      throw new UserError(`No model or assertion in ${env.SQL_DIR} has the tag ${parameters.step}.`);

    const read = await startOrderRead(warehouse, graph, actions, parameters);
    log.debug({ read_since: read.since }, `reads orders since ${read.since}`);
    const values = sqlParameters(parameters, read.since);
    const loaded = await loadPredictions(warehouse, graph, parameters.run_date, artifactUrls.inputs);
    Object.assign(report.rows, loaded.rows);
    const result = await runActions(warehouse, env.SQL_DIR, actions, values, log);
    if (result.failures.length === 0) {
      // After a failed check the next run reads all orders: the log may be corrected at any place.
      await read.done();
      await exportModels(warehouse, actions, values, artifactUrls.outputs);
    }
    await saveLastRun(jobArtifacts, artifactsUrl, graph, actions, values);
    const checks = graph.actions.find(
      ({ target, materialization }) => target.name === "checks" && materialization === "append",
    );
    if (checks !== undefined) {
      const { run_id, run_date, step } = parameters;
      const rows = result.checks.map((check) => ({ run_id, run_date, step, ...check }));
      await warehouse.replaceRows(checks.target, { run_date, run_id, step }, rows);
    }
    Object.assign(report.rows, result.rows);
    report.bytes_billed = result.bytesBilled;
    const warnings = [...loaded.warnings, ...result.warnings];
    report.warnings.push(...warnings);
    for (const warning of warnings) log.warn(warning);
    if (result.failures.length > 0) throw new UserError(result.failures.join("\n"));
  },
);
