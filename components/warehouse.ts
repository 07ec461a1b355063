import { readFileSync } from "node:fs";
import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import { load } from "js-yaml";
import { z } from "zod";
import { timePartitioning } from "../contracts/warehouse.ts";
import { routines } from "../jobs/clv/routines.ts";
import { UserError } from "../lib/user-error.ts";
import { Component, type Member, type StackArgs } from "./component.ts";
import { bundleRoutines } from "./routine-bundle.ts";

type Dataset = "rfm" | "ops" | "marketing";

export interface WarehouseArgs extends StackArgs {
  /** BigQuery location of all datasets; it must be that of the orders. */
  readonly location: string;
  /** The shop's orders, which are only read. */
  readonly orders: { readonly project: string; readonly dataset: string; readonly table: string };
  /** The dataset that marketing reads, and who may read it. Its tables hold the data itself, so that nobody needs rights on others. */
  readonly marketing: {
    readonly project: string;
    readonly dataset: string;
    readonly readers: readonly string[];
  };
  /** Runs the SQL and writes all tables. */
  readonly jobs: Member;
  /** Checks the tables after a run. */
  readonly orchestrator: Member;
}

const DESCRIPTIONS: Readonly<Record<Dataset, string>> = {
  rfm: "Customer value: features, models and scores of customers, by run date.",
  ops: "Runs of the customer-value pipeline, and what was checked in them.",
  marketing: "Customer value: what marketing reads.",
};

const table = z.strictObject({
  dataset: z.string(),
  name: z.string(),
  description: z.string(),
  partitionBy: z.string().optional(),
  clusterBy: z.array(z.string()).max(4),
  columns: z.array(z.strictObject({ name: z.string(), type: z.string(), description: z.string() })).min(1),
});
type TablePlan = Omit<z.output<typeof table>, "dataset"> & { readonly dataset: Dataset };

const VIEWER = "roles/bigquery.dataViewer";

/** What Orchestrator checks after a run: the mart, the checks of the run, and which model is the champion. */
const TABLES_ORCHESTRATOR_READS = ["marketing.rfm", "ops.checks", "rfm.models"];

/**
 * What the jobs need on a dataset: they make views and tables, add columns, replace rows, write rows as files for candidates and call
 * the model's functions.
 * roles/bigquery.dataEditor could also delete tables, with their history, and change the functions.
 */
const WRITE = [
  "bigquery.routines.get",
  ...["create", "export", "get", "getData", "update", "updateData"].map((verb) => `bigquery.tables.${verb}`),
];

/**
 * Where the tables are: the datasets, the tables that hold data and the model's functions. Views are not here: the SQL
 * runner creates them again in every run.
 */
export class Warehouse extends Component<WarehouseArgs> {
  readonly datasets: Readonly<Record<Dataset, gcp.bigquery.Dataset>>;
  /** By dataset.table. */
  readonly tables: Readonly<Record<string, gcp.bigquery.Table>>;

