import { readFileSync } from "node:fs";

interface Google {
  readonly methods: Readonly<Record<string, readonly string[]>>;
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly permissions: readonly string[];
}
const google: Google = JSON.parse(readFileSync(new URL("google.json", import.meta.url), "utf8"));

/** Methods of which the data set lists no permission, or permissions that these calls do not need. */
export const CORRECTIONS: Readonly<Record<string, readonly string[]>> = {
  // Everybody may read own jobs: cloud.google.com/bigquery/docs/access-control#bigquery.jobs.get
  "bigquery.jobs.get": [],
  "bigquery.jobs.getQueryResults": [],
  // The export is for jobs that export a table.
  "bigquery.jobs.insert": ["bigquery.jobs.create"],
  "bigquery.jobs.query": ["bigquery.jobs.create"],
  // Tags of policies, which no table has.
  "bigquery.routines.update": ["bigquery.routines.get", "bigquery.routines.update"],
  "bigquery.tables.patch": ["bigquery.tables.get", "bigquery.tables.update"],
  "bigquery.tables.update": ["bigquery.tables.get", "bigquery.tables.update"],
  "pubsub.projects.subscriptions.pull": ["pubsub.subscriptions.consume"],
  // Policies of objects, which buckets with uniform access do not have.
  "storage.objects.get": ["storage.objects.get"],
  "storage.objects.list": ["storage.objects.list"],
  "storage.objects.update": ["storage.objects.get", "storage.objects.update"],
};

const PERMISSIONS = new Set(google.permissions);

/** Whether Google has this permission. Only the resources are known that the project's roles name. */
export const isPermission = (name: string): boolean => PERMISSIONS.has(name);

/** The permissions that a call of the method needs; a permission needs itself. @throws Error for an unknown name. */
export function permissionsOf(what: string): string[] {
  const found = CORRECTIONS[what] ?? google.methods[what];
  if (found === undefined && isPermission(what)) return [what];
  if (found === undefined) throw new Error(`${what} is no method and no permission in google.json.`);
  if (found.length === 0 && CORRECTIONS[what] === undefined)
    throw new Error(`google.json has no permissions of ${what}: add them to CORRECTIONS.`);
  return [...found];
}

/** The permissions of a predefined role. @throws Error for an unknown role. */
export function permissionsOfRole(role: string): string[] {
  const found = google.roles[role];
  if (found === undefined) throw new Error(`${role} is not in google.json.`);
  return [...found];
}
