import type { Deployment } from "../contracts/deployment.ts";
import { planTables } from "./warehouse.ts";

/** The tables of a deployment that have a partition for each run date, with their columns. */
export function deployedTables({ settings }: Deployment) {
  const [marketing = "", marts = ""] = settings.tables.mart.split(".");
  return planTables()
    .filter(({ partitionBy }) => partitionBy === "run_date")
    .map(({ dataset, name, columns }) =>
      dataset === "marketing"
        ? { project: marketing, dataset: marts, name, columns }
        : { project: settings.project, dataset, name, columns },
    );
}
