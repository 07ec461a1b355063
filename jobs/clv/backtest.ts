import type { RunSettings } from "../../contracts/run.ts";
import type { Warehouse } from "../../contracts/warehouse.ts";
import type { Step } from "../job.ts";
import { judge } from "./metrics.ts";
import { backtestRow, replaceMetrics, rowsOf } from "./model-tables.ts";

/** Where the log goes on after the run date: judges what the model expected by what then happened. */
export async function backtest(
  step: Step<RunSettings & { model_id: string }>,
  warehouse: Warehouse,
): Promise<void> {
  const { parameters, report } = step;
  const customers = await rowsOf(warehouse, "backtest", backtestRow, parameters.run_date);
  const metrics =
    customers.length === 0
      ? []
      : judge(
          customers.map((customer) => ({
            predictedPurchases: customer.predicted_purchases,
            predictedValue: customer.predicted_value,
            rfmScore: customer.rfm_score,
            pastSpend: customer.past_spend,
            pastRatePurchases: customer.t > 0 ? (customer.x / customer.t) * customer.weeks : 0,
            actualPurchases: customer.actual_purchases,
            actualRevenue: customer.actual_value,
            x: customer.x,
          })),
        );
  report.rows["rfm.model_metrics"] = await replaceMetrics(
    warehouse,
    parameters.run_date,
    "backtest",
    parameters.model_id,
    metrics,
  );
}
