import { policy } from "./rule.ts";
import { texts } from "./value.ts";

/** A role that is granted although the policy forbids it, and why. */
export interface RoleException {
  readonly type: string;
  /** The resource's name in the program; every resource of the type if left out. */
  readonly name?: string;
  readonly role: string;
  readonly reason: string;
}

export const roleExceptions: readonly RoleException[] = [
  {
    type: "gcp:bigquery/dataset:Dataset",
    role: "OWNER",
    reason: "BigQuery refuses a dataset whose access list has no owner",
  },
];

/** Basic roles are owner, editor, viewer and admin, writer, reader: https://cloud.google.com/iam/docs/roles-overview */
const tooMuch = /^roles\/(editor|viewer|writer|reader)$|(admin|owner)$/i;

/** No grant has more rights than a task needs. Looks at members, bindings, policies and access lists of all resources. */
export function leastPrivilege(exceptions = roleExceptions) {
  return policy({
    name: "least-privilege",
    description: "No role is basic, admin or owner.",
    remedy: "Grant the role of the one task, or add an exception with its reason to policy/roles.ts.",
    types: ["gcp:"],
    *violations({ type, name, properties }) {
      const excepted = exceptions.filter((it) => it.type === type && (it.name ?? name) === name);
      for (const { path, key, text } of texts(properties)) {
        const role = text.split(":")[0]!;
        const isGranted = /^role(s|Entities)?$/.test(key);
        if (isGranted && tooMuch.test(role) && !excepted.some((it) => it.role === role))
          yield `${path} "${text}"`;
      }
    },
  });
}
