import type { Action, Graph } from "dataform-check/dataform";
import { fullNameOf } from "dataform-check/query";
import { z } from "zod";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import type { Parameters } from "../../contracts/warehouse.ts";
import { jsonOrText } from "../../lib/json.ts";
import { parse } from "../../lib/user-error.ts";

/** What made the warehouse's tables: each action as it ran last, and the parameters of the last run. */
const lastRun = z.object({
  parameters: z.record(
    z.string(),
    z.object({
      type: z.enum(["DATE", "FLOAT64", "INT64", "STRING"]),
      value: z.union([z.string(), z.number()]).nullable(),
    }),
  ),
  actions: z.array(
    z.custom<Action>(
      (value) => typeof (value as Partial<Action> | null)?.query === "string",
      "must be an action",
    ),
  ),
});

export type LastRun = z.output<typeof lastRun>;

const urlIn = (artifactsUrl: string): string => `${artifactsUrl}/last-run.json`;

/** The last run; undefined before the first. @throws UserError when its file is damaged. */
export async function readLastRun(
  artifacts: ArtifactStore,
  artifactsUrl: string,
): Promise<LastRun | undefined> {
  const text = await artifacts.read(urlIn(artifactsUrl));
  if (text === undefined) return undefined;
  const remedy = "Run again: the run replaces the file.";
  return parse(lastRun, jsonOrText(text), urlIn(artifactsUrl), remedy);
}

/** Saves the actions that ran. Actions that are no longer in the project are removed. */
export async function saveLastRun(
  artifacts: ArtifactStore,
  artifactsUrl: string,
  graph: Graph,
  ran: readonly Action[],
  parameters: Parameters,
): Promise<void> {
  const before = await readLastRun(artifacts, artifactsUrl).catch(() => undefined);
  const actions = new Map(
    [...(before?.actions ?? []), ...ran].map((each) => [fullNameOf(each.target), each]),
  );
  const present = graph.actions.flatMap((each) => actions.get(fullNameOf(each.target)) ?? []);
  await artifacts.write(urlIn(artifactsUrl), JSON.stringify({ parameters, actions: present }));
}
