import { readFileSync } from "node:fs";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { routines } from "../jobs/clv/routines.ts";
import { bundleRoutines } from "./routine-bundle.ts";

type Member = pulumi.Input<string>;
type Dataset = "rfm" | "ops" | "marketing";

export interface WarehouseArgs {
  readonly labels: Readonly<Record<string, string>>;
  readonly project: string;
  /** BigQuery location of all datasets; it must be that of the orders. */
  readonly location: string;
  /** The shop's orders, which are only read. */
  readonly orders: { readonly project: string; readonly dataset: string; readonly table: string };
  /** The dataset that marketing reads, and who may. Its tables hold the data itself, so that nobody needs rights on others. */
  readonly marketing: {
    readonly project: string;
    readonly dataset: string;
    readonly readers: readonly string[];
  };
  /** Keeps tables from being deleted, and datasets from being destroyed with their contents. */
  readonly protectData: boolean;
  /** Runs the SQL and writes all tables. */
  readonly jobs: Member;
  /** Checks the tables after a run. */
  readonly orchestrator: Member;
  /** Changes the arguments of children before they are made. */
  readonly transform?: {
    readonly dataset?: (args: gcp.bigquery.DatasetArgs, role: string) => gcp.bigquery.DatasetArgs;
    /** The name is dataset.table, as in sql/tables.json. */
    readonly table?: (args: gcp.bigquery.TableArgs, name: string) => gcp.bigquery.TableArgs;
  };
}

const DESCRIPTIONS: Readonly<Record<Dataset, string>> = {
  rfm: "Customer value: features, models and scores of customers, by run date.",
  ops: "Runs of the customer-value pipeline, and what was checked in them.",
  marketing: "Customer value: what marketing reads.",
};

const table = z.strictObject({
  dataset: z
    .enum(["rfm", "ops", "mlops_mkt"])
    .transform((name): Dataset => (name === "mlops_mkt" ? "marketing" : name)),
  name: z.string(),
  description: z.string(),
  partitionBy: z.string().optional(),
  clusterBy: z.array(z.string()).max(4),
  columns: z.array(z.strictObject({ name: z.string(), type: z.string(), description: z.string() })).min(1),
});
type TablePlan = z.output<typeof table>;

/** What Orchestrator checks after a run: the mart, the checks of the run, and which model is the champion. */
const CHECKED = ["marketing.rfm", "ops.checks", "rfm.models"];

/**
 * Where the tables are: the datasets, the tables that hold data and the model's functions. Views are not here: the SQL
 * runner makes them anew in every run.
 */
export class Warehouse extends pulumi.ComponentResource {
  readonly datasets: Readonly<Record<Dataset, gcp.bigquery.Dataset>>;
  /** By dataset.table. */
  readonly tables: Readonly<Record<string, gcp.bigquery.Table>>;
  readonly routines: Readonly<Record<string, gcp.bigquery.Routine>>;

  readonly #name: string;
  readonly #args: WarehouseArgs;
  readonly #child: pulumi.CustomResourceOptions;

  constructor(name: string, args: WarehouseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("customer-value:components:Warehouse", name, {}, opts);
    this.#name = name;
    this.#args = args;
    this.#child = { parent: this };

    const { project, marketing } = args;
    this.datasets = {
      rfm: this.#dataset("rfm", project, "rfm"),
      ops: this.#dataset("ops", project, "ops"),
      marketing: this.#dataset("marketing", marketing.project, marketing.dataset),
    };
    this.tables = Object.fromEntries(
      planTables().map((plan) => [`${plan.dataset}.${plan.name}`, this.#table(plan)]),
    );
    this.routines = this.#routines();
    this.#allowJobs();
    this.#allowOrchestrator();
    this.#allowReaders();

    this.registerOutputs({});
  }

  #dataset(role: Dataset, project: string, datasetId: string): gcp.bigquery.Dataset {
    const { labels, location, protectData, transform } = this.#args;
    const args: gcp.bigquery.DatasetArgs = {
      datasetId,
      project,
      location,
      labels,
      description: DESCRIPTIONS[role],
      deleteContentsOnDestroy: !protectData,
    };
    return new gcp.bigquery.Dataset(
      `${this.#name}-${role}`,
      transform?.dataset?.(args, role) ?? args,
      this.#child,
    );
  }

  #table(plan: TablePlan): gcp.bigquery.Table {
    const { labels, protectData, transform } = this.#args;
    const dataset = this.datasets[plan.dataset];
    const args: gcp.bigquery.TableArgs = {
      tableId: plan.name,
      datasetId: dataset.datasetId,
      project: dataset.project,
      description: plan.description,
      labels,
      schema: JSON.stringify(plan.columns.map((column) => ({ ...column, mode: "NULLABLE" }))),
      ...(plan.clusterBy.length === 0 ? {} : { clusterings: plan.clusterBy }),
      deletionProtection: protectData,
      // A query that names no run date would read every run there ever was.
      ...(plan.partitionBy === undefined
        ? {}
        : { timePartitioning: { type: "DAY", field: plan.partitionBy }, requirePartitionFilter: true }),
    };
    const name = `${plan.dataset}.${plan.name}`;
    return new gcp.bigquery.Table(
      `${this.#name}-${plan.dataset}-${plan.name}`,
      transform?.table?.(args, name) ?? args,
      this.#child,
    );
  }

