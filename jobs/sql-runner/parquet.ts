/** What candidates read and write: rows of a run date as Parquet files (docs/own-model.md). */
import type { Action, Graph } from "dataform-check/dataform";
import { nameOf } from "dataform-check/query";
import { type Parameters, pathOf, type Warehouse } from "../../contracts/warehouse.ts";

/** The order of the rows in the files, so that equal tables give equal files. */
const KEYS = ["sample", "purpose", "customer_id"];
/** Columns of predictions that the load adds. */
const ADDED = ["run_date", "family"];

/** Writes the rows of the run date of each model that is an artifact: the names are equal. */
export async function exportModels(
  warehouse: Warehouse,
  actions: readonly Action[],
  parameters: Parameters,
  folders: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, folder] of Object.entries(folders)) {
    const model = actions.find(({ target }) => target.name === name);
    if (model === undefined)
      throw new Error(`the step has no model ${name}, which the pipeline takes from it`);
    const keys = KEYS.filter((key) => key in model.columns);
    const order = keys.length === 0 ? "" : ` ORDER BY ${keys.join(", ")}`;
    const sql = `SELECT * FROM ${pathOf(model.target)} WHERE run_date = @run_date${order}`;
    await warehouse.exportParquet(sql, parameters, folder);
  }
}

/**
 * Replaces the predictions of the run date by those of these candidates. Returns how many rows were written, and a warning
 * for each candidate that has none afterwards: it does not compete, which no later step would notice.
 */
export async function loadPredictions(
  warehouse: Warehouse,
  graph: Graph,
  runDate: string,
  folders: Readonly<Record<string, string>>,
): Promise<{ rows: Record<string, number>; warnings: string[] }> {
  const candidates = Object.entries(folders);
  if (candidates.length === 0) return { rows: {}, warnings: [] };
  const table = graph.actions.find(({ target }) => target.name === "predictions")!;
  const columns = Object.keys(table.columns).filter((column) => !ADDED.includes(column));
  const { rows } = await warehouse.replaceByParquet(
    table.target,
    runDate,
    candidates.map(([family, folder]) => ({ folder, columns, constants: { family } })),
  );
  const families = await warehouse.query(
    `SELECT DISTINCT family FROM ${pathOf(table.target)} WHERE run_date = @run_date`,
    { run_date: { type: "DATE", value: runDate } },
  );
  const absent = candidates.filter(([name]) => !families.some(({ family }) => family === name));
  return {
    rows: { [nameOf(table.target)]: rows },
    warnings: absent.map(
      ([name]) => `The candidate ${name} made no predictions, so it does not compete in this run.`,
    ),
  };
}
