import { join } from "node:path";
import type { Checked } from "./checker.ts";
import type { Graph } from "./dataform.ts";
import { fullNameOf } from "./query.ts";

export const tablesFile = (projectDir: string): string => join(projectDir, "tables.json");

/** The content of tables.json: the tables that hold data, with their columns and what the project says about them. */
export function tablesText({ actions }: Graph, { columns }: Checked): string {
  const tables = actions
    .filter(({ kind, materialization }) => kind === "model" && materialization !== "view")
    .map(({ target, description, partitionBy, clusterBy, columns: descriptions }) => ({
      dataset: target.dataset,
      name: target.name,
      description,
      partitionBy,
      clusterBy,
      columns: columns
        .get(fullNameOf(target))
        ?.map(({ name, type }) => ({ name, type, description: descriptions[name] ?? "" })),
    }))
    .sort((one, other) => (`${one.dataset}.${one.name}` < `${other.dataset}.${other.name}` ? -1 : 1));
  return `${JSON.stringify(tables, null, 2)}\n`;
}
