import type { RunSettings } from "../../contracts/run.ts";
import type { Warehouse } from "../../contracts/warehouse.ts";
import type { Step } from "../job.ts";
import { evaluate } from "./metrics.ts";
import { readBacktest, replaceMetrics } from "./model-tables.ts";

/** If the log goes on after the run date: compares what the model expected with what then happened. */
export async function backtest(
  { parameters: { run_date, model_id }, report }: Step<RunSettings & { model_id: string }>,
  warehouse: Warehouse,
): Promise<void> {
  const customers = await readBacktest(warehouse, run_date);
  const { weeks, predicted_purchases, predicted_value } = customers;
  const predictions = { purchases: predicted_purchases, value: predicted_value };
  const [metrics = []] = weeks.length === 0 ? [] : evaluate(customers, weeks, [predictions]);
  report.rows["rfm.model_metrics"] = await replaceMetrics(warehouse, run_date, {
    backtest: [{ model_id, metrics }],
  });
}
