/** Test support: which changes to a deployed stack would lose data. */
import type { RecordedResource } from "./recording-mocks.ts";

/** What identifies a resource in the state and in Google Cloud. */
export interface ReleasedResource {
  /** "types::name": the URN without stack and project. */
  readonly urn: string;
  /** Its name in Google Cloud, if it has one. */
  readonly cloudName?: string;
  /** Of a resource that holds data: the properties of which a change replaces it. */
  readonly fixed?: Readonly<Record<string, unknown>>;
}

/**
 * Types that hold data, and the properties of which a change replaces the resource ("Changing this forces a new
 * resource" in the provider's documentation).
 */
const HOLD_DATA: Readonly<Record<string, readonly string[]>> = {
  "gcp:artifactregistry/repository:Repository": ["repositoryId", "location", "format"],
  "gcp:bigquery/dataset:Dataset": ["project", "datasetId", "location"],
  "gcp:bigquery/table:Table": ["project", "datasetId", "tableId", "timePartitioning", "schema"],
  "gcp:composer/environment:Environment": ["project", "region", "name"],
  "gcp:pubsub/subscription:Subscription": ["name", "topic", "filter"],
  "gcp:pubsub/topic:Topic": ["name"],
  "gcp:storage/bucket:Bucket": ["name", "location"],
};

const NAMES =
  "accountId repositoryId tableId routineId datasetId roleId imageName workloadIdentityPoolId name";

/** The name of a resource in Google Cloud, unique among the resources of its type; undefined if it has none. */
export function cloudName({ inputs }: RecordedResource): string | undefined {
  if (inputs.role !== undefined) return undefined;
  const own = NAMES.split(" ").find((key) => inputs[key] !== undefined);
  if (own === undefined) return undefined;
  const name = String(inputs[own]).replace(/:[^/]*$/, ""); // an image without its tag
  const parts = [inputs.project, inputs.bucket, own === "datasetId" ? undefined : inputs.datasetId, name];
  return parts.filter(Boolean).join("/");
}

/** The part of a resource that a release keeps. */
export function toReleased(resource: RecordedResource): ReleasedResource {
  const name = cloudName(resource);
  const fixed = HOLD_DATA[resource.type]?.flatMap((key): [string, unknown][] => {
    const value = resource.inputs[key];
    return value === undefined ? [] : [[key, key === "schema" ? columnsIn(String(value)) : value]];
  });
  return {
    urn: resource.urns[0]!,
    ...(name === undefined ? {} : { cloudName: name }),
    ...(fixed === undefined ? {} : { fixed: Object.fromEntries(fixed) }),
  };
}

const columnsIn = (schema: string): Record<string, string> =>
  Object.fromEntries(
    (JSON.parse(schema) as { name: string; type: string }[]).map((it) => [it.name, it.type]),
  );

/** What an upgrade from the released resources to the current ones would lose, one sentence each. */
export function dataLosses(
  released: readonly ReleasedResource[],
  current: readonly RecordedResource[],
): string[] {
  return released.flatMap(({ urn, fixed }) => {
    if (fixed === undefined) return [];
    const match = current.find(({ urns }) => urns.includes(urn));
    if (match === undefined) return [`${urn} is deleted: no resource has this URN or an alias for it`];
    const now = toReleased(match).fixed ?? {};
    return [...new Set([...Object.keys(fixed), ...Object.keys(now)])].flatMap((key) =>
      isKept(key, fixed[key], now[key])
        ? []
        : [`${urn} is replaced: ${key} was ${JSON.stringify(fixed[key])}, is ${JSON.stringify(now[key])}`],
    );
  });
}

/** A table may get new columns. Every other change counts. */
function isKept(key: string, before: unknown, now: unknown): boolean {
  if (key !== "schema") return JSON.stringify(before) === JSON.stringify(now);
  const columns = now as Record<string, string> | undefined;
  return Object.entries(before as Record<string, string>).every(([name, type]) => columns?.[name] === type);
}
