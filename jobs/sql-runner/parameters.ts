import type { RunSettings } from "../../contracts/run.ts";
import type { Parameters } from "../../contracts/warehouse.ts";

/** The parameters that the queries of the SQL project may use: @run_date and the settings of the run, typed. */
export function sqlParameters(run: RunSettings & { run_date: string; model_id: string }): Parameters {
  return {
    run_date: { type: "DATE", value: run.run_date },
    horizon_weeks: { type: "INT64", value: run.horizon_weeks },
    holdout_weeks: { type: "INT64", value: run.holdout_weeks },
    rfm_window_days: { type: "INT64", value: run.rfm_window_days },
    annual_discount_rate: { type: "FLOAT64", value: run.annual_discount_rate },
    max_rejected_share: { type: "FLOAT64", value: run.max_rejected_share },
    retrain: { type: "STRING", value: run.retrain },
    shop_time_zone: { type: "STRING", value: run.shop_time_zone },
    refunds: { type: "STRING", value: run.refunds },
    model_customers: { type: "INT64", value: run.model_customers },
    max_psi: { type: "FLOAT64", value: run.max_psi },
    model_id: { type: "STRING", value: run.model_id },
  };
}
