import { createHash } from "node:crypto";
import type { Action, Graph } from "dataform-check/dataform";
import type { RunSettings } from "../../contracts/run.ts";
import { pathOf, type Warehouse } from "../../contracts/warehouse.ts";
import { FIRST_DAY } from "./parameters.ts";

/** A read of the order log by a run. */
export interface OrderRead {
  /** First day of which the run reads the orders again, YYYY-MM-DD; FIRST_DAY for all orders. */
  readonly since: string;
  /** Records that the staging tables are complete, for the next run. */
  done(): Promise<void>;
}

/**
 * Starts a read of the order log into the staging tables, which are the models with an updatePartitionFilter. It reads all
 * orders when the settings say so, when no read was complete, and when the tables were made by other queries or settings.
 * Until it is done, the tables count as incomplete: after a read that did not finish, or whose checks failed, the next one reads
 * all orders.
 */
export async function startOrderRead(
  warehouse: Warehouse,
  graph: Graph,
  actions: readonly Action[],
  run: RunSettings & { readonly run_id: string; readonly run_date: string; readonly step: string },
): Promise<OrderRead> {
  const staging = actions.filter(({ updatePartitionFilter }) => updatePartitionFilter !== undefined);
  const reads = graph.actions.find(({ target }) => target.name === "order_reads");
  if (staging.length === 0 || reads === undefined) return { since: FIRST_DAY, done: async () => undefined };
  const { step, run_id, run_date } = run;
  const madeBy = fingerprint(staging, run);
  await warehouse.materialize(reads, {});
  const [last] = await warehouse.query(`SELECT made_by FROM ${pathOf(reads.target)} WHERE step = @step`, {
    step: { type: "STRING", value: step },
  });
  // A refund may lower any earlier order, and which ones a run knows depends on its run date.
  const all = run.full_refresh === "on" || run.refunds === "net" || last?.made_by !== madeBy;
  const since = all ? FIRST_DAY : await lookBack(warehouse, graph, run_date, run.late_orders_days);
  await warehouse.replaceRows(reads.target, { step }, []);
  const row = { step, run_id, read_since: since, made_by: madeBy };
  return { since, done: async () => void (await warehouse.replaceRows(reads.target, { step }, [row])) };
}

/** A hash of all that decides the rows of the staging tables, except the orders. */
function fingerprint(staging: readonly Action[], { shop_time_zone, refunds }: RunSettings): string {
  const models = staging.map(({ target, query, updatePartitionFilter }) => [
    target.name,
    query,
    updatePartitionFilter,
  ]);
  return createHash("sha256")
    .update(JSON.stringify([models, shop_time_zone, refunds]))
    .digest("hex");
}

/** The first day of the look-back: from the last order, or from the run date if that is earlier. */
async function lookBack(
  warehouse: Warehouse,
  graph: Graph,
  runDate: string,
  lateOrdersDays: number,
): Promise<string> {
  const days = graph.actions.find(({ target }) => target.name === "order_days")!;
  const [row] = await warehouse.query(
    `SELECT MAX(ordered_on) AS last_order_on FROM ${pathOf(days.target)} WHERE orders > 0`,
  );
  if (typeof row?.last_order_on !== "string") return FIRST_DAY;
  const [end = runDate] = [runDate, row.last_order_on].sort();
  const since = new Date(Date.parse(end) - lateOrdersDays * 86_400_000).toISOString().slice(0, 10);
  return [FIRST_DAY, since].sort()[1]!;
}
