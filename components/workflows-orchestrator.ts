import { readFileSync } from "node:fs";
import type { DagSettings } from "../contracts/dag-settings.ts";

const SOURCE = new URL("../workflows/customer_value.yaml", import.meta.url);
/** The DAG runs the same query. */
const CONFIRMATION = new URL("../composer/dags/customer_value.confirmation.sql", import.meta.url);

/** Base URLs of Google's APIs. Tests have other ones. */
export interface Endpoints {
  readonly pubsub: string;
  readonly bigquery: string;
}
const GOOGLE: Endpoints = {
  pubsub: "https://pubsub.googleapis.com",
  bigquery: "https://bigquery.googleapis.com",
};

export interface WorkflowPlan {
  /** The workflow in the language of Workflows, at most 128 KB. */
  readonly source: string;
  /** Environment variables of the workflow, each at most 4 KiB. */
  readonly environment: { readonly SETTINGS: string; readonly CONFIRMATION: string };
}

/** What the workflow gets of the settings that both Orchestrators share. */
export function planWorkflow(settings: DagSettings, endpoints: Endpoints = GOOGLE): WorkflowPlan {
  const { tables, notification_emails: _, ...used } = settings;
  const { project } = settings;
  return {
    source: readFileSync(SOURCE, "utf8"),
    environment: {
      SETTINGS: JSON.stringify({
        ...used,
        pubsub_url: `${endpoints.pubsub}/v1/projects/${project}`,
        bigquery_url: `${endpoints.bigquery}/bigquery/v2/projects/${project}`,
      }),
      CONFIRMATION: confirmationQuery(tables),
    },
  };
}

/** The query without comments and indentation, which would exceed the limit. */
function confirmationQuery(tables: DagSettings["tables"]): string {
  return readFileSync(CONFIRMATION, "utf8")
    .replace(/--.*/g, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/\$\{(\w+)\}/g, (_, name: keyof typeof tables) => `\`${tables[name]}\``);
}