  #routines(): Record<string, gcp.bigquery.Routine> {
    const { datasetId, project } = this.datasets.rfm;
    const bodies = bundleRoutines(new URL("../jobs/clv/routines.ts", import.meta.url), routines);
    const type = (typeKind: string) => JSON.stringify({ typeKind });
    return Object.fromEntries(
      routines.map(({ name, parameters, returns, description }) => [
        name,
        new gcp.bigquery.Routine(
          `${this.#name}-${name}`,
          {
            routineId: name,
            datasetId,
            project,
            routineType: "SCALAR_FUNCTION",
            language: "JAVASCRIPT",
            description,
            arguments: parameters.map((parameter) => ({
              name: parameter.name,
              dataType: type(parameter.type),
            })),
            returnType: type(returns),
            determinismLevel: "DETERMINISTIC",
            definitionBody: bodies[name]!,
          },
          this.#child,
        ),
      ]),
    );
  }

  #allowJobs(): void {
    const { orders, jobs } = this.#args;
    for (const dataset of Object.keys(this.datasets) as Dataset[])
      this.#allowOnDataset(dataset, "dataEditor", "jobs", jobs);
    new gcp.bigquery.IamMember(
      `${this.#name}-orders-dataViewer-jobs`,
      {
        project: orders.project,
        datasetId: orders.dataset,
        tableId: orders.table,
        role: "roles/bigquery.dataViewer",
        member: jobs,
      },
      this.#child,
    );
    this.#allowQueries("jobs", jobs);
  }

  #allowOrchestrator(): void {
    const { orchestrator } = this.#args;
    for (const name of CHECKED) {
      const { project, datasetId, tableId } = this.tables[name]!;
      new gcp.bigquery.IamMember(
        `${this.#name}-${name.replace(".", "-")}-dataViewer-orchestrator`,
        { project, datasetId, tableId, role: "roles/bigquery.dataViewer", member: orchestrator },
        this.#child,
      );
    }
    this.#allowQueries("orchestrator", orchestrator);
  }

  #allowReaders(): void {
    for (const reader of this.#args.marketing.readers)
      this.#allowOnDataset("marketing", "dataViewer", reader, reader);
  }

  #allowOnDataset(dataset: Dataset, role: "dataEditor" | "dataViewer", who: string, member: Member): void {
    const { project, datasetId } = this.datasets[dataset];
    new gcp.bigquery.DatasetIamMember(
      `${this.#name}-${dataset}-${role}-${who}`,
      { project, datasetId, role: `roles/bigquery.${role}`, member },
      this.#child,
    );
  }

  /** The right to run queries is one on a project; what they may read is a matter of the tables. */
  #allowQueries(who: string, member: Member): void {
    new gcp.projects.IAMMember(
      `${this.#name}-jobUser-${who}`,
      { project: this.#args.project, role: "roles/bigquery.jobUser", member },
      this.#child,
    );
  }
}

/** The tables of the SQL project that hold data, as `npm run tables` wrote them down. */
export function planTables(): TablePlan[] {
  const text = readFileSync(new URL("../sql/tables.json", import.meta.url), "utf8");
  return z.array(table).parse(JSON.parse(text));
}
