import type { RecordedResource, Recording } from "./recording-mocks.ts";

/** A role that the stack grants. */
export interface Grant {
  readonly member: string;
  /** A predefined role as roles/NAME, or the name of a custom role. */
  readonly role: string;
  /** The permissions of a custom role. */
  readonly permissions: readonly string[] | undefined;
  /** What it is granted on: topic, dataset, project, … */
  readonly kind: string;
  /** The name of the topic, dataset, project, … in Google Cloud. */
  readonly on: string;
  readonly condition: string | undefined;
}

/** The property that names the resource of a grant: the first one that the grant has. */
const KINDS = [
  ["topic", "topic"],
  ["subscription", "subscription"],
  ["bucket", "bucket"],
  ["cryptoKeyId", "key"],
  ["serviceAccountId", "account"],
  ["name", "service"],
  ["tableId", "table"],
  ["datasetId", "dataset"],
  ["project", "project"],
] as const;

/** All grants of a stack. */
export function grantsOf({ resources }: Recording<unknown>): Grant[] {
  const custom = new Map(
    resources
      .filter(({ type }) => type === "gcp:projects/iAMCustomRole:IAMCustomRole")
      .map(({ inputs }) => [`projects/p/roles/${inputs.roleId}`, inputs.permissions as string[]]),
  );
  return resources
    .filter(({ inputs }) => inputs?.member !== undefined && inputs.role !== undefined)
    .map(({ inputs }: RecordedResource) => {
      const [key, kind] = KINDS.find(([property]) => inputs[property] !== undefined)!;
      const role = String(inputs.role);
      const permissions = custom.get(role);
      return {
        member: String(inputs.member),
        role: permissions === undefined ? role : role.split("/").at(-1)!,
        permissions,
        kind,
        on: kind === "table" ? `${inputs.datasetId}.${inputs.tableId}` : String(inputs[key]),
        condition: (inputs.condition as { title: string } | undefined)?.title,
      };
    });
}
