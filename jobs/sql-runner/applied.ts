import { z } from "zod";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import type { Parameters, Target } from "../../contracts/warehouse.ts";
import { parse } from "../../lib/user-error.ts";
import type { Action, Graph } from "../../packages/dataform-check/src/dataform.ts";

const target = z.object({ project: z.string(), dataset: z.string(), name: z.string() });
const action = z.object({
  kind: z.enum(["model", "assertion"]),
  target,
  materialization: z.enum(["view", "table", "partition", "log"]),
  query: z.string(),
  partitionBy: z.string().optional(),
  clusterBy: z.array(z.string()),
  tags: z.array(z.string()),
  description: z.string(),
  columns: z.record(z.string(), z.string()),
  dependencies: z.array(target),
  file: z.string(),
});
const applied = z.object({
  parameters: z.record(
    z.string(),
    z.object({
      type: z.enum(["DATE", "FLOAT64", "INT64", "STRING"]),
      value: z.union([z.string(), z.number()]).nullable(),
    }),
  ),
  actions: z.array(action),
});

/** What the warehouse's tables were made from: each action as it last ran, and the parameters of the last run. */
export interface Applied {
  readonly parameters: Parameters;
  readonly actions: readonly Action[];
}

const urlIn = (artifactsUrl: string): string => `${artifactsUrl.replace(/\/$/, "")}/applied.json`;

/** What is kept of the last runs beside the warehouse; undefined before the first. Throws a UserError when it can't be read. */
export async function readApplied(
  artifacts: ArtifactStore,
  artifactsUrl: string,
): Promise<Applied | undefined> {
  const text = await artifacts.read(urlIn(artifactsUrl));
  if (text === undefined) return undefined;
  const { actions, parameters } = parse(
    applied,
    json(text),
    urlIn(artifactsUrl),
    "Run again: it is written anew.",
  );
  return { parameters, actions: actions.map((each) => ({ ...each, partitionBy: each.partitionBy })) };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Keeps the actions that ran, in the place of what they were; those that are no longer in the project are forgotten. */
export async function keepApplied(
  artifacts: ArtifactStore,
  artifactsUrl: string,
  graph: Graph,
  ran: readonly Action[],
  parameters: Parameters,
): Promise<void> {
  const key = (of: { target: Target }): string => JSON.stringify(of.target);
  const before = await readApplied(artifacts, artifactsUrl).catch(() => undefined);
  const actions = new Map((before?.actions ?? []).map((each) => [key(each), each]));
  for (const each of ran) actions.set(key(each), each);
  const present = graph.actions.flatMap((each) => actions.get(key(each)) ?? []);
  await artifacts.write(urlIn(artifactsUrl), JSON.stringify({ parameters, actions: present }));
}