  constructor(name: string, args: WarehouseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("Warehouse", name, args, opts);

    const { project, marketing } = args;
    this.datasets = {
      rfm: this.#dataset("rfm", project, "rfm"),
      ops: this.#dataset("ops", project, "ops"),
      marketing: this.#dataset("marketing", marketing.project, marketing.dataset),
    };
    this.tables = Object.fromEntries(
      planTables().map((plan) => [`${plan.dataset}.${plan.name}`, this.#table(plan)]),
    );
    this.#routines();
    this.#allowJobs();
    this.#allowOrchestrator();
    this.#allowReaders();

    this.registerOutputs({});
  }

  #dataset(role: Dataset, project: string, datasetId: string): gcp.bigquery.Dataset {
    const { labels, location, protectData } = this.args;
    const args: gcp.bigquery.DatasetArgs = {
      datasetId,
      project,
      location,
      labels,
      description: DESCRIPTIONS[role],
      deleteContentsOnDestroy: !protectData,
    };
    return new gcp.bigquery.Dataset(this.named(role), args, {
      ...this.child,
      protect: protectData,
    });
  }

  #table(plan: TablePlan): gcp.bigquery.Table {
    const { labels, protectData } = this.args;
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
      // A query without a run date would read all runs.
      ...(plan.partitionBy === undefined
        ? {}
        : { timePartitioning: timePartitioning(plan.partitionBy), requirePartitionFilter: true }),
    };
    return new gcp.bigquery.Table(
      this.named(`${plan.dataset}-${plan.name}`),
      args,
      // If the location changes, the dataset is replaced, and its tables with it.
      { ...this.child, protect: protectData, replaceWith: [dataset], deletedWith: dataset },
    );
  }

  #routines(): void {
    const { datasetId, project } = this.datasets.rfm;
    const bodies = bundleRoutines(new URL("../jobs/clv/routines.ts", import.meta.url), routines);
    const type = (typeKind: string) => JSON.stringify({ typeKind });
    for (const { name, parameters, returns, description } of routines) {
      const args: gcp.bigquery.RoutineArgs = {
        routineId: name,
        datasetId,
        project,
        routineType: "SCALAR_FUNCTION",
        language: "JAVASCRIPT",
        description,
        arguments: parameters.map((parameter) => ({ name: parameter.name, dataType: type(parameter.type) })),
        returnType: type(returns),
        determinismLevel: "DETERMINISTIC",
        definitionBody: bodies[name]!,
      };
      const inDataset = { replaceWith: [this.datasets.rfm], deletedWith: this.datasets.rfm };
      new gcp.bigquery.Routine(this.named(name), args, { ...this.child, ...inDataset });
    }
  }

  #allowJobs(): void {
    const { orders, jobs, marketing } = this.args;
    const own = this.#writerRole("writer", this.args.project);
    // A project's role can be granted in that project only.
    const apart = marketing.project !== this.args.project;
    const roles: Readonly<Record<Dataset, gcp.projects.IAMCustomRole>> = {
      rfm: own,
      ops: own,
      marketing: apart ? this.#writerRole("marketing-writer", marketing.project) : own,
    };
    for (const dataset of Object.keys(roles) as Dataset[])
      this.#allow(dataset, "writer", roles[dataset].name, "jobs", jobs);
    const { project, dataset: datasetId, table: tableId } = orders;
    const table = { project, datasetId, tableId };
    this.grant(gcp.bigquery.IamMember, "orders-dataViewer-jobs", table, VIEWER, jobs);
    this.#allowQueries("jobs", jobs);
  }

  #writerRole(name: string, project: string): gcp.projects.IAMCustomRole {
    const title = `${this.args.names.serviceAccounts.jobs}-writer`;
    const description = "Makes tables and views, reads and replaces their rows; deletes no table.";
    return this.role(name, project, title, description, WRITE);
  }

  #allowOrchestrator(): void {
    const { orchestrator } = this.args;
    for (const name of TABLES_ORCHESTRATOR_READS) {
      const { project, datasetId, tableId } = this.tables[name]!;
      const table = { project, datasetId, tableId };
      const what = `${name.replace(".", "-")}-dataViewer-orchestrator`;
      this.grant(gcp.bigquery.IamMember, what, table, VIEWER, orchestrator);
    }
    this.#allowQueries("orchestrator", orchestrator);
  }

  #allowReaders(): void {
    for (const reader of this.args.marketing.readers)
      this.#allow("marketing", "dataViewer", VIEWER, reader, reader);
  }

  #allow(dataset: Dataset, what: string, role: pulumi.Input<string>, who: string, member: Member): void {
    const { project, datasetId } = this.datasets[dataset];
    const on = { project, datasetId };
    this.grant(gcp.bigquery.DatasetIamMember, `${dataset}-${what}-${who}`, on, role, member);
  }

  /** Running queries is a right on a project; what they may read depends on the tables. */
  #allowQueries(who: string, member: Member): void {
    const { project } = this.args;
    this.grant(gcp.projects.IAMMember, `jobUser-${who}`, { project }, "roles/bigquery.jobUser", member);
  }
}

/** The dataset of the marts where sql/ is compiled without other settings. */
export function defaultMartsDataset(): string {
  const settings = z.object({ vars: z.object({ marts_dataset: z.string() }) });
  return settings.parse(load(readSql("workflow_settings.yaml"))).vars.marts_dataset;
}

/** The tables of the SQL project that hold data, as `npm run tables` wrote them. */
export function planTables(tables = readSql("tables.json")): TablePlan[] {
  const datasets: Readonly<Record<string, Dataset>> = {
    rfm: "rfm",
    ops: "ops",
    [defaultMartsDataset()]: "marketing",
  };
  return z
    .array(table)
    .parse(JSON.parse(tables))
    .map(({ dataset, ...plan }) => {
      const owner = datasets[dataset];
      if (owner === undefined)
        throw new UserError(`${dataset}.${plan.name} is in a dataset that the stack does not create.`, {
          remedy: `Put the model into one of ${Object.keys(datasets).join(", ")}, or add the dataset to components/warehouse.ts.`,
        });
      return { ...plan, dataset: owner };
    });
}

const readSql = (file: string): string => readFileSync(new URL(`../sql/${file}`, import.meta.url), "utf8");
